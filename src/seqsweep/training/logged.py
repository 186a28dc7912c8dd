"""The metrics that a LightningModule of the user logs."""

import math
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

from seqsweep.errors import RunDiverged
from seqsweep.models.module import SequenceClassifier
from seqsweep.runs.metrics import Metric
from seqsweep.text import did_you_mean


class LoggedMetrics(Checkpoint):
    """Makes a row of each epoch from what a LightningModule logs.

    It is a `Checkpoint`, because Lightning calls these after the hooks of the module and of all
    other callbacks, which may log too.

    Attributes:
        epoch_metrics: what was logged in the last epoch.

    Args:
        monitor: the metric that decides which epoch is best, if any.
        description: plain values and tensors that every checkpoint holds besides the weights.
    """

    def __init__(self, monitor: Metric | None, description: dict[str, Any]) -> None:
        self.monitor = monitor
        self.description = description
        self.epoch_metrics: dict[str, float] = {}
        self._before: dict[str, torch.Tensor] = {}
        self._was_validated = False

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._before = dict(trainer.callback_metrics)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._was_validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Lightning keeps the value of an earlier epoch, but makes a new tensor for a new value.
        logged = trainer.callback_metrics
        # What is logged on steps and on epochs is there as X and as X_epoch.
        twice = {
            n for n in logged if "_epoch" in n and logged.get(n.replace("_epoch", "")) is logged[n]
        }
        self.epoch_metrics = {
            name: value.item()
            for name, value in logged.items()
            if value is not self._before.get(name) and name not in ("epoch", "step")
            if name == self.monitor or name not in twice
        }
        self._check_monitor(trainer)
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, **self.epoch_metrics}
        for logger in trainer.loggers:
            if (log_logged := getattr(logger, "log_logged", None)) is not None:
                log_logged(row)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint.update(self.description)

    def _check_monitor(self, trainer: L.Trainer) -> None:
        """Refuses a monitor that is not logged or not finite, and no metrics."""
        value = None if self.monitor is None else self.epoch_metrics.get(self.monitor)
        if value is not None and not math.isfinite(value):
            raise RunDiverged(str(self.monitor), value, trainer.current_epoch, "learning rate")
        is_last = trainer.current_epoch + 1 == trainer.max_epochs
        has_all = self._was_validated or is_last or not trainer.enable_validation
        names = sorted(trainer.callback_metrics)
        if has_all and not names:
            raise ValueError("the model logs nothing by which runs are compared; see self.log")
        if has_all and self.monitor is not None and self.monitor not in names:
            hint = did_you_mean(self.monitor, names)
            raise ValueError(f"monitor={self.monitor}: the model logs {', '.join(names)}{hint}")


def epoch_metrics_of(trainer: L.Trainer, module: L.LightningModule) -> dict[str, float]:
    """Returns the metrics of the epoch that has just ended."""
    if isinstance(module, SequenceClassifier):
        return module.epoch_metrics
    callbacks: list[Any] = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
    (logged,) = [one for one in callbacks if isinstance(one, LoggedMetrics)]
    return logged.epoch_metrics


def test_metrics(results: Any, best: Mapping[str, float]) -> dict[str, float]:
    """Returns what a LightningModule of the user has logged in its test.

    A metric that the training has logged under the same name gets the prefix `test/`.
    """
    return {
        f"test/{name}" if name in best else name: float(value)
        for result in results
        for name, value in result.items()
    }
