"""Files that are whole or not there."""

import json
import os
import threading
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

TEMPORARY = ".*.tmp"
"""What a killed process had begun to write."""


def write_bytes(path: Path, data: bytes, sync: bool = True) -> None:
    """Writes under a temporary name in the same folder, syncs, renames.

    Args:
        sync: without it a file is whole or not there as long as the power stays on. For what is
            synced later, or is noticed and made again where it is damaged.

    Raises:
        OSError: the file could not be written; what stood under its name stands there still.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(path: Path) -> Path:
    """One for each writer: a report is asked for while the sweep writes its own."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")


def write_text(path: Path, text: str, sync: bool = True) -> None:
    write_bytes(path, text.encode(), sync)


def write_json(path: Path, value: Any, sync: bool = True) -> None:
    write_text(path, _json(value) + "\n", sync)


def _json(value: Any, indent: str = "") -> str:
    """A key a line, a list on one."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False)
    inner = indent + "  "
    lines = [f"{inner}{json.dumps(key)}: {_json(item, inner)}" for key, item in value.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def read_json(path: Path) -> Any | None:
    """The value, or None where there is no such file or half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none, half of one or another value."""
    found = read_json(path)
    return found if isinstance(found, dict) else {}


def link(source: Path, target: Path) -> None:
    """`target` becomes the file that `source` is now, without a second writing of its content."""
    if target.exists() and target.samefile(source):
        return  # a rename between two names of one file does nothing, and leaves both
    temporary = _temporary(target)
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


def sync(paths: Iterable[Path]) -> None:
    """What has been written to these files is on disk; those that are not there are passed over.

    Raises:
        OSError: something of it could not be written.
    """
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(folder: Path, *patterns: str) -> None:
    """Removes the files of a folder whose names match; the folder is read once for all patterns."""
    for path in matching(folder, *patterns):
        path.unlink(missing_ok=True)


def matching(folder: Path, *patterns: str) -> list[Path]:
    """The files of a folder whose names match one of the patterns; none without a folder."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in names if any(fnmatchcase(name, p) for p in patterns)]


def remove_temporary(folder: Path) -> None:
    """What a killed process had begun to write."""
    remove(folder, TEMPORARY)
