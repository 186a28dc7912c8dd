"""Compares the values of the best trials in the search with those over fresh seeds.

Validation chose these trials among many, partly by luck, so their values in the search are too
good. Their runs over fresh seeds had no part in that choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqsweep.results.replicates import Replicate, replicate_of
from seqsweep.results.run_numbers import numbers
from seqsweep.results.search.trials import Runs, Tried, trial_words
from seqsweep.results.significance import Difference, Estimate, differences_to_best, estimate
from seqsweep.runs.metric_names import compared_metric
from seqsweep.runs.searchfile import SearchFile

_Sample = dict[Replicate, float]
"""The values of a metric by replicate; only the seed varies."""


@dataclass(frozen=True)
class Confirmed:
    """One of the best trials, trained again over fresh seeds.

    Args:
        before: The rank in the search, from 1. Equal trials have equal ranks.
        after: The rank among the confirmed trials by the mean over fresh seeds, from 1.
        searched: The value in the search.
        fresh: The value over fresh seeds.
        compared: The metric in which the trials are compared, over fresh seeds; None if the runs
            lack it.
        difference: The difference in it to the trial that is first after the fresh seeds.
    """

    number: int
    words: str
    before: int
    after: int
    searched: float
    fresh: Estimate
    compared: Estimate | None
    difference: Difference

    @property
    def optimism(self) -> float:
        """The value in the search minus the mean over fresh seeds."""
        return self.searched - self.fresh.mean


@dataclass(frozen=True)
class Confirmation:
    """The confirmed trials by their rank after the fresh seeds.

    Args:
        metric: The metric of `Confirmed.compared`: of the test split if there is one.
        missing: The number of planned runs that are not complete.
    """

    metric: str
    trials: list[Confirmed]
    missing: int

    @property
    def first(self) -> Confirmed:
        """The confirmed trial that was the best one in the search."""
        return min(self.trials, key=lambda row: (row.before, row.number))


def confirmation_of(
    search: SearchFile, order: Sequence[Tried], runs: Runs, names: Mapping[str, str]
) -> Confirmation | None:
    """Returns the comparison; None if no run over a fresh seed is complete.

    Args:
        order: The complete trials, the best first.
    """
    judged, sign = search.metric, search.sign
    samples = {trial.number: _samples(trial, search, runs) for trial in order}
    fresh = {number: _column(each, judged) for number, each in samples.items()}
    means = {number: estimate(list(column.values())) for number, column in fresh.items() if column}
    if not means:
        return None
    # Equal trials stay in the order of the search.
    trials = sorted(
        (trial for trial in order if trial.number in means),
        key=lambda trial: sign * means[trial.number].mean,
    )
    available = {name for each in samples.values() for one in each.values() for name in one}
    metric = compared_metric(judged, available)
    compared = [_column(samples[trial.number], metric) for trial in trials]
    rows = [
        Confirmed(
            trial.number,
            trial_words(trial, names),
            1 + sum(sign * (t.value or 0.0) < sign * (trial.value or 0.0) for t in order),
            after,
            trial.value or 0.0,
            means[trial.number],
            estimate(list(column.values())) if column else None,
            difference,
        )
        for after, (trial, column, difference) in enumerate(
            zip(trials, compared, _differences(compared), strict=True), start=1
        )
    ]
    planned = sum(len(run_ids) for run_ids in search.confirmed.values())
    return Confirmation(metric, rows, max(0, planned - sum(map(len, samples.values()))))


def _samples(trial: Tried, search: SearchFile, runs: Runs) -> dict[Replicate, dict[str, float]]:
    """The metrics of the trial's complete runs over fresh seeds, by seed."""
    # A seed that the search itself has used is not fresh.
    fresh = [i for i in search.confirmed.get(trial.number, ()) if i not in trial.run_ids]
    entries = [runs[run_id] for run_id in fresh if run_id in runs]
    return {replicate_of(entry): numbers(entry) for entry in entries if entry.state == "complete"}


def _column(samples: Mapping[Replicate, Mapping[str, float]], metric: str) -> _Sample:
    return {key: each[metric] for key, each in samples.items() if metric in each}


def _differences(compared: Sequence[_Sample]) -> list[Difference]:
    """Compares the trials with the first one, as far as their runs have the metric."""
    having = [sample for sample in compared if sample] if compared[0] else []
    found = iter(differences_to_best(having, 0) if having else ())
    lacking = Difference(None, None, None, "undecided")
    return [next(found, lacking) if sample else lacking for sample in compared]
