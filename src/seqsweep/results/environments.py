"""Describes the environment that runs were trained in, to compare it with another one."""

import hashlib
from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from seqsweep.results import formatting
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import CODE, flatten
from seqsweep.runs.ledger import Entry

_LONGEST_VALUE = 30
_NO_ENVIRONMENT = ("command", "started", "data_files", CODE)


def environment_of(entries: Sequence[Entry]) -> dict[str, str]:
    """Returns the versions, machines and engines of runs; several values are in one text."""
    environment: dict[str, set[str]] = {}
    for entry in entries:
        content: dict[str, Any] = read_object(entry.folder.path / "provenance.json")
        # Entries that differ between any two commands say nothing about the environment.
        for key, value in flatten(content):
            if key.split(".")[0] not in _NO_ENVIRONMENT:
                environment.setdefault(key.removeprefix("packages."), set()).add(_short(value))
    return {key: ", ".join(sorted(values)) for key, values in environment.items()}


def _short(value: Any) -> str:
    """The text of a value, cut if it is long.

    A digest shows differences in the part that is cut off.
    """
    text = formatting.plain_text(value)
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:16]}… #{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    return escape(" ".join(text.split()))
