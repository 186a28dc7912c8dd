"""The LightningModule that trains a stack: an epoch of all members at once."""

import time
from typing import Any

import lightning as L
import torch

from seqsweep.models.module import Diverged
from seqsweep.stacked.step import train_step
from seqsweep.training.callbacks import StopOnSignal
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.joint.scores import metrics_of, why_diverged
from seqsweep.training.engines.stacked.datamodule import Block, StackDataModule
from seqsweep.training.engines.stacked.evaluation import evaluate
from seqsweep.training.engines.stacked.stack_sums import StackSums
from seqsweep.training.engines.stacked.state import Stack
from seqsweep.training.trainer import count_steps


class StackModule(L.LightningModule):
    """Trains a stack by manual optimisation and validates it after an epoch.

    A `training_step` trains a block of batches. The stack has its own optimizer, so Lightning gets
    none, but Lightning still counts the steps. After an epoch the callback `StackCheckpoint`
    updates the members' files and the stack.

    Args:
        stack: the stack; none of its members has ended.
        data: the members' data.
        max_epochs: the number of epochs of each member.
        check_val_every_n_epoch: as in `lightning.Trainer`.
        stop: takes the signals.

    Attributes:
        diverged: the members that diverged in the last epoch.
        better: the members whose best epoch so far is this one.
        stopping: the members that end with this epoch.
    """

    def __init__(
        self,
        stack: Stack,
        data: StackDataModule,
        max_epochs: int,
        check_val_every_n_epoch: int,
        stop: StopOnSignal,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.stack = stack
        self.data = data
        self.max_epochs = max_epochs
        self.val_every = check_val_every_n_epoch
        self.stop = stop
        self.diverged: list[tuple[TrainingMember, Diverged]] = []
        self.better: set[TrainingMember] = set()
        self.stopping: set[TrainingMember] = set()
        self._sums = StackSums(stack.shape.num_classes)
        self._clock = time.perf_counter()

    def configure_optimizers(self) -> list[Any]:
        return []

    def on_train_start(self) -> None:
        self._clock = time.perf_counter()

    def training_step(self, block: Block, batch_idx: int) -> None:
        stack = self.stack
        train = self.data.on_device("train", self.device)
        for index, steps in enumerate(block.steps):
            batch = train.batch(
                block.rows[index], steps, None if block.ends is None else block.ends[index]
            )
            result = train_step(
                stack.network, stack.loss, stack.optimizer, batch, stack.max_norm,
                self._generators(),
            )  # fmt: skip
            self._sums.add(result, batch)
            # A signal need not wait for the whole block, which may be many steps.
            self.stop.check()
        count_steps(self.trainer, len(block.steps))

    def on_train_epoch_end(self) -> None:
        """Takes in the metrics of the epoch for every member."""
        stack, epoch = self.stack, self.current_epoch
        rows = self._rows(epoch)
        now = time.perf_counter()
        # The time of an epoch is shared out among the members.
        share = (now - self._clock) / len(rows)
        self._clock = now
        self.diverged = [(m, why) for m, row in rows.items() if (why := why_diverged(row, epoch))]
        # The best epoch, the schedule and the log ignore a diverged epoch.
        gone = {member for member, _ in self.diverged}
        sound = [member for member in rows if member not in gone]
        self.better = {m for m in sound if m.best.see(epoch, metrics_of(rows[m]), share)}
        stack.keep_best(self.better)
        stack.epochs = epoch + 1
        is_last = stack.epochs == self.max_epochs
        self.stopping = {m for m in sound if self._take_in(m, rows[m]) or is_last}
        self._publish(next(iter(rows.values())))

    def _take_in(self, member: TrainingMember, row: dict[str, Any]) -> bool:
        """Returns whether early stopping ends the member after an epoch with this row."""
        member.schedule.see(row)
        member.log.add(row)
        is_validated = "val/loss" in row or self.val_every == 1
        return is_validated and member.should_stop(row)

    def _rows(self, epoch: int) -> dict[TrainingMember, dict[str, Any]]:
        """Returns the epoch's row of every member: metrics of training and validation, lr."""
        columns = {f"train/{name}": values for name, values in self._sums.compute().items()}
        self._sums.reset()
        has_val = self.data.splits.val is not None and (epoch + 1) % self.val_every == 0
        if has_val:
            metrics = evaluate(self.stack.network, self.data, "val").metrics
            columns |= {f"val/{name}": values for name, values in metrics.items()}
        lists = {name: values.tolist() for name, values in columns.items()}
        shared = {"epoch": epoch, "step": self.stack.steps}
        return {
            member: shared
            | {"lr": member.schedule.options(epoch)["lr"]}
            | {name: lists[name][index] for name in lists}
            for index, member in enumerate(self.stack.members)
        }

    def _generators(self) -> list[torch.Generator]:
        """Returns each member's generator of dropout: a function of (seed, step) alone."""
        if not any(self.stack.network.dropout):
            return []
        return [
            torch.Generator(self.device).manual_seed(
                (member.dropout_seed + self.stack.steps) % 2**63
            )
            for member in self.stack.members
        ]

    def _publish(self, row: dict[str, Any]) -> None:
        """Gives a row to the Trainer, for a progress bar."""
        self.trainer.callback_metrics.update(
            {name: torch.tensor(value) for name, value in metrics_of(row).items()}
        )
