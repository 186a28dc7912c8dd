"""Compares the values of the best trials in the search with those over fresh seeds.

Validation chose these trials among many, partly by luck, so their values in the search are too
good. Their runs over fresh seeds had no part in that choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqsweep.extras.search.trials import Tried, different, trial_words
from seqsweep.results.replicates import Replicate, numbers, replicate_of
from seqsweep.results.significance import Difference, Estimate, differences_to_best, estimate
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metric_names import compared_metric
from seqsweep.runs.searchfile import SearchFile


@dataclass(frozen=True)
class Confirmed:
    """One of the best trials, trained again over fresh seeds.

    Args:
        before: The rank in the search, from 1; equal configs share one.
        searched: The value in the search.
        fresh: The value over fresh seeds.
        compared: The metric in which the trials are compared, over fresh seeds.
        difference: The difference in it to the trial that is first after the fresh seeds.
    """

    number: int
    words: str
    before: int
    searched: float
    fresh: Estimate
    compared: Estimate
    difference: Difference


@dataclass(frozen=True)
class Confirmation:
    """The confirmed trials by their rank after the fresh seeds.

    Args:
        metric: The metric of `Confirmed.compared`: of the test split if all runs have one.
        missing: The number of planned runs that are not complete.
    """

    metric: str
    trials: list[Confirmed]
    missing: int

    @property
    def first(self) -> Confirmed:
        """The confirmed trial that was the best one in the search."""
        return min(self.trials, key=lambda row: row.before)


def confirmation_of(
    search: SearchFile, order: Sequence[Tried], runs: Mapping[str, Entry], names: Mapping[str, str]
) -> Confirmation | None:
    """Returns the comparison; None if no run over a fresh seed is complete.

    Args:
        order: The complete trials, the best first.
    """
    order = different(order)
    samples = {trial.number: each for trial in order if (each := _samples(trial, search, runs))}
    if not samples:
        return None
    fresh = {
        number: estimate([metrics[search.metric] for metrics in each.values()])
        for number, each in samples.items()
    }
    # Equal trials stay in the order of the search.
    trials = sorted(
        (trial for trial in order if trial.number in fresh),
        key=lambda trial: search.sign * fresh[trial.number].mean,
    )
    available = set.intersection(*(set(m) for each in samples.values() for m in each.values()))
    metric = compared_metric(search.metric, available)
    columns = [
        {seed: metrics[metric] for seed, metrics in samples[trial.number].items()}
        for trial in trials
    ]
    differences = differences_to_best(columns, 0)
    rows = [
        Confirmed(
            trial.number,
            trial_words(trial, names),
            1 + order.index(trial),
            trial.value or 0.0,
            fresh[trial.number],
            estimate([*column.values()]),
            difference,
        )
        for trial, column, difference in zip(trials, columns, differences, strict=True)
    ]
    planned = len(set[str]().union(*search.confirmed.values()))
    return Confirmation(metric, rows, max(0, planned - sum(map(len, samples.values()))))


def _samples(
    trial: Tried, search: SearchFile, runs: Mapping[str, Entry]
) -> dict[Replicate, dict[str, float]]:
    """The metrics of the trial's complete runs over fresh seeds, by seed."""
    # A seed that the search itself has used is not fresh.
    run_ids = search.confirmed.get(trial.number, ())
    entries = [runs[i] for i in run_ids if i in runs and i not in trial.run_ids]
    metrics = {replicate_of(e): numbers(e) for e in entries if e.state == "complete"}
    return {seed: each for seed, each in metrics.items() if search.metric in each}
