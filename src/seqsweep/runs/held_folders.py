"""Keeps the folders of locked runs open, and names files relative to them.

A process that may write in the folder of a sweep could replace a run's folder by a link while the
run trains. So a run's folder and its checkpoints are opened once, when the lock is taken. What this
package writes and deletes there goes to the open folders, whatever their paths lead to meanwhile.
"""

import contextlib
import os
import shutil
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_descriptors: dict[str, int] = {}
"""The descriptor of each open folder, under each path by which writers name the folder."""

_paths: dict[int, tuple[str, ...]] = {}
"""The paths of each run's folder, by descriptor."""

os.register_at_fork(after_in_child=_descriptors.clear)  # a forked child has no locks


def hold(*paths: str) -> os.stat_result:
    """Opens a run's folder and its checkpoints, if any; returns the folder's status.

    Args:
        paths: the paths by which writers name the folder; the first is opened.

    Raises:
        OSError: one of the folders is a symbolic link, or not a folder.
    """
    descriptor = os.open(paths[0], _FLAGS)
    _descriptors.update(dict.fromkeys(paths, descriptor))
    _paths[descriptor] = paths
    try:
        with contextlib.suppress(FileNotFoundError):
            _hold_checkpoints(descriptor, *paths)
    except OSError:
        release(*paths)
        raise
    return os.fstat(descriptor)


def release(*paths: str) -> None:
    """Closes what `hold` has opened."""
    for inner in ("/checkpoints", ""):
        for descriptor in {_descriptors.pop(f"{path}{inner}", None) for path in paths}:
            if descriptor is not None:
                _paths.pop(descriptor, None)
                os.close(descriptor)


def make_checkpoints(folder: Path) -> Path:
    """Makes and holds a run's folder of checkpoints; returns its path."""
    path = folder / "checkpoints"
    make_folder(path)
    _, descriptor = _at(path)
    if descriptor is not None and os.fspath(path) not in _descriptors:
        _hold_checkpoints(descriptor, *_paths[descriptor])
    return path


def _hold_checkpoints(descriptor: int, *paths: str) -> None:
    inner = os.open("checkpoints", _FLAGS, dir_fd=descriptor)
    _descriptors.update(dict.fromkeys([f"{path}/checkpoints" for path in paths], inner))


def open_file(path: Path | str, flags: int, mode: int = 0o666) -> int:
    """Opens a file as `os.open` does; returns its descriptor."""
    name, folder = _at(path)
    with _named(path):
        return os.open(name, flags | os.O_CLOEXEC, mode, dir_fd=folder)


def status_of(path: Path | str) -> os.stat_result | None:
    """Returns the status of a file or a link; None if there is none."""
    name, folder = _at(path)
    # A lock asks for twenty names, so the error is not reworded.
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def list_folder(path: Path) -> list[str]:
    """Returns the names in a folder."""
    return os.listdir(_descriptors.get(os.fspath(path), path))


def unlink(path: Path | str) -> None:
    """Removes a file if there is one."""
    name, folder = _at(path)
    with _named(path), contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def make_folder(path: Path) -> None:
    """Makes a folder if there is none."""
    name, folder = _at(path)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)


def remove_folder(path: Path) -> None:
    """Removes an empty folder."""
    name, folder = _at(path)
    with _named(path):
        os.rmdir(name, dir_fd=folder)


def remove_tree(path: Path) -> None:
    """Removes a folder and all that is in it, if possible; follows no link."""
    name, folder = _at(path)
    shutil.rmtree(name, ignore_errors=True, dir_fd=folder)


def replace(source: Path | str, target: Path | str) -> None:
    """Renames a file; the target may exist."""
    (old, from_folder), (new, to_folder) = _at(source), _at(target)
    with _named(target):
        os.replace(old, new, src_dir_fd=from_folder, dst_dir_fd=to_folder)


def hard_link(source: Path | str, target: Path | str) -> None:
    """Makes a hard link to a file; the target must not exist."""
    (old, from_folder), (new, to_folder) = _at(source), _at(target)
    with _named(target):
        os.link(old, new, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)


def _at(path: Path | str) -> tuple[str, int | None]:
    """Returns the arguments `path` and `dir_fd` that functions of `os` take for a file."""
    text = os.fspath(path)
    folder, _, name = text.rpartition("/")
    descriptor = _descriptors.get(folder)
    return (text, None) if descriptor is None else (name, descriptor)


class _named:
    """Names the whole path, and no other, in the errors of a block."""

    def __init__(self, path: Path | str) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, os.fspath(self.path)) from None
