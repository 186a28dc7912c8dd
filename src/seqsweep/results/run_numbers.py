"""The numbers of finished runs, and the runs and splits that count."""

import math
from collections.abc import Mapping, Sequence

from seqsweep.results.datasets import sets_of
from seqsweep.results.grouping import group_by
from seqsweep.results.replicates import Replicate, Variation
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metric_names import compared_metric, monitor_of

_FROM_RECORD = ("best_epoch", "params", "train_seconds")


def numbers(entry: Entry) -> dict[str, float]:
    """The finite metrics of a finished run and its costs."""
    record = entry.record or {}
    values = (record.get("metrics") or {}) | {name: record.get(name) for name in _FROM_RECORD}
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }


def shared_metric(groups: Sequence[Sequence[Entry]]) -> str:
    """The metric to compare that all groups of runs have, by the leaderboard's rule."""
    recorded = [{name for entry in entries for name in numbers(entry)} for entries in groups]
    monitor = monitor_of(entry.config for entries in groups for entry in entries)
    return compared_metric(monitor, set[str].intersection(*recorded))


def newest(entries: Sequence[Entry], variation: Variation) -> list[Entry]:
    """The run of each replicate that ended last, ordered by fold, split seed and seed.

    The same config, data and replicate have one run_id as long as they give the same result. A
    second run_id comes from a version of seqsweep that gave another result, or from a split seed
    that has no effect.
    """
    return [
        # Most replicates have one run, whose record need not be looked up on disk.
        group[0] if len(group) == 1 else max(group, key=_end_time)
        for _, group in sorted(group_by(entries, variation.replicate_of).items())
    ]


def _end_time(entry: Entry) -> float:
    """The time at which the record was written, in seconds since 1970."""
    try:
        return (entry.folder.path / "record.json").stat().st_mtime
    except OSError:
        return 0.0


Split = tuple[int, int]
"""A fold and a split seed."""


def shared_splits(configs: Sequence[Mapping[Replicate, Entry]], metric: str) -> set[Split]:
    """Returns the splits on which all configs were scored on the same sequences.

    Configs without the metric do not count.

    Args:
        configs: The runs of each config by replicate.
    """
    name = metric.partition("/")[0]
    # A training metric has no set of its own.
    evaluated = name if name in ("val", "test") else "data"
    scored = [
        {
            (replicate.split, getattr(sets_of(entry), evaluated))
            for replicate, entry in runs.items()
            if metric in numbers(entry)
        }
        for runs in configs
    ]
    scored = [splits for splits in scored if splits]
    return {split for split, _ in set.intersection(*scored)} if scored else set()


def restrict(sample: Mapping[Replicate, float], splits: set[Split]) -> Mapping[Replicate, float]:
    """Returns the values on some splits; all values if there are no splits."""
    if not splits:
        return sample
    return {replicate: value for replicate, value in sample.items() if replicate.split in splits}
