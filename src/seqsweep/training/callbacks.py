"""Callbacks that end a run early: early stopping, limits and signals."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping

from seqsweep.runs.metrics import as_metric
from seqsweep.signals import ENDING, handled
from seqsweep.training.limits import BestEpoch, Limits, Paused, Pruned
from seqsweep.training.planned_run import Interrupted


class EarlyStop(EarlyStopping):
    """A Lightning `EarlyStopping` that derives its mode from `monitor`.

    Args:
        patience: validations without an improvement before the run ends, at least 0.
        min_delta: the least change that counts as an improvement, at least 0.
    """

    def __init__(self, monitor: str, patience: int = 10, min_delta: float = 0.0) -> None:
        if patience < 0:
            raise ValueError(f"patience={patience}: must be at least 0 validations")
        if min_delta < 0:
            raise ValueError(f"min_delta={min_delta}: must be at least 0")
        mode = as_metric(monitor).direction
        super().__init__(monitor, min_delta, patience, mode=mode)


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


class StopOnSignal(Callback):
    """Ends the training after the batch in which a signal came.

    No exception is raised inside a batch: in the middle of a write or of a C call it would leave a
    file or a buffer half done. A second signal ends the process the usual way.
    """

    def __init__(self) -> None:
        self.received: int | None = None  # the number of the signal

    @contextmanager
    def listening(self) -> Generator[None]:
        """Handles signals while the block runs, but only in the main thread."""
        with handled(ENDING, self._receive):
            yield

    def check(self) -> None:
        """Raises Interrupted if a signal has come."""
        if self.received is not None:
            raise Interrupted(self.received)

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self.check()

    on_validation_batch_end = on_test_batch_end = on_train_batch_end

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        self.received = signum
        # A second signal ends the process, so that the user need not wait for the batch.
        signal.signal(signum, signal.SIG_DFL)
