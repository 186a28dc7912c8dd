"""Removes files by patterns, and what killed processes have left."""

import contextlib
import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

TEMPORARY = ".*.tmp"
"""The names of files that a process is writing, or was writing when it was killed."""


def remove(folder: Path, *patterns: str) -> None:
    """Removes the files of a folder that match one of the patterns."""
    for path in matching(folder, *patterns):
        path.unlink(missing_ok=True)


def matching(folder: Path, *patterns: str) -> list[Path]:
    """Returns the files of a folder that match one of the patterns."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in names if any(fnmatchcase(name, p) for p in patterns)]


def remove_temporary(folder: Path, pattern: str = TEMPORARY) -> None:
    """Removes temporary files of killed processes, if possible."""
    for path in matching(folder, pattern):
        if not _is_being_written(path):
            with contextlib.suppress(OSError):
                path.unlink()


def remove_empty_root(root: Path) -> None:
    """Removes the empty folders of a refused command, `output_dir`/runs/NAME."""
    with contextlib.suppress(OSError):
        for folder in (root, *root.parents[:2]):
            if folder != Path.cwd():
                folder.rmdir()


def _is_being_written(temporary: Path) -> bool:
    """Returns whether the process that made a temporary file is alive."""
    match = re.search(r"\.(\d{1,9})-\d+\.tmp$", temporary.name)
    if match is None:
        return False
    try:
        os.kill(int(match[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process of another user
        return True
    return True
