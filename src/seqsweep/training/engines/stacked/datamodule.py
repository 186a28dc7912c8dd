"""The LightningDataModule of a stack: shared sequences, in the order of each member.

K members, M batches, B batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import lightning as L
import numpy as np
import torch
from torch import Tensor

from seqsweep.data.batch import augment_seed
from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.data.sequences import Sequences
from seqsweep.seeding import stream
from seqsweep.stacked.batches import StackData, Steps
from seqsweep.training.engines.joint.member import TrainingMember

BATCHES_AT_ONCE = 32
"""The steps that Lightning sees as one: its overhead for a batch is as long as a step."""


class Block(NamedTuple):
    """Some batches of an epoch of all members.

    `rows` (M, K, B) are on the networks' device; for `steps` and `ends` see `StackBatch`.
    """

    rows: Tensor
    steps: Sequence[Steps]
    ends: Tensor | None


class StackDataModule(L.LightningDataModule):
    """Makes blocks of batches for the members of a stack.

    A member sees the batches that `EpochBatches` gives to a separate run: the order of an epoch is
    a function of (its seed, epoch), and the last batch holds the remaining sequences.

    Args:
        data: the data that the members share.
        members: the members that still train; the stack shortens this list.
        bidirectional: whether their networks are bidirectional.
        dtype: the type of the sequences on the device.
    """

    def __init__(
        self,
        data: SequenceDataModule,
        members: Sequence[TrainingMember],
        bidirectional: bool,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.splits = data.splits
        self.batch_size = data.batch_size
        self.shuffles = data.shuffle_seed is not None
        self.eval_batch_size = data.eval_batch_size
        self.members = members
        self.bidirectional = bidirectional
        self.dtype = dtype
        self.augmentation = data.augmentation
        self._loaded: dict[str, StackData] = {}

    def on_device(self, split: str, device: torch.device) -> StackData:
        """Returns the split `train`, `val` or `test` on the networks' device."""
        if split not in self._loaded:
            sequences = getattr(self.splits, split)
            assert isinstance(sequences, Sequences)
            self._loaded[split] = self._stack_data([sequences], device)
        return self._loaded[split]

    def augment(self, epoch: int, device: torch.device) -> Tensor:
        """Replaces the training split by that of an epoch: one copy for each seed.

        Returns the index of the first row of each member's copy, (K,).
        """
        seeds = [member.shuffle_seed for member in self.members]
        train, distinct = self.splits.train, list(dict.fromkeys(seeds))
        if self.augmentation is None:
            return torch.zeros(len(seeds), dtype=torch.int64)
        rows = range(len(train))
        copies: list[Sequences] = []
        for seed in distinct:
            drawn = augment_seed(seed, epoch)
            x = self.augmentation.apply(train.x, train.lengths, rows, drawn)
            copies.append(replace(train, x=x))
        self._loaded["train"] = self._stack_data(copies, device)
        return torch.tensor([distinct.index(seed) * len(train) for seed in seeds])

    def _stack_data(self, parts: Sequence[Sequences], device: torch.device) -> StackData:
        return StackData(
            torch.from_numpy(np.concatenate([part.x for part in parts])),
            torch.from_numpy(np.concatenate([part.lengths for part in parts])),
            torch.from_numpy(np.concatenate([part.labels for part in parts])),
            self.bidirectional,
            self.dtype,
            device,
        )

    def train_dataloader(self) -> "EpochBlocks":
        return EpochBlocks(self)

    def transfer_batch_to_device(
        self, batch: Block, device: torch.device, dataloader_idx: int
    ) -> Block:
        return batch  # it is on the device already


class EpochBlocks:
    """Iterates over the blocks of the Trainer's current epoch."""

    def __init__(self, data: StackDataModule) -> None:
        self.data = data

    def __len__(self) -> int:
        full, rest = divmod(len(self.data.splits.train), self.data.batch_size)
        return -(-full // BATCHES_AT_ONCE) + (rest > 0)

    def __iter__(self) -> Iterator[Block]:
        data, trainer = self.data, self.data.trainer
        assert trainer is not None
        device, epoch = trainer.strategy.root_device, trainer.current_epoch
        first = data.augment(epoch, device)
        train = data.on_device("train", device)
        order = self._order(epoch) + first[:, None]  # (K, S)
        size = data.batch_size
        full = order.shape[1] // size * size
        if full:
            batches = order[:, :full].unflatten(1, (-1, size))
            for start in range(0, batches.shape[1], BATCHES_AT_ONCE):
                yield _block(train, batches[:, start : start + BATCHES_AT_ONCE])
        if full < order.shape[1]:
            yield _block(train, order[:, None, full:])

    def _order(self, epoch: int) -> Tensor:
        """Returns the orders (K, S) of an epoch, the same as in `EpochBatches`."""
        size = len(self.data.splits.train)
        if not self.data.shuffles:
            return torch.arange(size).expand(len(self.data.members), size)
        seeds = [member.shuffle_seed for member in self.data.members]
        # Members of equal seeds share an order, which is then drawn only once.
        drawn = {
            seed: torch.randperm(size, generator=stream(seed, f"shuffle/{epoch}"))
            for seed in dict.fromkeys(seeds)
        }
        return torch.stack([drawn[seed] for seed in seeds])


def _block(data: StackData, batches: Tensor) -> Block:
    """Returns the block of batches (K, M, B)."""
    rows, steps = data.order(batches)
    rows = rows.transpose(0, 1).contiguous()  # a batch of it is contiguous
    ends = None if data.equal else (data.lengths[rows] - 1).to(data.device)
    return Block(rows.to(data.device), steps, ends)
