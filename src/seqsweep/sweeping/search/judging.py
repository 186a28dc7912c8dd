"""Judges the runs of a successive halving by their files. Imports no torch."""

import itertools
import math
from collections.abc import Sequence

from seqsweep.runs.metric_names import epoch_score
from seqsweep.runs.metrics_csv import has_finished, read_rows
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.training.limits import Limits


class Standing:
    """The files of a run, read once.

    Args:
        run: counts the failures in this command.

    Attributes:
        rows: the metrics of each finished epoch.
        record: None while the run has no record.
    """

    def __init__(self, run: QueuedRun) -> None:
        self.run = run
        self.rows = read_rows(run.folder.path / "metrics.csv")
        self.record = run.folder.record()

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

    def is_settled(self, rung: int, was_judged: bool) -> bool:
        """Returns whether nothing changes the place of the run at a rung any more."""
        has_failed = self.run.failures() >= self.run.tries
        if self.has_reached(rung) or self.record is not None or has_failed:
            return True
        # A run that had failed when the rung was judged has lost its place, and was not tried
        # again. One that was killed after that has kept it, and trains to the rung once more.
        failure = self.run.folder.failure() or {}
        return was_judged and failure.get("kind") == "failed"

    def rank(self, rung: int, monitor: str) -> tuple[float, ...]:
        """Returns the key that sorts runs, the best one first.

        Runs without a value come after those with one, and lost ones at the end.
        """
        judged = [row for row in self.rows if row["epoch"] < rung and monitor in row]
        # The best epoch counts; higher scores are better.
        scores = [epoch_score(row, monitor) for row in judged]
        value, loss = max(scores, default=(-math.inf, -math.inf))
        return self.is_lost(rung), -value, -loss


def judge(runs: Sequence[QueuedRun], monitor: str, rungs: Sequence[int]) -> dict[str, Limits]:
    """Returns the limits of all runs, as far as their files decide them.

    The first rung that some run has not reached stops the others. Every earlier rung is decided
    again by the same rows of metrics.csv, so a kill at any moment changes no decision.

    Source: Jamieson and Talwalkar (2016), "Non-stochastic best arm identification and
    hyperparameter optimization", AISTATS.

    Args:
        runs: the whole population; equal runs keep this order.
        monitor: the metric by which they are judged.
        rungs: increasing numbers of epochs. At each of them a part of the runs continues: the
            quotient of this number and the next one, rounded up.
    """
    limits: dict[str, Limits] = {}
    alive = {run.run_id: Standing(run) for run in runs}
    for rung, following in itertools.pairwise(rungs):
        was_judged = any(run.was_ended_at(rung) for run in alive.values())
        if not all(run.is_settled(rung, was_judged) for run in alive.values()):
            return limits | dict.fromkeys(alive, Limits(until=rung))
        ranked = sorted(alive, key=lambda run_id: alive[run_id].rank(rung, monitor))
        kept = set(ranked[: -(-len(alive) * rung // following)])
        left = {name: run for name, run in alive.items() if name in kept and not run.is_lost(rung)}
        limits |= dict.fromkeys(alive.keys() - left.keys(), Limits(ends_at=rung))
        alive = left
    return limits | dict.fromkeys(alive, Limits())
