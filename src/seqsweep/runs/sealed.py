"""Writes and reads JSON files with a digest, which reveals later changes."""

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqsweep.runs.files import (
    Confirm,
    Damaged,
    parse_json_of,
    read_bytes,
    say_once,
    write_json,
)

DIGEST = "digest"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content with a digest of itself.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    unsealed = {key: value for key, value in content.items() if key != DIGEST}
    # The digest is over sorted keys, so a file that was only formatted again is still valid.
    text = json.dumps(unsealed, sort_keys=True, allow_nan=False)
    return unsealed | {DIGEST: hashlib.sha256(text.encode()).hexdigest()}


def write_sealed(
    path: Path, content: Mapping[str, Any], sync: bool = True, confirm: Confirm | None = None
) -> None:
    """Writes the content with its digest; raises as `sealed` and `write_json`."""
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
    try:
        digest = sealed(record)[DIGEST]
    except ValueError:  # a number that is not finite
        digest = None
    if digest != record[DIGEST]:
        raise Damaged(f"{path}: its content does not match its digest")
    return record


def read_sealed_or_none(path: Path, and_so: str = "it counts as missing") -> dict[str, Any] | None:
    """Returns the object of a sealed file; None where there is none.

    A damaged file counts as missing, and is named on stderr.

    Args:
        and_so: the consequence, which ends the message.
    """
    try:
        return read_sealed(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Damaged as error:
        say_once(f"{error}; {and_so}")
        return None
