"""What tests of interrupted work share: the moment of every write."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

AtRename = Callable[..., AbstractContextManager[list[str]]]


class Killed(BaseException):
    """Ends the work as a kill does: nothing of ours catches it, so nothing is tidied up."""


def kill() -> None:
    raise Killed


@pytest.fixture
def at_rename(monkeypatch: pytest.MonkeyPatch) -> AtRename:
    """`with at_rename(3) as renamed:` kills the work in the block at its third rename.

    Every file of ours gets its name by a rename, so that is every write. With `after` the file has
    its name already. `act` is done instead of the kill, and the work may outlive it. The names of
    the renamed files are added to what the block is given; a killed work renames nothing more.
    """

    @contextmanager
    def ended(
        n: int, after: bool = False, act: Callable[[], object] = kill
    ) -> Generator[list[str]]:
        rename, renamed = Path.replace, list[str]()

        def replace(self: Path, target: Path) -> Path:
            renamed.append(Path(target).name)
            if not after and len(renamed) >= n:
                act()
            result = rename(self, target)
            if after and len(renamed) >= n:
                act()
            return result

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            with suppress(Killed):
                yield renamed

    return ended
