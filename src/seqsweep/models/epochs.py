"""Reads the metrics of an epoch before other callbacks look at them."""

from collections.abc import Callable

import lightning as L
from lightning.pytorch.callbacks import Callback


class ClosesEpochs(Callback):
    """A callback that calls a module at the end of an epoch, before others.

    Without it, Lightning would call the hooks of all callbacks before those of the module.

    Args:
        train, val, test: called at the end of an epoch of training, of validation, of testing.
    """

    def __init__(
        self, train: Callable[[], None], val: Callable[[], None], test: Callable[[], None]
    ) -> None:
        self.train, self.val, self.test = train, val, test

    def put_first(self, trainer: L.Trainer) -> None:
        """Makes this the trainer's first callback, replacing an older one."""
        callbacks: list[Callback] = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
        callbacks[:] = [self, *(c for c in callbacks if not isinstance(c, ClosesEpochs))]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.train()

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.val()

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.test()
