"""The choice of a run's best epoch. Imports no torch."""

from collections.abc import Mapping
from typing import Any

from seqsweep.runs.metric_names import epoch_score

_NO_SCORE = (float("-inf"), float("-inf"))


class BestEpoch:
    """Tracks a run's best epoch and its training time.

    Args:
        monitor: the metric that decides: highest for accuracies and F1, lowest for losses. Ties are
            broken by `val/loss`, then by the earlier epoch. A run without this metric (no
            validation split) keeps its last epoch as its best.

    Attributes:
        epochs: the number of finished epochs.
        best_epoch: the index of the best epoch so far.
        best_metrics: the metrics of the best epoch so far.
        seconds: the training time over all attempts.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self.epochs = 0
        self.best_epoch: int | None = None
        self.best_metrics: dict[str, float] = {}
        self.seconds = 0.0
        self._score = _NO_SCORE

    def see(self, epoch: int, metrics: Mapping[str, float], seconds: float) -> bool:
        """Takes in a finished epoch; returns whether it is the best so far."""
        self.epochs = epoch + 1
        self.seconds += seconds
        is_better = self._is_better(metrics)
        if is_better:
            self.best_epoch, self.best_metrics = epoch, dict(metrics)
        return is_better

    def state_dict(self) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "best_metrics": self.best_metrics,
            "best_score": list(self._score),
            "seconds": self.seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs = state_dict["epochs"]
        self.best_epoch = state_dict["best_epoch"]
        self.best_metrics = state_dict["best_metrics"]
        self.seconds = state_dict["seconds"]
        first, second = state_dict["best_score"]
        self._score = (first, second)

    def _is_better(self, metrics: Mapping[str, float]) -> bool:
        # Without any score every epoch is better than the one before.
        if self.monitor not in metrics:
            return self._score == _NO_SCORE
        score = epoch_score(metrics, self.monitor)
        if score <= self._score:
            return False
        self._score = score
        return True
