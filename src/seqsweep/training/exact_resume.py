"""The callback that makes a resumed run equal an uninterrupted one."""

import functools
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from seqsweep.console import say_error
from seqsweep.seeding import seed_globals


class ExactResume(Callback):
    """Makes a resumed run equal an uninterrupted one, to the last bit.

    The run resumes at the end of an epoch. Code of the user draws from the global generators of
    torch, numpy and random: the order of a shuffling loader, noise in a Dataset, dropout. These
    generators begin each epoch from (seed, epoch). A run that a callback has stopped stays stopped.

    Lightning makes the first iterator of a fit before `on_train_epoch_start`, and all others after
    it. So a resumed epoch makes its iterator again.

    Args:
        seed: the seed of the run.
        of_users: whether the data module is the user's own.
    """

    def __init__(self, seed: int, of_users: bool = True) -> None:
        self.seed = seed
        self.of_users = of_users
        self._max_steps = -1

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["stopped"] = trainer.should_stop

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        trainer.should_stop = checkpoint.get("stopped", False)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # With max_steps Lightning takes the end of an epoch for its middle, and ends it again.
        self._max_steps = trainer.max_steps
        trainer.fit_loop.epoch_loop.max_steps = -1

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.fit_loop.epoch_loop.max_steps = self._max_steps
        self._seed_epoch(trainer.current_epoch)  # Lightning may call `train_dataloader` again
        loaders: Any = trainer.fit_loop._combined_loader  # pyright: ignore[reportPrivateUsage]
        persist = [getattr(loader, "persistent_workers", False) for loader in loaders.flattened]
        if self.of_users and any(persist):
            _note_persistent_workers()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Now Lightning makes the iterator after the hooks of all callbacks, as in every epoch.
        trainer.fit_loop._resuming_from_checkpoint = False  # pyright: ignore[reportPrivateUsage]
        self._seed_epoch(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._seed_epoch(trainer.current_epoch + 1)  # for a `train_dataloader` that is called again

    def _seed_epoch(self, epoch: int) -> None:
        seed_globals(self.seed, f"shuffle/{epoch}")


@functools.cache
def _note_persistent_workers() -> None:
    say_error(
        "persistent_workers=True: what a Dataset draws at random in such workers depends on all "
        "earlier epochs, so a resumed run can differ from an uninterrupted one"
    )
