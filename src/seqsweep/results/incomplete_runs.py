"""The states of the runs that are not complete: missing combinations and lost replicates."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.effects import Grid
from seqsweep.runs.ledger import Entry, differing_keys, value_key
from seqsweep.runs.replicate_keys import REPLICATE_KEYS

_LOST = ("diverged", "failed")


def count_missing_states(
    grid: Grid, entries: Sequence[Entry], planned: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    """Counts the missing runs of a grid by their state, or as `not started`."""
    missing = {value_key(list(point.values())) for point in grid.missing}
    swept = list(grid.missing[0]) if grid.missing else []

    def point_of(config: Mapping[str, Any]) -> str:
        return value_key([config.get(key) for key in swept])

    started = {
        point_of(entry.config): entry.state for entry in entries if entry.state != "complete"
    }
    states = [state for point, state in started.items() if point in missing]
    # A planned run without a folder has not started.
    waiting = missing.intersection(map(point_of, planned)) - started.keys()
    return dict(Counter(states + ["not started"] * len(waiting)))


def count_lost(entries: Sequence[Entry]) -> dict[str, dict[str, int]]:
    """Counts the lost replicates of each run's config, by run_id and state.

    A replicate is lost if it diverged or failed.
    """
    # Most sweeps lose none, and the keys below take time to find.
    if not any(entry.state in _LOST for entry in entries):
        return {}
    differing = differing_keys([entry.config for entry in entries])
    keys = [key for key in differing if key not in REPLICATE_KEYS]
    points = [value_key([entry.config.get(key) for key in keys]) for entry in entries]
    counts: dict[str, Counter[str]] = {}
    for state in _LOST:  # in this order, as the words for them are
        for point, entry in zip(points, entries, strict=True):
            if entry.state == state:
                counts.setdefault(point, Counter())[state] += 1
    return {
        entry.folder.run_id: dict(counts[point])
        for point, entry in zip(points, entries, strict=True)
        if point in counts
    }
