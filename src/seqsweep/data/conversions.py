"""Lines of Python that convert formats which are not read as they are."""

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml


@functools.cache
def known_conversions() -> list[dict[str, Any]]:
    """Returns the known formats: patterns of `files`, all of which must occur, and `lines`."""
    file = Path(__file__).with_suffix(".yaml")
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def conversion(path: str, files: Iterable[str], nested: bool = False) -> str:
    """Returns a message with the lines that convert a file; else "".

    Args:
        files: the paths of a folder's files; for a file, its path.
        nested: whether cells hold lists of lists, for a file whose format is read otherwise.
    """
    names = [*files]
    for known in known_conversions():
        if known.get("nested", False) != nested:
            continue
        patterns = [re.compile(pattern, re.IGNORECASE) for pattern in known["files"]]
        if all(any(map(pattern.fullmatch, names)) for pattern in patterns):
            lines = "".join(f"    {line}\n" for line in known["lines"].splitlines())
            lines = lines.replace("READ", known.get("read", "")).replace("PATH", path).rstrip()
            return f"{path}: is not read as it is; these lines of Python convert it:\n{lines}"
    return ""
