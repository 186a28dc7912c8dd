"""The splits of the data on which all configs have a score."""

from collections.abc import Mapping, Sequence

from seqsweep.results.datasets import sets_of
from seqsweep.results.replicates import Replicate
from seqsweep.results.run_numbers import numbers
from seqsweep.runs.ledger import Entry

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
