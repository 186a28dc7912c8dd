"""A member of a pool, with its network in the native engine.

P parameters of the network, S training sequences.
"""

import functools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqsweep.config.instantiate import build
from seqsweep.data.batch import augmentation_of
from seqsweep.data.prepare import check_loading
from seqsweep.data.sequences import Splits
from seqsweep.models.metrics import check_loss, class_weights
from seqsweep.models.own_programs import check_program
from seqsweep.native.step import Network, Work
from seqsweep.native.structs import flops
from seqsweep.runs.files import sync as sync_files
from seqsweep.runs.files import sync_folder
from seqsweep.runs.metrics_csv import EpochRow
from seqsweep.seeding import stream_seed
from seqsweep.training.checkpoint_files import (
    CheckpointContent,
    publish,
    save_in_run,
    sizes_of_logs,
    weights_digest,
)
from seqsweep.training.checks import check_monitors
from seqsweep.training.description import description
from seqsweep.training.devices import check_trainer
from seqsweep.training.engine import CHECKPOINT, EARLY_STOP, network_of
from seqsweep.training.engines.native.shared import schedule_of, template_of
from seqsweep.training.engines.protocol import Member
from seqsweep.training.fed_loggers import build_loggers
from seqsweep.training.limits import BestEpoch, Patience, Paused, Pruned
from seqsweep.training.loggers import MemberLog
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.start import first_weights

_WITHOUT_TRAINER = {
    CHECKPOINT: "seqsweep.training.limits.BestEpoch",
    EARLY_STOP: "seqsweep.training.limits.Patience",
}
"""The class that replaces a callback, which would need Lightning and its Trainer."""


class PoolMember(Member):
    """A run that trains in a pool, at its own pace.

    The constructor writes nothing. `start` builds the network.

    Attributes:
        epochs: the number of finished epochs.
        native: the network and optimizer state after `epochs` epochs, or in the middle of the next.
        best_weights: (P,) the weights of the best epoch so far.
        flops: the floating-point operations of an epoch.
        saved: when the last checkpoint was written or the member began, by `time.perf_counter`.

    Raises:
        ValueError, TypeError, OSError: a part of the config is refused.
    """

    def __init__(self, planned: PlannedRun, folder: Path, splits: Splits) -> None:
        config = planned.config
        data, trainer, loss = config["data"], config["trainer"], config["loss"]
        network = network_of(config["model"])
        assert network is not None, "only networks of ours come here"
        check_monitors(config, splits)
        check_loading(data.get("eval_batch_size", 1), data.get("num_workers", 0))
        check_loss(loss["label_smoothing"], trainer.get("gradient_clip_val"))
        super().__init__(planned, folder, MemberLog(folder, build_loggers(config, folder)))
        self.config = config
        sizes = splits.input_size, splits.num_classes
        self.template = template_of(config["model"], *sizes)
        self.params = self.template.params
        if network.program is not None:
            check_program(self.template.network, network.program)
        self.shape = network._replace(input_size=sizes[0], num_classes=sizes[1])
        self.flops = flops(self.shape, splits.train.num_steps)
        self.schedule = schedule_of(config)
        self.class_weights = class_weights(
            loss["class_weights"], splits.train.labels, splits.num_classes
        )
        self.label_smoothing: float = loss["label_smoothing"]
        self.clip: float | None = trainer.get("gradient_clip_val")
        # If the config has no `data.seed`, the run's seed decides the order of the sequences.
        seed = data.get("seed")
        self.shuffle_seed: int = config["seed"] if seed is None else seed
        self.dropout_seed = stream_seed(config["seed"], "dropout")
        shaping = splits.scaling and splits.scaling.shaping
        self.augmentation = augmentation_of(data.get("transform"), shaping)
        self.batch_size: int = data["batch_size"]
        self.num_train = len(splits.train)
        self.shuffles: bool = data.get("shuffle", True)
        self.max_epochs: int = trainer["max_epochs"]
        self.has_val = splits.val is not None
        self.val_every: int = trainer.get("check_val_every_n_epoch", 1)
        devices = trainer.get("devices", 1)
        check_trainer(self.max_epochs, trainer["accelerator"], devices, self.val_every)
        self.early_stop: Patience | None = None
        for name, section in (config["callbacks"] or {}).items():
            if section is not None:
                kind = _WITHOUT_TRAINER[section["_target_"]]
                part = build(section | {"_target_": kind}, f"callbacks.{name}")
                if isinstance(part, Patience):
                    self.early_stop = part
                else:
                    self.best: BestEpoch = part
        self.description = description(config, splits)
        self.taken = first_weights(config, self.template.shapes, self.description)
        self.epochs = 0
        self.saved = 0.0
        # The number of finished epochs in last.ckpt, and the index of the epoch in best.ckpt.
        self._epochs_saved = 0
        self._best_saved: int | None = None

    @property
    def steps(self) -> int:
        return self.native.steps

    def best_digest(self) -> str:
        return weights_digest(self.template.named(self.best_weights))

    def start(self) -> None:
        """Builds the network with its first weights."""
        first = self.template.first_weights(self.config["seed"])
        first = self.template.vector(self.template.named(first) | self.taken)
        self.native = Network(
            self.shape,
            self.config["optimizer"]["_target_"].rpartition(".")[2],
            first,
            self.class_weights,
            self.label_smoothing,
            self.clip,
        )
        self.best_weights = self.native.weights.clone()
        # After an error in the middle of an epoch, `undo` restores this state.
        self._before = self.native.memory.clone()
        self._steps_before = 0

    def restore(self, last: CheckpointContent, best: CheckpointContent) -> None:
        """Restores the state from the last and best checkpoints of the run."""
        self.native.weights.copy_(self.template.vector(last["state_dict"]))
        for name, moment in self.native.state.items():
            moment.copy_(last["optimizer"][name])
        self.native.steps = last["global_step"]
        self.best_weights.copy_(self.template.vector(best["state_dict"]))
        self.epochs = last["epoch"] + 1
        self.best.load_state_dict(last["callbacks"]["BestAndLast"])
        if self.early_stop is not None:
            self.early_stop.load_state_dict(last["callbacks"]["EarlyStop"])
        self.schedule.load_state_dict(last["schedule"])
        self._epochs_saved, self._best_saved = self.epochs, self.best.best_epoch

    @property
    def is_at_end(self) -> bool:
        """Returns whether the member has no epoch left to train."""
        had_stopped = self.early_stop is not None and self.early_stop.is_over
        return self.epochs >= self.max_epochs or had_stopped

    def at_limit(self) -> Pruned | Paused | None:
        """Returns why the run ends early or pauses now, or None."""
        limits = self.planned.limits
        return None if limits is None else limits.judge(self.best)

    def work(self) -> Work:
        """Keeps the state for `undo`, and returns the work of the next epoch."""
        self._before.copy_(self.native.memory)
        self._steps_before = self.native.steps
        seed = self.shuffle_seed if self.shuffles else None
        return Work(
            self.native,
            _order(self.num_train, seed, self.epochs),
            self.batch_size,
            self.schedule.options(self.epochs),
            self.dropout_seed,
            self.has_val and (self.epochs + 1) % self.val_every == 0,
        )

    @property
    def part(self) -> float:
        """The fraction of the current epoch that is done; any thread may read it."""
        return (self.native.steps - self._steps_before) * self.batch_size / self.num_train

    def undo(self) -> None:
        """Restores the network and optimizer to their state before the last `work`."""
        self.native.memory.copy_(self._before)
        self.native.steps = self._steps_before

    def take_in(self, row: EpochRow, seconds: float) -> bool:
        """Records a finished epoch; returns whether another epoch follows."""
        metrics = {name: value for name, value in row.items() if name not in ("epoch", "step")}
        # The weights are copied now, because the next epoch changes them in place.
        if self.best.see(self.epochs, metrics, seconds):
            self.best_weights.copy_(self.native.weights)
        self.epochs += 1
        self.schedule.see(row)
        self.log.add(row)
        stops = False
        # Early stopping counts epochs with validation, as Lightning does.
        if self.early_stop is not None and (self.val_every == 1 or "val/loss" in row):
            stops = self.early_stop.see(row[self.early_stop.monitor])
        return not stops and self.epochs < self.max_epochs

    def save(self, now: float, sync: bool) -> None:
        """Writes the logs, and checkpoints if an epoch has finished since the last save."""
        self.saved = now
        self.log.flush()
        self.log.write_lines()
        if self.epochs == self._epochs_saved:
            return
        folder = self.folder.path / "checkpoints"
        # The config is synced first, so that a power failure cannot keep only the checkpoints.
        if sync and not self._epochs_saved:
            sync_files([folder.parent / "config.yaml", folder.parent / "provenance.json"])
            sync_folder(folder.parent)
        last, best = self._checkpoints()
        is_better = best["epoch"] == last["epoch"]
        # best.ckpt comes first: `resume_point` accepts the best.ckpt of a later epoch.
        if not is_better and best["epoch"] != self._best_saved:
            save_in_run(best, folder / "best.ckpt", sync)
        save_in_run(last, folder / "next.ckpt", sync)
        publish(folder, is_better)
        self._epochs_saved, self._best_saved = self.epochs, best["epoch"]

    def _checkpoints(self) -> tuple[CheckpointContent, CheckpointContent]:
        """Returns the contents of last.ckpt, and of best.ckpt (without an optimizer)."""
        weights, *moments = self.native.memory.clone()
        callbacks: dict[str, Any] = {"BestAndLast": self.best.state_dict()}
        if self.early_stop is not None:
            callbacks["EarlyStop"] = self.early_stop.state_dict()
        common = {"engine": "native", "callbacks": callbacks, **self.description}
        last = {
            "files": sizes_of_logs(self.folder.path, self.epochs),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epochs - 1,
            "global_step": self.native.steps,
            "state_dict": self.template.named(weights),
            "optimizer": dict(zip(self.native.state, moments, strict=True)),
        }
        best = {"epoch": self.best.best_epoch, "state_dict": self.template.named(self.best_weights)}
        return common | last, common | best


@functools.lru_cache(maxsize=64)
def _order(size: int, seed: int | None, epoch: int) -> Tensor:
    """Returns an epoch's order (S,); without a seed, the order of the data."""
    if seed is None:
        return torch.arange(size)
    generator = torch.Generator().manual_seed(stream_seed(seed, f"shuffle/{epoch}"))
    return torch.randperm(size, generator=generator)
