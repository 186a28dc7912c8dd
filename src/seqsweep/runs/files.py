"""Files that are whole or not there."""

import json
import os
from pathlib import Path
from typing import Any

_TEMPORARY = ".{}.tmp"


def write_bytes(path: Path, data: bytes) -> None:
    """Writes under a temporary name in the same folder, syncs, renames.

    Raises:
        OSError: the file could not be written; what stood under its name stands there still.
    """
    temporary = path.with_name(_TEMPORARY.format(path.name))
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any | None:
    """The value, or None where there is no such file or half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def link(source: Path, target: Path) -> None:
    """`target` becomes the file that `source` is now, without a second writing of its content."""
    if target.exists() and target.samefile(source):
        return  # a rename between two names of one file does nothing, and leaves both
    temporary = target.with_name(_TEMPORARY.format(target.name))
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(source)
    except OSError:  # a filesystem without hard links
        write_bytes(target, source.read_bytes())
        return
    try:
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def remove_temporary(folder: Path) -> None:
    """What a killed process had begun to write."""
    for path in folder.glob(_TEMPORARY.format("*")):
        path.unlink(missing_ok=True)
