"""A user is told once if the folder's clock is off, or if locks do not work in it."""

import errno
import fcntl
import time
from pathlib import Path

import pytest

from seqsweep.runs.sweepfile import lock_notes


def test_a_usual_folder_has_no_notes(tmp_path: Path) -> None:
    assert lock_notes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("offset", "said"),
    [(-7260, "121 min ahead of"), (7260, "121 min behind"), (180, "3 min behind")],
)
def test_a_clock_that_differs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: float, said: str
) -> None:
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + offset)
    (note,) = lock_notes(tmp_path)
    assert note.startswith(f"{tmp_path}: its clock is {said} the clock of this host")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "lockf", refused)
    (note,) = lock_notes(tmp_path)
    assert "no POSIX locks" in note
