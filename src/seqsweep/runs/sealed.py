"""Writes and reads JSON files with a digest, which reveals later changes."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqsweep.runs.files import (
    Confirm,
    Damaged,
    json_text,
    parse_json_of,
    read_bytes,
    read_json,
    write_json,
)

DIGEST = "digest"

_KEY = f',\n  "{DIGEST}": '.encode()
"""The begin of the last key in the text of a sealed file."""


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content with a digest of its JSON text.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    unsealed = {key: value for key, value in content.items() if key != DIGEST}
    return unsealed | {DIGEST: _digest(json_text(unsealed).encode())}


def write_sealed(
    path: Path, content: Mapping[str, Any], sync: bool = True, confirm: Confirm | None = None
) -> None:
    """Writes the content with its digest as the last key."""
    write_json(path, sealed(content), sync, confirm=confirm)


def read_sealed(path: Path) -> dict[str, Any]:
    """Returns the object of a JSON file that `write_sealed` wrote.

    Files of the same content give the same object, which must not be changed. The cache pays off at
    the end of a sweep, which reads each record several times.

    Raises:
        OSError: the file does not exist, or cannot be read.
        Damaged: it is not a JSON object, or its content does not match its digest.
    """
    return _unsealed(read_bytes(path), path)


@functools.lru_cache(maxsize=4096)
def _unsealed(data: bytes, path: Path) -> dict[str, Any]:
    content = parse_json_of(data, path)
    if not isinstance(content, dict):
        raise Damaged(f"{path}: is not a JSON object")
    record: dict[str, Any] = content
    if DIGEST not in record:
        raise Damaged(f"{path}: has no digest")
    if not _is_sound_text(data) and not _is_sound(record):
        raise Damaged(f"{path}: its content does not match its digest")
    return record


def _is_sound_text(data: bytes) -> bool:
    """Returns `_is_sound` in a tenth of its time; False if unsure."""
    text, key, last = data.rpartition(_KEY)
    digest = _digest(text + b"\n}")
    return bool(key) and last == f'"{digest}"\n}}\n'.encode()


def _is_sound(record: Mapping[str, Any]) -> bool:
    """Returns whether the content matches its digest, however it is formatted."""
    try:
        return sealed(record)[DIGEST] == record[DIGEST]
    except ValueError:  # a number that is not finite
        return False


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def read_sealed_or_none(path: Path) -> dict[str, Any] | None:
    """Returns the object of a sealed file; None where there is none."""
    return read_json(path, read_sealed)
