"""Callbacks for Lightning's Trainer: early stopping, limits, signals and the progress bar."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping, ProgressBar

from seqsweep.signals import StopOnSignal
from seqsweep.training.engines.protocol import Progress
from seqsweep.training.limits import BestEpoch, Limits, Patience, Paused, Pruned


class EarlyStop(EarlyStopping):
    """A Lightning `EarlyStopping` that derives its mode from `monitor`.

    The arguments are those of `limits.Patience`, which checks them; a missing value is waited for.
    """

    def __init__(
        self,
        monitor: str,
        patience: int = 10,
        min_delta: float = 0.0,
        goal: float | None = None,
    ) -> None:
        checked = Patience(monitor, patience, min_delta, goal)
        mode = str(checked.monitor.direction)  # Lightning refuses None
        super().__init__(monitor, min_delta, patience, mode=mode, strict=False, check_finite=False)
        self.counted = checked

    def _evaluate_stopping_criteria(self, current: torch.Tensor) -> tuple[bool, str | None]:
        current = current.float()  # as `Patience` compares
        if self.counted.goal is not None:
            self.counted.wait_count = self.wait_count
            stops = self.counted.see(current.item())
            self.wait_count = self.counted.wait_count
            return stops, f"{self.monitor} has reached {self.counted.goal}" if stops else None
        return super()._evaluate_stopping_criteria(current.where(current.isfinite(), torch.nan))


class StopAtLimit(Checkpoint):
    """Ends or pauses a run at a limit that a search has set.

    Early stopping comes first, because a run that ends by itself is complete. So this class is a
    `Checkpoint`: Lightning calls checkpoints after all other callbacks.

    Attributes:
        reached: why the run ends early or pauses; None while it trains, and at its real end.
    """

    def __init__(self, limits: Limits, best: BestEpoch) -> None:
        self.limits = limits
        self.best = best
        self.reached: Pruned | Paused | None = None

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stops a run that was killed after it had reached the limit."""
        if self.best.epochs:
            self._judge(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._judge(trainer)

    def _judge(self, trainer: L.Trainer) -> None:
        is_at_end = trainer.should_stop or self.best.epochs == trainer.max_epochs
        self.reached = None if is_at_end else self.limits.judge(self.best)
        if self.reached is not None:
            trainer.should_stop = True


class ChecksSignal(Callback):
    """Ends the training after the batch in which a signal came."""

    def __init__(self, stop: StopOnSignal) -> None:
        self.stop = stop

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self.stop.check()

    on_validation_batch_end = on_test_batch_end = on_train_batch_end


class DrawsProgress(ProgressBar):
    """Moves the bar of a run that a Trainer trains.

    Lightning's bars redraw for every batch, which takes longer than a step of a small network.
    """

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self.bar = bar

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            self.bar.start(trainer.max_epochs)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        # A loader without a length has infinitely many batches, and the bar then moves by epochs.
        part = (batch_idx + 1) / trainer.num_training_batches
        self.bar.draw(trainer.current_epoch + part, trainer.callback_metrics)

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        self.bar.stop()

    on_exception = on_train_end
