"""JSON files with a digest of their own content, by which a later change is noticed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqsweep.runs.files import Damaged, parse_json

_DIGEST = "digest"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content with a digest of itself, by which a later change is noticed.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    own = {key: value for key, value in content.items() if key != _DIGEST}
    text = json.dumps(own, sort_keys=True, allow_nan=False)
    return own | {_DIGEST: hashlib.sha256(text.encode()).hexdigest()}


def digest_of(path: Path) -> str | None:
    """Returns the digest of a sealed file; None where there is none that is whole."""
    try:
        return read_sealed(path)[_DIGEST]
    except (OSError, Damaged):
        return None


def read_sealed(path: Path) -> dict[str, Any]:
    """Returns the object of a JSON file that `sealed` has made.

    Raises:
        OSError: there is no such file, or it cannot be read.
        Damaged: it is not a JSON object, or its content does not match its digest.
    """
    content = parse_json(path)
    if not isinstance(content, dict):
        raise Damaged(f"{path}: is not a JSON object")
    found: dict[str, Any] = content
    if _DIGEST not in found:
        raise Damaged(f"{path}: has no digest")
    try:
        digest = sealed(found)[_DIGEST]
    except ValueError:  # a number that is not finite
        digest = None
    if digest != found[_DIGEST]:
        raise Damaged(f"{path}: its content does not match its digest")
    return found
