"""The numbers of a finished run, and the run that counts among repeated ones."""

import math
from collections.abc import Sequence

from seqsweep.results.grouping import group_by
from seqsweep.results.replicates import Variation
from seqsweep.runs.ledger import Entry

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
