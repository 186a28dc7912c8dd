"""Refuses a search among runs whose values cannot be ranked together. Imports no torch."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from seqsweep.results.datasets import Sets, sets_of, why_apart
from seqsweep.runs.ledger import Entry
from seqsweep.runs.replicate_keys import REPLICATE_KEYS
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.search.space import Space
from seqsweep.training.planned_run import PlannedRun

_OWN_SEARCH = "give each value a search with a sweep.name of its own"


def check_comparable(space: Space, planned: Iterable[tuple[Sequence[str], PlannedRun]]) -> None:
    """Refuses a space that chooses between seeds, splits or data sets.

    Args:
        space: of the search.
        planned: overrides and runs: the ends of the space, or the whole population.

    Raises:
        ValueError: trials would differ in luck, or would be evaluated on other sequences.
    """
    for key in space:
        if key.lstrip("+") in REPLICATE_KEYS:
            raise ValueError(
                f"{key}: must have one value in a search, which would choose the luckiest seed or"
                f" the easiest split; {_OWN_SEARCH}"
            )
    (first, run), *others = planned
    sets = _sets_of(run)
    for overrides, other in others:
        reason = why_apart(sets, _sets_of(other))
        if reason:
            raise ValueError(
                f"{_differing(overrides, first)}: {reason} than {_differing(first, overrides)}:"
                " a search ranks its trials together, so all must have the same validation and"
                f" test sequences; {_OWN_SEARCH}"
            )


def _sets_of(run: PlannedRun) -> Sets:
    record = run.record("complete", {})
    return sets_of(Entry(RunFolder(Path(run.run_id)), "complete", run.flat, record, None))


def _differing(overrides: Sequence[str], others: Sequence[str]) -> str:
    """Returns the overrides that others lack, those of the data if there are some."""
    differing = [text for text in overrides if text not in others]
    return " ".join([text for text in differing if text.startswith("data")] or differing)
