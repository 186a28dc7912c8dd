"""Counts the trials that reached and passed each rung."""

from collections.abc import Sequence
from dataclasses import dataclass

from seqsweep.results.search.trials import Tried
from seqsweep.runs.searchfile import SearchFile

MOST_RUNGS = 12


@dataclass(frozen=True)
class Rung:
    """The trials that were judged after a number of epochs.

    Args:
        trained: The number of trials that reached it.
        kept: The number of those that were not pruned there.
        best: The best value until there; None if no run logged the metric.
        threshold: Worse trials were pruned; None if it was not the same for all of them. Where a
            share of the trials was kept, it is the worst value that was kept.
    """

    epochs: int
    trained: int
    kept: int
    best: float | None
    threshold: float | None


def rungs_of(search: SearchFile, trials: Sequence[Tried]) -> list[Rung]:
    """The rungs of a search, those with pruned trials if there are many.

    Some pruners have other rungs for each trial. Then every epoch after which a trial was pruned
    is a rung.
    """
    pruned = {int(trial.epochs) for trial in trials if trial.state == "pruned"}
    rungs = [_rung(search, trials, epochs) for epochs in search.rungs or sorted(pruned)]
    if len(rungs) > MOST_RUNGS:
        rungs = [rung for rung in rungs if rung.kept < rung.trained]
    return rungs[:MOST_RUNGS]


def _rung(search: SearchFile, trials: Sequence[Tried], epochs: int) -> Rung:
    # A complete trial passed all rungs.
    trained = [t for t in trials if t.state == "complete" or t.epochs >= epochs]
    pruned = [t for t in trained if t.state == "pruned" and t.epochs == epochs]
    better, worse = (max, min) if search.sign < 0 else (min, max)
    values = {t.number: v for t in trained if (v := t.value_after(epochs)) is not None}
    thresholds = {t.trial.thresholds.get(epochs) for t in pruned}
    threshold = thresholds.pop() if len(thresholds) == 1 else None
    if search.pruner == "halving" and pruned:
        ended = {t.number for t in pruned}
        kept = [value for number, value in values.items() if number not in ended]
        threshold = worse(kept) if kept else None
    best = better(values.values()) if values else None
    return Rung(epochs, len(trained), len(trained) - len(pruned), best, threshold)
