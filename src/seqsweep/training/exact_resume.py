"""The callback that makes a resumed run equal an uninterrupted one."""

import hashlib
import random
import warnings
from collections.abc import Callable
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.fabric.utilities import move_data_to_device as move
from lightning.pytorch.callbacks import Callback
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric


class ExactResume(Callback):
    """Makes a resumed run equal an uninterrupted one, to the last bit.

    Each epoch sets the global generators of torch, numpy and random from (seed, epoch), and leaves
    them so; what is drawn before `train_dataloader` needs its own seed, as by `L.seed_everything`.
    Checkpoints get the states of torchmetrics, numbers and schedulers that are plain attributes of
    modules, and the logged metrics for later plateau steps.

    Not kept: the middle of an epoch (`save_on_train_epoch_end=True` avoids such checkpoints); what
    is changed and not saved, as numpy Generators, MinMaxMetric, MetricTracker, or gradients that
    are left over an epoch; `persistent_workers` and `generator` of a DataLoader; rows of loggers;
    `reload_dataloaders_every_n_epochs` above 1; an epoch that `max_steps` cut; several devices.

    Args:
        seed: the seed of the run.
        warn: what is called with a sentence if a resumed run may differ.
    """

    def __init__(self, seed: int, warn: Callable[[str], Any] = warnings.warn) -> None:
        self.seed, self.warn = seed, warn
        self.seeds_loaders = True  # False where the caller sets the generators before each fit
        self._max_steps, self._loaded = -1, dict[str, Any]()
        self._fresh: dict[str, Any] = {}

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: Any, checkpoint: Any) -> None:
        fit: Any = trainer.fit_loop
        loop, epoch = fit.epoch_loop, fit.epoch_progress.current
        # Lightning resets the metrics that the epoch has logged after its hooks.
        logged = [each.value for each in loop._results.result_metrics if not each.is_tensor]
        reset = {id(each) for metric in logged for each in metric.modules()}
        kept = [(n, m) for n, m in _metrics(pl_module) if m.update_count and id(m) not in reset]
        checkpoint["exact_resume"] = {
            "stopped": trainer.should_stop,
            "steps": epoch.completed < epoch.processed and loop._num_ready_batches_reached(),
            "seen": self._loaded.get("seen", dict(loop.val_loop._seen_batches_per_dataloader)),
            "logged": move(dict(trainer.callback_metrics), "cpu"),
            "torchmetrics": {n: (move(m.metric_state, "cpu"), m.update_count) for n, m in kept},
            "attributes": {k: v for k, v in _plain(pl_module).items() if v != self._fresh.get(k)},
        }

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: Any, checkpoint: Any) -> None:
        epoch = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]
        is_usable = trainer.training and epoch["processed"] == epoch["started"]
        state = checkpoint.get("exact_resume", {}) if is_usable else {}
        self._loaded, trainer.should_stop = dict(state), state.get("stopped", False)
        if trainer.training and not state:
            start = "the checkpoint is not one of ExactResume from the end of an epoch, so the run"
            self.warn(f"{start} can differ: ModelCheckpoint needs save_on_train_epoch_end=True")

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # With max_steps Lightning takes the end of an epoch for its middle, and ends it again.
        self._max_steps, trainer.fit_loop.epoch_loop.max_steps = trainer.max_steps, -1
        self._fresh = _plain(pl_module)
        if self.seeds_loaders:
            self._seed(0)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        fit: Any = trainer.fit_loop
        fit.epoch_loop.max_steps = self._max_steps
        self._end_epoch(fit)
        self._seed(trainer.current_epoch)  # Lightning may call `train_dataloader` again
        for name in ("persistent_workers", "generator"):
            if any(getattr(each, name, None) for each in fit._combined_loader.flattened):
                self.warn(f"{name} of a DataLoader: what it draws after a resume can differ")

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Lightning makes the first iterator of a fit earlier; a resumed epoch makes it again here.
        trainer.fit_loop._resuming_from_checkpoint = False  # pyright: ignore[reportPrivateUsage]
        self._restore_attributes(pl_module)  # the module's `on_train_start` may have reset them
        self._seed(trainer.current_epoch)

    def on_validation_start(self, trainer: Any, pl_module: L.LightningModule) -> None:
        # The step of a row is the number of a batch since Lightning has made the loaders.
        seen = {} if trainer.sanity_checking else self._loaded.pop("seen", {})
        if not trainer.reload_dataloaders_every_n_epochs:
            trainer.fit_loop.epoch_loop.val_loop._seen_batches_per_dataloader.update(seen)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._seed(trainer.current_epoch + 1)  # for a `train_dataloader` that is called again

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._end_epoch(trainer.fit_loop)  # where no epoch was left to train
        self._restore_attributes(pl_module)

    def _end_epoch(self, fit: Any) -> None:
        """Does what Lightning does after the hooks of the epoch whose end was loaded."""
        epoch = fit.epoch_progress.current
        fit.trainer.callback_metrics.update(self._loaded.pop("logged", {}))
        if self._loaded.pop("steps", False):
            epoch.completed = epoch.processed - 1  # `frequency` asks for the number of that epoch
            fit.epoch_loop.update_lr_schedulers("epoch", update_plateau_schedulers=True)
        epoch.completed = epoch.processed

    def _restore_attributes(self, module: L.LightningModule) -> None:
        states = self._loaded.pop("torchmetrics", {})
        for name, metric in _metrics(module) if states else ():
            metric.reset()
            state, metric._update_count = states.get(name, ({}, 0))
            vars(metric).update(move(state, metric.device))
        for path, value in self._loaded.pop("attributes", {}).items():
            name, _, key = path.rpartition(".")
            if isinstance(value, dict):
                getattr(module.get_submodule(name), key).load_state_dict(value)
            else:
                setattr(module.get_submodule(name), key, value)

    def _seed(self, epoch: int) -> None:
        digest = hashlib.sha256(f"{self.seed}/shuffle/{epoch}".encode()).digest()
        value = int.from_bytes(digest[:8], "little") >> 1
        torch.default_generator.manual_seed(value)  # torch.manual_seed takes 0.4 ms
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(value)
        np.random.seed(value % 2**32)
        random.seed(value)


def _metrics(module: L.LightningModule) -> list[tuple[str, Any]]:
    return [(name, each) for name, each in module.named_modules() if isinstance(each, Metric)]


def _plain(module: L.LightningModule) -> dict[str, Any]:
    """Returns the numbers and the schedulers that are plain attributes of modules, by name."""
    return {
        f"{name}.{key}": value.state_dict() if isinstance(value, LRScheduler) else value
        for name, each in module.named_modules()
        for key, value in vars(each).items()
        if key[0] != "_" and (type(value) in (int, float) or isinstance(value, LRScheduler))
        if all(value is not known.scheduler for known in module.trainer.lr_scheduler_configs)
    }
