"""The importance of channels and spans, which `evaluate --importance` has written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqsweep.results.sections import Section
from seqsweep.runs.documents import read_sealed_or_none
from seqsweep.runs.files import JsonObject
from seqsweep.runs.ledger import Entry
from seqsweep.text import upper_first

FILE = "importance.json"
"""The file in the folder of a sweep or of a run."""

_SHARE = 0.25
"""The share of the largest increase of the loss from which a part counts as decisive."""


def find_importance(folder: Path, entries: Sequence[Entry]) -> JsonObject | None:
    """Returns a folder's importance; None without a file on complete runs."""
    content = read_sealed_or_none(folder / FILE)
    complete = {entry.folder.run_id for entry in entries if entry.state == "complete"}
    return content if content and complete.issuperset(content["run_ids"]) else None


def deciding(parts: Sequence[JsonObject]) -> list[str]:
    """Returns the names of the parts that make the loss much larger, and certainly so."""
    least = _SHARE * max(part["loss"]["mean"] for part in parts)
    names: list[str] = []
    for part in parts:
        # A single run has no interval. The losses of a few seeds may differ more than accuracies.
        ends = [part[metric]["low"] for metric in ("loss", "accuracy")]
        is_certain = any(low is None or low > 0 for low in ends)
        if is_certain and part["loss"]["mean"] >= max(least, 1e-12):
            names.append(part["name"])
    return names


def importance_words(content: JsonObject) -> str:
    """Returns a line that names what decides."""
    named: list[str] = []
    for kind, all_alike in (("channel", "all channels"), ("span", "no span more than others")):
        parts = content[f"{kind}s"]
        found = deciding(parts)
        is_all = len(found) == len(parts) > 1
        named.append(all_alike if is_all else ", ".join(found) or f"no {kind}")
    rule = f"a loss increased by at least {_SHARE:.0%} of the largest increase"
    return f"what decides ({rule}): {'; '.join(named)}"


def importance_section(folder: Path, entries: Sequence[Entry]) -> Section:
    """Builds the section with the map of channels by spans."""
    content = find_importance(folder, entries)
    largest = 0.0 if content is None else max(max(row) for row in content["cells"])
    view: dict[str, Any] = {
        "largest": largest,
        "decides": content and upper_first(importance_words(content)),
    }
    shown = {} if content is None else {"importance": content}
    return Section("importance", "Importance", shown, {}, view, is_shown=bool(content))
