"""The LightningModule that trains a stack: an epoch of all members, then what follows for each.

K members, B batch, C classes.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import lightning as L
import numpy as np
import torch
from torch import Tensor

from seqsweep.models.module import Diverged
from seqsweep.stacked.loss import plain_cross_entropy
from seqsweep.stacked.network import StackedNetwork
from seqsweep.stacked.step import train_step
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.joint.scores import Array, metrics_of, scores, why_diverged
from seqsweep.training.engines.stacked.datamodule import Block, StackDataModule, evaluation_batches
from seqsweep.training.engines.stacked.stack_sums import StackSums, confusion
from seqsweep.training.engines.stacked.state import Stack
from seqsweep.training.trainer import count_steps

Ended = Sequence[tuple[TrainingMember, Diverged | OSError | None]]
"""Members that have ended: None at their end, or why they diverged or could not be written."""

_EVALUATED_NUMBERS = 2**20


class StackModule(L.LightningModule):
    """Trains a stack by manual optimisation; validates after an epoch; lets members go that end.

    A `training_step` is a block of batches. The stack has its own optimizer, so Lightning is given
    none; it counts the steps all the same.

    Args:
        stack: the members; those that end are taken out of it.
        data: theirs.
        max_epochs: of each.
        check_val_every_n_epoch: as in `lightning.Trainer`.
        flush: called after each epoch; returns the members whose logs cannot be written.
        save: called then, with those whose best epoch it was.
        end: called with the members that have ended, before they are taken out.
        check: called after each step; raises what ends the training.
    """

    def __init__(
        self,
        stack: Stack,
        data: StackDataModule,
        max_epochs: int,
        check_val_every_n_epoch: int,
        flush: Callable[[], Ended],
        save: Callable[[Collection[TrainingMember]], None],
        end: Callable[[Ended], None],
        check: Callable[[], None],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.stack = stack
        self.data = data
        self.max_epochs = max_epochs
        self.val_every = check_val_every_n_epoch
        self.flush = flush
        self.save = save
        self.end = end
        self.check = check
        self.sums = StackSums(stack.shape.num_classes)
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
            self.sums.add(result, batch)
            self.check()
        count_steps(self.trainer, len(block.steps))

    def on_train_epoch_end(self) -> None:
        stack, epoch = self.stack, self.current_epoch
        rows = self._rows(epoch)
        now = time.perf_counter()
        share = (now - self._clock) / len(rows)
        self._clock = now
        diverged = [(m, why) for m, row in rows.items() if (why := why_diverged(row, epoch))]
        sound = rows.keys() - {member for member, _ in diverged}
        better = {m for m in sound if m.best.see(epoch, metrics_of(rows[m]), share)}
        stack.keep_best(better)
        stack.epochs = epoch + 1
        self._let_go(diverged)  # before the checkpoint: it would go on from there
        for member in stack.members:
            member.schedule.see(rows[member])
        stopping = [member for member in stack.members if self._after_epoch(member, rows[member])]
        self._publish(next(iter(rows.values())))
        self._let_go(self.flush())
        if not stack.members:
            return
        stack.set_options()
        self.save(better)
        is_last = epoch + 1 == self.max_epochs
        self._let_go([(m, None) for m in stack.members if is_last or m in stopping])

    def _after_epoch(self, member: TrainingMember, row: dict[str, Any]) -> bool:
        """Log and early stopping: True where it ends the run."""
        member.log.add(row)
        looks = "val/loss" in row or self.val_every == 1
        return looks and member.should_stop(row)

    def _let_go(self, ended: Ended) -> None:
        if ended:
            self.end(ended)
            self.stack.drop({member for member, _ in ended})
        if not self.stack.members:
            self.trainer.should_stop = True

    def _rows(self, epoch: int) -> dict[TrainingMember, dict[str, Any]]:
        """The epoch's row of every member: metrics of training and validation, lr."""
        columns = {f"train/{name}": values for name, values in self.sums.compute().items()}
        self.sums.reset()
        has_val = self.data.splits.val is not None and (epoch + 1) % self.val_every == 0
        if has_val:
            found = evaluate(self.stack.network, self.data, "val").metrics
            columns |= {f"val/{name}": values for name, values in found.items()}
        lists = {name: values.tolist() for name, values in columns.items()}
        shared = {"epoch": epoch, "step": self.stack.steps}
        return {
            member: shared
            | {"lr": member.schedule.options(epoch)["lr"]}
            | {name: lists[name][index] for name in lists}
            for index, member in enumerate(self.stack.members)
        }

    def _generators(self) -> list[torch.Generator]:
        """Of each member's dropout: its masks are a function of (seed, step) alone."""
        if not any(self.stack.network.dropout):
            return []
        return [
            torch.Generator(self.device).manual_seed(
                (member.dropout_seed + self.stack.steps) % 2**63
            )
            for member in self.stack.members
        ]

    def _publish(self, row: dict[str, Any]) -> None:
        """For a progress bar."""
        self.trainer.callback_metrics.update(
            {name: torch.tensor(value) for name, value in metrics_of(row).items()}
        )


class Evaluation(NamedTuple):
    """`loss`, `acc`, `f1`, (K,) each, and the counts (K, C, C), rows the true class."""

    metrics: dict[str, Array]
    confusion: Tensor


def evaluate(network: StackedNetwork, data: StackDataModule, split: str) -> Evaluation:
    """The metrics of the members on a split; the loss is the plain mean cross-entropy.

    The rows' losses are summed at the end, in one order: so the result does not depend on how many
    are evaluated at once, nor on the company.
    """
    sequences = data.on_device(split, network.device)
    per_row = network.flat.shape[0] * sequences.longest * network.shape.hidden
    size = min(data.eval_batch_size, max(16, _EVALUATED_NUMBERS // per_row // 16 * 16))
    losses: list[Tensor] = []
    predicted: list[Tensor] = []
    labels: list[Tensor] = []
    for batch in evaluation_batches(sequences, network.members, size):
        logits = network.forward(batch)
        losses.append(plain_cross_entropy(logits, batch.labels))
        predicted.append(logits.argmax(2))
        labels.append(batch.labels)
    total = torch.cat(losses, 1).cpu().double().mean(1)
    counts = confusion(torch.cat(predicted, 1), torch.cat(labels, 1), network.shape.num_classes)
    return Evaluation({"loss": np.asarray(total), **scores(counts.cpu().numpy())}, counts)
