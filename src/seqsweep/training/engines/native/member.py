"""A member of a pool, with its network of the native engine.

P parameters of the network, S training sequences.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqsweep.data.sequences import Splits
from seqsweep.native.flops import flops
from seqsweep.native.step import Network, Shape, Work
from seqsweep.seeding import stream_seed
from seqsweep.training.engines.joint.member import Checkpoint, TrainingMember, checkpoints
from seqsweep.training.engines.joint.schedule import Schedule
from seqsweep.training.planned_run import PlannedRun

_ORDERS_HELD = 2**20
"""The most numbers in the orders that are kept for members of equal seeds."""


class PoolMember(TrainingMember):
    """A run that trains in a pool, at its own pace.

    Args:
        member, folder, splits, schedules: see `TrainingMember`.

    Attributes:
        native: its network and its optimizer's state after `epochs` epochs, unless it trains.
        best_weights: (P,) the weights of its best epoch so far.
        flops: the floating-point operations of an epoch.
    """

    def __init__(
        self, member: PlannedRun, folder: Path, splits: Splits, schedules: dict[str, Schedule]
    ) -> None:
        super().__init__(member, folder, splits, schedules)
        data, trainer = member.config["data"], member.config["trainer"]
        self.batch_size: int = data["batch_size"]
        self.size = len(splits.train)
        self.shuffles: bool = data.get("shuffle", True)
        self.max_epochs: int = trainer["max_epochs"]
        self.has_val = splits.val is not None
        self.val_every: int = trainer.get("check_val_every_n_epoch", 1)
        self.shape = Shape(
            input_size=splits.input_size,
            num_classes=splits.num_classes,
            **self.network._asdict(),
        )
        self.flops = flops(self.shape, splits.train.num_steps)
        self.epochs = 0

    def start(self) -> None:
        """Builds the network with its first weights."""
        self.native = Network(
            self.shape,
            self.config["optimizer"]["_target_"].rpartition(".")[2],
            self.initial_vector(),
            self.class_weights,
            self.label_smoothing,
            self.clip,
        )
        self.best_weights = self.native.weights.clone()
        # The state before an epoch, for `undo` after an error in the middle of it.
        self._before = self.native.memory.clone()
        self._steps_before = 0

    def restore(self, last: Checkpoint, best: Checkpoint) -> None:
        """Sets the state of a checkpoint of this run.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: it is not a checkpoint of this run.
        """
        self.native.weights.copy_(self.vector(last["state_dict"]))
        for name, moment in self.native.state.items():
            moment.copy_(last["optimizer"][name])
        self.native.steps = last["global_step"]
        self.best_weights.copy_(self.vector(best["state_dict"]))
        self.epochs = last["epoch"] + 1
        self.load_state_dict(last)

    @property
    def is_at_end(self) -> bool:
        """Returns whether the member was killed between its last epoch and its record."""
        return self.epochs >= self.max_epochs or self.had_stopped()

    def work(self) -> Work:
        """Returns the work of its next epoch, which `undo` can revert."""
        self._before.copy_(self.native.memory)
        self._steps_before = self.native.steps
        seed = self.shuffle_seed if self.shuffles else None
        return Work(
            self.native,
            _order(self.size, seed, self.epochs),
            self.batch_size,
            self.schedule.options(self.epochs),
            self.dropout_seed,
            self.has_val and (self.epochs + 1) % self.val_every == 0,
        )

    @property
    def steps_of_an_epoch(self) -> int:
        """The number of optimizer steps in an epoch."""
        return -(-self.size // self.batch_size)

    @property
    def part(self) -> float:
        """The share of its current epoch that is done, at any time."""
        return (self.native.steps - self._steps_before) / self.steps_of_an_epoch

    def undo(self) -> None:
        """Restores the network as it was before the work of its last epoch."""
        self.native.memory.copy_(self._before)
        self.native.steps = self._steps_before

    def take_in(self, row: dict[str, Any], metrics: dict[str, float], seconds: float) -> bool:
        """Takes in a finished epoch; returns whether another epoch follows.

        Args:
            row: its counters and metrics.
            metrics: the metrics alone.
            seconds: its duration.
        """
        # The weights are copied now, because the next epoch changes them in place.
        if self.best.see(self.epochs, metrics, seconds):
            self.best_weights.copy_(self.native.weights)
        self.epochs += 1
        self.schedule.see(row)
        self.log.add(row)
        # Early stopping counts epochs with validation, as Lightning does.
        is_validated = self.val_every == 1 or "val/loss" in row
        stops = is_validated and self.should_stop(row)
        return not stops and self.epochs < self.max_epochs

    def checkpoints(self) -> tuple[Checkpoint, Checkpoint]:
        """Returns its last checkpoint and its best one, after its last finished epoch."""
        weights, *moments = self.native.memory.clone()
        head = {
            "engine": "native",
            **self.state_dict(),
            "epoch": self.epochs - 1,
            "global_step": self.native.steps,
        }
        state = dict(zip(self.native.state, moments, strict=True))
        return checkpoints(self, head, weights, state, self.best_weights)


class _Orders:
    """Draws the orders of epochs, once for members of equal seeds."""

    def __init__(self) -> None:
        self._orders: dict[tuple[int, int | None, int], Tensor] = {}
        self._generator = torch.Generator()

    def __call__(self, size: int, seed: int | None, epoch: int) -> Tensor:
        """Returns the order (S,) of an epoch, the same as in `EpochBatches`."""
        # Without a seed the order is that of the data, in every epoch.
        key = (size, seed, epoch if seed is not None else 0)
        if key not in self._orders:
            # Members train at about the same pace, so old orders are seldom needed again.
            if (len(self._orders) + 1) * size > _ORDERS_HELD:
                self._orders.clear()
            self._orders[key] = self._draw(size, seed, epoch)
        return self._orders[key]

    def _draw(self, size: int, seed: int | None, epoch: int) -> Tensor:
        if seed is None:
            return torch.arange(size)
        self._generator.manual_seed(stream_seed(seed, f"shuffle/{epoch}"))
        return torch.randperm(size, generator=self._generator)


_order = _Orders()
