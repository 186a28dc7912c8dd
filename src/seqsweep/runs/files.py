"""Writes whole files, reads only regular files, and removes leftovers."""

import contextlib
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO

from seqsweep.console import say_error
from seqsweep.errors import Damaged
from seqsweep.runs.held_folders import hard_link, list_folder, open_file, replace, unlink

DEEPEST = 50
"""The most levels of nested lists and mappings in a JSON or YAML file. We write at most six."""

JsonObject = dict[str, Any]
"""An object of a JSON file, whose values have the types of JSON."""

_said: set[str] = set()


def say_once(message: str) -> None:
    """Prints a message to stderr once."""
    if message not in _said:
        _said.add(message)
        say_error(message)


def open_regular(path: Path | str) -> BinaryIO:
    """Opens a regular file, or a link to one, for reading.

    Other files are refused: reading a FIFO may block for ever, and a device has no end.

    Raises:
        OSError: there is no such file, or it cannot be read.
        Damaged: the path is not a regular file.
    """
    descriptor = open_file(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "folder" if stat.S_ISDIR(mode) else "device, a FIFO or a socket"
        raise Damaged(f"{path}: must be a regular file, but is a {kind}")
    return os.fdopen(descriptor, "rb")


def refuse_links(path: str, flags: int) -> int:
    """Opens a file that is not a symbolic link or a FIFO, for `open`."""
    # A link could lead out of the folder, and opening a FIFO could block for ever.
    return open_file(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def find_link(folder: Path, inner: str = "checkpoints") -> str | None:
    """Returns a folder or its `inner` folder if it is a symbolic link, else None."""
    return next(filter(os.path.islink, (str(folder), f"{folder}/{inner}")), None)


def check_no_link(folder: Path, inner: str = "checkpoints") -> None:
    """Raises OSError for a run's folder that leads out of its sweep's folder."""
    link = find_link(folder, inner)
    if link is not None:
        must = "must be a folder, but is a symbolic link"
        raise OSError(f"{link}: {must}; nothing is written or deleted behind it")


def stat_of(path: str) -> os.stat_result | None:
    """Returns the status of a file; None if it cannot be read."""
    try:
        return os.stat(path)
    except OSError:
        return None


def version_of(path: str) -> tuple[int, int, int] | None:
    """Returns a value that changes with a file; None if unreadable."""
    # All three numbers are needed, because inodes are used again and the clock is coarse.
    stat = stat_of(path)
    return None if stat is None else (stat.st_ino, stat.st_mtime_ns, stat.st_size)


def read_bytes(path: Path) -> bytes:
    """Returns the content of a regular file; raises the errors of `open_regular`."""
    with open_regular(path) as file:
        try:
            return file.read()
        except OSError as error:
            error.filename = os.fspath(path)
            raise


Confirm = Callable[[], None]
"""A function called just before a rename; it raises an error if the file must not be written."""


def write_bytes(
    path: Path, data: bytes, sync: bool = True, confirm: Confirm | None = None
) -> os.stat_result:
    """Writes a file under a temporary name, syncs it, then renames it.

    Returns the status of the written file. Its size and time distinguish it from a file that
    another process writes later.

    Args:
        sync: whether to force the content to disk. If not, a power failure may damage the file: use
            False for files that are synced later, or that are made again if found damaged.
        confirm: a function called before the rename. If it raises an error, nothing is changed.

    Raises:
        OSError: the file could not be written; an older file of this name is unchanged.
    """
    # The command may have been killed before, while it wrote this file. A run's folder is tidied
    # when the run begins.
    if sync and confirm is None:
        remove_leftovers(path)
    temporary = temporary_name(path)
    try:
        # Mode x opens only a new file, even if another user has guessed its name.
        with open(temporary, "xb", opener=refuse_links) as file:
            file.write(data)
            file.flush()
            # Without this sync the rename may reach the disk before the content does.
            if sync:
                os.fsync(file.fileno())
            written = os.fstat(file.fileno())
        if confirm is not None:
            confirm()
        replace(temporary, path)
    except Exception as error:
        unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None:
            # The error names the temporary file, or none on a full disk.
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        raise
    return written


def temporary_name(path: Path) -> str:
    """Returns a temporary name with this process's number and a random part.

    Two threads or processes may write the same file, such as the report of a running sweep. The
    name is a string, because a Path takes as long as the system calls.
    """
    folder, slash, name = os.fspath(path).rpartition("/")
    # TensorBoard would read a temporary file with `tfevents` in its name.
    name = name.replace("tfevents", "events")
    return f"{folder}{slash}.{name}.{os.getpid()}-{os.urandom(8).hex()}.tmp"


def write_text(
    path: Path, text: str, sync: bool = True, confirm: Confirm | None = None
) -> os.stat_result:
    """Writes a text in UTF-8 with `write_bytes`; lone surrogates become escapes."""
    return write_bytes(path, text.encode(errors="backslashreplace"), sync, confirm)


def write_json(
    path: Path,
    value: Any,
    sync: bool = True,
    levels: int = DEEPEST,
    confirm: Confirm | None = None,
) -> None:
    """Writes a value as JSON; raises the errors of `write_bytes`.

    Args:
        levels: mappings down to this level have a line for each key; deeper mappings are one line.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    write_text(path, json_text(value, levels) + "\n", sync, confirm)


_ENCODER = json.JSONEncoder(allow_nan=False)


def _encode(value: object) -> str:
    """Returns the JSON of a value in one line."""
    # For a number, `repr` is ten times as fast as JSONEncoder, which refuses those not finite.
    is_number = type(value) is int or (type(value) is float and math.isfinite(value))
    return repr(value) if is_number else _ENCODER.encode(value)


def json_text(value: Any, levels: int = DEEPEST, indent: str = "") -> str:
    """Returns JSON with a line for each key of a mapping (see `write_json`)."""
    if not isinstance(value, dict) or not value or not levels:
        return _encode(value)
    inner = indent + "  "
    # Most values are plain, and the call for each of them would take a third of the time.
    lines = [
        f"{inner}{_encode(key)}: "
        f"{json_text(item, levels - 1, inner) if isinstance(item, dict) else _encode(item)}"
        for key, item in value.items()
    ]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def parse_json(content: bytes, path: Path) -> Any:
    """Returns the value of a JSON file's bytes.

    Raises:
        Damaged: the content is not JSON, or nested too deeply.
    """
    value = None
    try:
        value = json.loads(content.decode())
        # A value with few brackets cannot be deep, and most files have few of them.
        has_many = content.count(b"[") + content.count(b"{") >= DEEPEST
        is_deep = has_many and _levels(value) > DEEPEST
    except ValueError:
        raise Damaged(f"{path}: is not JSON, or only a part of it") from None
    except RecursionError:
        is_deep = True
    if is_deep:
        raise Damaged(f"{path}: is nested more than {DEEPEST} levels deep")
    return value


def _levels(value: Any) -> int:
    """Returns how deep lists and mappings are nested."""
    if not isinstance(value, (dict, list)):
        return 0
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_levels, inner), default=0)


def read_json(path: Path, parse: Callable[[bytes, Path], Any] = parse_json) -> Any | None:
    """Returns the value of a JSON file; None if it is missing.

    A damaged file counts as missing, and is named on stderr.
    """
    try:
        return parse(read_bytes(path), path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Damaged as error:
        say_once(f"{error}; it counts as missing")
        return None


def read_object(path: Path) -> JsonObject:
    """Reads a JSON object like `read_json`; returns {} if there is no such object."""
    value = read_json(path)
    return value if isinstance(value, dict) else {}


def link(source: Path, target: Path) -> None:
    """Makes `target` a hard link to `source`, or else a copy."""
    if target.exists() and target.samefile(source):
        return  # a rename between two links to one file would leave both names
    temporary = temporary_name(target)
    try:
        # A link cannot replace an existing file, but the rename of a link can.
        hard_link(source, temporary)
    except OSError:  # the file system has no hard links
        write_bytes(target, read_bytes(source))
        return
    try:
        replace(temporary, target)
    except OSError:
        unlink(temporary)
        raise


def sync(paths: Iterable[Path]) -> None:
    """Forces the content of these files to disk; skips missing files."""
    for path in paths:
        try:
            file = open_regular(path)
        except (FileNotFoundError, Damaged):
            continue
        with file:
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Forces the names in a folder to disk, after files were added or removed."""
    descriptor = open_file(f"{folder}/.", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folders_with(folder: Path, name: str) -> list[Path]:
    """Returns the subfolders that contain a file of this name, sorted."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [folder / sub for sub in names if os.path.exists(f"{folder}/{sub}/{name}")]


TEMPORARY = ".*.tmp"
"""The pattern of files that a process is writing, or was writing when it was killed."""


def remove(folder: Path, *patterns: str) -> None:
    for path in matching(folder, *patterns):
        unlink(path)


def matching(folder: Path, *patterns: str) -> list[Path]:
    """Returns the files of a folder that match one of the patterns."""
    try:
        names = list_folder(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in names if any(fnmatchcase(name, p) for p in patterns)]


def remove_temporary(folder: Path, pattern: str = TEMPORARY) -> None:
    """Removes temporary files whose process has ended, if possible."""
    for path in matching(folder, pattern):
        if not _is_being_written(path):
            with contextlib.suppress(OSError):
                unlink(path)


def remove_leftovers(path: Path) -> None:
    """Removes the temporary files of a path that killed processes have left."""
    remove_temporary(path.parent, f".{escape(path.name)}.*.tmp")


def remove_empty_root(root: Path) -> None:
    """Removes the empty folders (`output_dir`/runs/NAME) that a refused command has made."""
    with contextlib.suppress(OSError):
        for folder in (root, *root.parents[:2]):
            if folder != Path.cwd():
                folder.rmdir()


def _is_being_written(temporary: Path) -> bool:
    """Returns whether a living process, or another program, made a temporary file."""
    match = re.search(r"\.(\d{1,9})-[0-9a-f]+\.tmp$", temporary.name)
    if match is None:
        return True
    try:
        os.kill(int(match[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process of another user
        return True
    return True
