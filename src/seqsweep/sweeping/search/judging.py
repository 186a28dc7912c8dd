"""Judges the runs of a successive halving by their files. Imports no torch."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.runs.metric_names import epoch_score
from seqsweep.runs.metrics_csv import has_finished, read_rows
from seqsweep.sweeping.members import SweepMember
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.training.limits import Limits

_WITH_VALUE, _WITHOUT_VALUE, _LOST = 0, 1, 2
"""The ranks of runs: those with a value of the metric, then those without, then those that end."""


@dataclass(frozen=True)
class Candidate:
    """A config of the population, with the run that trains it.

    Attributes:
        number: from 0, in the order of the draws.
        params: the drawn values.
        member: the run.
        queued: counts the failures of the run in this command.
    """

    number: int
    params: dict[str, Any]
    member: SweepMember
    queued: QueuedRun

    @property
    def run_id(self) -> str:
        return self.member.folder.run_id


@dataclass(frozen=True)
class Standing:
    """The files of a run, read once.

    Attributes:
        rows: the metrics of each finished epoch.
        record: None while the run has no record.
    """

    candidate: Candidate
    rows: Sequence[dict[str, float]]
    record: dict[str, Any] | None

    @classmethod
    def of(cls, candidate: Candidate) -> "Standing":
        """Reads the files of a run."""
        folder = candidate.member.folder
        return cls(candidate, read_rows(folder.path / "metrics.csv"), folder.record())

    def has_reached(self, rung: int) -> bool:
        """Returns whether the run has finished so many epochs without diverging."""
        return has_finished(self.rows, rung)

    def was_ended_at(self, rung: int) -> bool:
        """Returns whether a rung has pruned the run."""
        pruned = (self.record or {}).get("pruned", {})
        return pruned.get("epoch") == rung and pruned["threshold"] is None

    def is_lost(self, rung: int) -> bool:
        """Returns whether the run has failed or diverged before a rung."""
        if self.has_reached(rung):
            return False
        return self.record is None or self.record["status"] == "diverged"

    def rank(self, rung: int) -> tuple[float, ...]:
        """Returns the key that sorts runs, the best one first.

        Equal runs keep the order of the draws.
        """
        if self.is_lost(rung):
            return _LOST, self.candidate.number
        monitor = self.candidate.member.planned.config["monitor"]
        judged = [row for row in self.rows if row["epoch"] < rung and monitor in row]
        if not judged:
            return _WITHOUT_VALUE, self.candidate.number
        # The best epoch counts; higher scores are better.
        score = max(epoch_score(row, monitor) for row in judged)
        return _WITH_VALUE, -score[0], -score[1], self.candidate.number


def judge(candidates: Sequence[Candidate], rungs: Sequence[int]) -> dict[str, Limits]:
    """Returns the limits of all runs, as far as their files decide them.

    The first rung that some run has not reached stops the others. Every earlier rung is decided
    again by the same rows of metrics.csv, so a kill at any moment changes no decision.

    Source: Jamieson and Talwalkar (2016), "Non-stochastic best arm identification and
    hyperparameter optimization", AISTATS.

    Args:
        candidates: the whole population.
        rungs: increasing numbers of epochs. At each of them a part of the runs continues: the
            quotient of this number and the next one, rounded up.
    """
    limits: dict[str, Limits] = {}
    alive = [Standing.of(candidate) for candidate in candidates]
    for rung, following in itertools.pairwise(rungs):
        was_judged = any(run.was_ended_at(rung) for run in alive)
        if not all(_is_settled(run, rung, was_judged) for run in alive):
            return limits | {run.candidate.run_id: Limits(until=rung) for run in alive}
        ranked = sorted(alive, key=lambda run: run.rank(rung))
        kept = -(-len(alive) * rung // following)
        survivors = [run for run in ranked[:kept] if not run.is_lost(rung)]
        alive = sorted(survivors, key=lambda run: run.candidate.number)
        left = {run.candidate.run_id for run in alive}
        losers = [run.candidate.run_id for run in ranked if run.candidate.run_id not in left]
        limits |= dict.fromkeys(losers, Limits(ends_at=rung))
    return limits | {run.candidate.run_id: Limits() for run in alive}


def _is_settled(run: Standing, rung: int, was_judged: bool) -> bool:
    """Returns whether nothing changes the place of a run at a rung any more."""
    queued = run.candidate.queued
    has_failed = queued.failures() >= queued.tries
    if run.has_reached(rung) or run.record is not None or has_failed:
        return True
    # A run that had failed when the rung was judged has lost its place, and was not tried again.
    # One that was killed after that has kept it, and trains to the rung once more.
    failure = run.candidate.member.folder.failure() or {}
    return was_judged and failure.get("kind") == "failed"
