"""A folder of folders of event files, made to hold what it should and nothing else of ours.

What is there already is left alone, so that a second time costs a look at the names. A file's name
tells its content, and what two processes write at once is the same.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Files = dict[str, Path | Callable[[], bytes]]
"""The files of a folder by name: links to others, and contents that are made when they are due."""

_PREFIX = "events.out.tfevents."
_OURS, _LINK, _TEMPORARY = ".seqsweep.", ".link", ".tmp"
_ATTEMPTS = 20
_OLD_SECONDS = 60.0
_README = "README.txt"

NAME = "tensorboard"
"""The folder of the view, in that of the runs."""

_TEXT = """\
Made by `seqsweep tensorboard` from the folders of the runs: TensorBoard's view of them.
It can be removed at any time, and is made again when it is needed.
"""


def file_name(when: float, digest: str, kind: str) -> str:
    """Of an event file of ours; TensorBoard reads the files whose names hold `tfevents`."""
    return f"{_PREFIX}{int(when):010d}{_OURS}{digest}.{kind}"


def digest(content: bytes) -> str:
    """What tells a file's content in its name."""
    return hashlib.sha256(content).hexdigest()[:16]


def made_names(root: Path) -> set[str]:
    """The files of ours below a root, by their paths from there."""
    if not _is_ours(root):
        return set()
    return {f"{folder}/{name}" for folder in _folders(root) for name in _ours_in(root / folder)}


def link_name(path: Path) -> str:
    """Of a link to an event file of others."""
    return path.name + _LINK


def mirror(root: Path, folders: Mapping[str, Files]) -> None:
    """Makes the folders below `root` hold these files; what is not ours is left where it is.

    Raises:
        ValueError: something that is not ours stands at `root`.
        OSError: something cannot be written.
    """
    _claim(root)
    there = {name: _ours_in(root / name) for name in _folders(root)}
    pool = {  # what is wanted no more where it is
        name: root / folder / name
        for folder, names in there.items()
        for name in names - folders.get(folder, {}).keys()
        if not name.endswith(_LINK)
    }
    for folder, files in folders.items():
        for name, content in files.items():
            target = root / folder / name
            if isinstance(content, Path):
                if name not in there.get(folder, ()) or not _is_link_to(target, content):
                    _link(root, target, content)
            elif name not in there.get(folder, ()):
                _write(root, target, content, pool.get(name))
    for folder, names in there.items():
        _remove(root / folder, names - folders.get(folder, {}).keys())
    _remove_old_temporary(root)


def _claim(root: Path) -> None:
    """Makes the folder, with a text in it by which it is known to be ours."""
    if os.path.lexists(root) and not _is_ours(root):
        raise ValueError(
            f"{root}: here belongs the view that TensorBoard is given, but it is something else "
            f"(no {_README} of ours in it); move it away"
        )
    root.mkdir(exist_ok=True)
    if not (root / _README).exists():
        _put(root, root / _README, lambda path: path.write_text(_TEXT, encoding="utf-8"))


def _is_ours(root: Path) -> bool:
    """The text comes first: what is not empty any more has one, though it had none a moment ago."""
    if root.is_symlink() or not root.is_dir():
        return False
    return _is_empty(root) or (root / _README).exists()


def _is_empty(folder: Path) -> bool:
    """But for the temporary files of a process that claims it just now."""
    return all(path.suffix == _TEMPORARY for path in folder.iterdir())


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def _ours_in(folder: Path) -> set[str]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:  # another process has removed it
        return set()
    return {
        name
        for name in names
        if name.startswith(_PREFIX) and (_OURS in name or name.endswith(_LINK))
    }


def _write(root: Path, target: Path, content: Callable[[], bytes], same: Path | None) -> None:
    """Where a file of this name stands under an old name of the run, it moves."""
    if same is not None:
        with contextlib.suppress(OSError):
            target.parent.mkdir(exist_ok=True)
            same.replace(target)
            return
    data = content()
    _put(root, target, lambda path: path.write_bytes(data))


def _link(root: Path, target: Path, source: Path) -> None:
    """A relative link, so that the sweep's folder can be moved; a hard link where there is none."""
    relative = os.path.relpath(source, target.parent)

    def make(path: Path) -> None:
        try:
            path.symlink_to(relative)
        except (OSError, NotImplementedError):
            path.unlink(missing_ok=True)
            path.hardlink_to(source)

    _put(root, target, make)


def _is_link_to(target: Path, source: Path) -> bool:
    try:
        if target.is_symlink():
            return os.readlink(target) == os.path.relpath(source, target.parent)
        return target.samefile(source)
    except OSError:
        return False


def _put(root: Path, target: Path, make: Callable[[Path], object]) -> None:
    """Under a name that no other process and no TensorBoard looks at, then renamed."""
    writer = f"{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}"
    temporary = root / f".{writer}{_TEMPORARY}"
    try:
        make(temporary)
        for attempt in range(_ATTEMPTS):
            try:
                temporary.replace(target)
                return
            except FileNotFoundError:  # a new folder, or one that another process has just removed
                if attempt + 1 == _ATTEMPTS:
                    raise
                target.parent.mkdir(exist_ok=True)
    finally:
        temporary.unlink(missing_ok=True)


def _remove(folder: Path, names: Iterable[str]) -> None:
    """And the folder, if nothing is left in it."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _remove_old_temporary(root: Path) -> None:
    """What a killed process had begun to write."""
    for path in root.glob(f".*{_TEMPORARY}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > _OLD_SECONDS:
                path.unlink()
