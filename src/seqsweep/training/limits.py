"""The best epoch of a run; the limits of a search. Imports no torch (which is slow)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from seqsweep.errors import integer
from seqsweep.runs.files import JsonObject
from seqsweep.runs.metrics import as_metric, epoch_score, finite
from seqsweep.runs.record import Direction, Pruned

_NO_SCORE = (float("-inf"), float("-inf"))


class BestEpoch:
    """Tracks a run's best epoch and its training time.

    Args:
        monitor: the metric that decides: the highest accuracy or F1, or the lowest loss, is best.
            Ties are broken by `val/loss`, then by the earlier epoch; a value that is not finite is
            last. Without this metric (no validation split, or None) the last epoch is the best.

    Attributes:
        epochs: the number of finished epochs.
        best_epoch: the index of the best epoch so far.
        seconds: the training time over all attempts.
        directions: which values of a user's metrics are better, as logged objects say.
    """

    def __init__(self, monitor: str | None = "val/acc") -> None:
        self.monitor = None if monitor is None else as_metric(monitor)
        self.epochs = 0
        self.best_epoch: int | None = None
        self.best_metrics: dict[str, float] = {}
        self.directions: dict[str, Direction] = {}
        self.seconds = 0.0
        self._score = _NO_SCORE

    def see(self, epoch: int, metrics: Mapping[str, float], seconds: float) -> bool:
        """Records an epoch, which took `seconds`; returns whether it is the best so far."""
        self.epochs = epoch + 1
        self.seconds += seconds
        # Without any score, every epoch counts as better than the epoch before.
        is_better = self._score == _NO_SCORE
        if self.monitor is not None and math.isfinite(metrics.get(self.monitor, math.nan)):
            score = epoch_score(metrics, self.monitor)
            is_better = score > self._score
            self._score = score if is_better else self._score
        if is_better:
            self.best_epoch, self.best_metrics = epoch, dict(metrics)
        return is_better

    def state_dict(self) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "best_metrics": self.best_metrics,
            "best_score": list(self._score),
            "directions": self.directions,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name in ("epochs", "best_epoch", "best_metrics", "seconds"):
            setattr(self, name, state_dict[name])
        self.directions = state_dict.get("directions", {})  # a checkpoint of ours may be older
        first, second = state_dict["best_score"]
        self._score = (first, second)


class Patience:
    """Counts the validations without an improvement, as Lightning's `EarlyStopping` does.

    Args:
        patience: validations without an improvement before the run ends, at least 0.
        min_delta: the least change that counts as an improvement, at least 0.
        goal: a value of the metric; then the run ends after `patience` validations in a row that
            reach it, and no other validation counts.
    """

    def __init__(
        self,
        monitor: str,
        patience: int = 10,
        min_delta: float = 0.0,
        goal: float | None = None,
    ) -> None:
        integer("patience", patience, 0, reason=" validations")
        if min_delta < 0:
            raise ValueError(f"min_delta={min_delta}: must be at least 0")
        self.monitor = as_metric(monitor)
        self.patience = patience
        # Lightning compares float32 numbers, so both engines stop after the same epoch.
        self.min_delta = np.float32(min_delta)
        self.goal = None if goal is None else np.float32(goal)
        self.best_score = np.float32(np.inf if self.monitor.lower_is_better else -np.inf)
        self.wait_count = 0

    @property
    def is_over(self) -> bool:
        """Returns whether the last validation has ended the run."""
        return 0 < self.wait_count >= self.patience

    def see(self, value: float) -> bool:
        """Takes the metric of a validation; returns whether it ends the run."""
        current = np.float32(value if math.isfinite(value) else math.nan)  # no improvement
        if self.monitor.lower_is_better:
            is_better = current + self.min_delta < self.best_score
        else:
            is_better = current - self.min_delta > self.best_score
        counts = not is_better
        if self.goal is not None:
            counts = current <= self.goal if self.monitor.lower_is_better else current >= self.goal
        self.wait_count = self.wait_count + 1 if counts else 0
        self.best_score = current if is_better else self.best_score
        return self.is_over

    def state_dict(self) -> dict[str, Any]:
        return {"wait_count": self.wait_count, "best_score": float(self.best_score)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.wait_count = state_dict["wait_count"]
        self.best_score = np.float32(state_dict["best_score"])


class Paused(NamedTuple):
    """The pause of a run after `epochs` epochs; its search may resume the run."""

    epochs: int


@dataclass(frozen=True)
class Limits:
    """The epochs after which a search ends a run early or lets it pause.

    Limits never change a value that a run computes, so they are not part of its run_id: a run with
    limits has the same first epochs as the run without limits.

    Attributes:
        thresholds: for a number of finished epochs, the worst value of the monitored metric that
            the best of these epochs may have. A run with a worse value is pruned. A run that has
            not been validated yet continues.
        until: the number of finished epochs after which the run pauses, with a checkpoint and no
            record; None never pauses it.
        ends_at: the number of finished epochs after which the run is pruned, because a search has
            compared it with other runs; None never prunes it.
    """

    thresholds: Mapping[int, float] = field(default_factory=dict[int, float])
    until: int | None = None
    ends_at: int | None = None

    @classmethod
    def from_plain(cls, content: JsonObject | None) -> "Limits | None":
        """Returns the limits that `plain` has described; None stays None."""
        if content is None:
            return None
        thresholds = {int(epoch): value for epoch, value in content["thresholds"].items()}
        return cls(thresholds, content["until"], content["ends_at"])

    def plain(self) -> JsonObject:
        """Returns the limits in the form of sweep.json."""
        thresholds = {str(epoch): value for epoch, value in self.thresholds.items()}
        return {"thresholds": thresholds, "until": self.until, "ends_at": self.ends_at}

    def judge(self, best: BestEpoch) -> Pruned | Paused | None:
        """Returns why a run ends early or pauses now, or None.

        The answer depends on the finished epochs alone, so it is the same after a kill.
        """
        threshold = self.thresholds.get(best.epochs)
        monitor = best.monitor
        value = None if monitor is None else finite(best.best_metrics).get(monitor)
        if threshold is not None and monitor is not None and monitor in best.best_metrics:
            sign = -1 if monitor.lower_is_better else 1
            # A value that is not finite is worse than any threshold.
            if value is None or sign * value < sign * threshold:
                return Pruned(best.epochs, value, threshold)
        if self.ends_at is not None and best.epochs >= self.ends_at:
            return Pruned(best.epochs, value, None)
        if self.until is not None and best.epochs >= self.until:
            return Paused(best.epochs)
        return None


Judge = Callable[[], Mapping[str, Limits]]
"""A function that reads the files of a search's runs, and returns their next limits by run_id."""
