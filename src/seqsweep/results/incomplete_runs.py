"""What became of runs that are not complete: of a grid's missing points, of a config's seeds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.effects import Grid
from seqsweep.runs.ledger import Entry, differing_keys, value_key

_LOST = ("diverged", "failed")


def ended_in(
    grid: Grid, entries: Sequence[Entry], planned: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    """Counts the missing runs: by the state in which they ended, and those not started."""
    missing = {value_key(list(point.values())) for point in grid.missing}
    swept = list(grid.missing[0]) if grid.missing else []

    def point(config: Mapping[str, Any]) -> str:
        return value_key([config.get(key) for key in swept])

    begun = {point(entry.config): entry.state for entry in entries if entry.state != "complete"}
    states = [state for place, state in begun.items() if place in missing]
    waiting = missing.intersection(map(point, planned)) - begun.keys()
    return dict(Counter(states + ["not started"] * len(waiting)))


def lost_seeds(entries: Sequence[Entry]) -> dict[str, dict[str, int]]:
    """By run_id, what became of the other seeds of its config."""
    keys = [key for key in differing_keys([e.config for e in entries]) if key != "seed"]
    points = [value_key([entry.config.get(key) for key in keys]) for entry in entries]
    found: dict[str, dict[str, int]] = {}
    for state in _LOST:
        for point, entry in zip(points, entries, strict=True):
            if entry.state == state:
                counts = found.setdefault(point, {})
                counts[state] = counts.get(state, 0) + 1
    return {
        entry.folder.run_id: found[point]
        for point, entry in zip(points, entries, strict=True)
        if point in found
    }
