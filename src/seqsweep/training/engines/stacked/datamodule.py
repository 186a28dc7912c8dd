"""The LightningDataModule of a stack: the same sequences for all members, each in its own order.

K members, M batches, B batch.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import lightning as L
import torch
from torch import Tensor

from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.data.sequences import Sequences
from seqsweep.seeding import stream
from seqsweep.stacked.batches import StackData, Steps
from seqsweep.training.engines.joint.member import TrainingMember

BATCHES_AT_ONCE = 32
"""How many steps Lightning sees as one: what it asks for each batch costs as much as a step."""


class Block(NamedTuple):
    """Some batches of an epoch of all members.

    `rows` (M, K, B) lie on the networks' device, `steps` and `ends` are those of `StackBatch`.
    """

    rows: Tensor
    steps: Sequence[Steps]
    ends: Tensor | None


class StackDataModule(L.LightningDataModule):
    """Blocks of batches for the members of a stack.

    A member sees the batches that `EpochBatches` gives its separate run: the order of an epoch is
    a function of (its seed, epoch), and the last batch holds what is left.

    Args:
        data: the members' shared data.
        members: those that still train; the stack shortens this list.
        bidirectional: of their networks.
        dtype: of the sequences on the device.
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
        self._loaded: dict[str, StackData] = {}

    def on_device(self, split: str, device: torch.device) -> StackData:
        """A split, `train`, `val` or `test`, where the networks are."""
        if split not in self._loaded:
            sequences = getattr(self.splits, split)
            assert isinstance(sequences, Sequences)
            self._loaded[split] = StackData(
                torch.from_numpy(sequences.x),
                torch.from_numpy(sequences.lengths),
                torch.from_numpy(sequences.labels),
                self.bidirectional,
                self.dtype,
                device,
            )
        return self._loaded[split]

    def train_dataloader(self) -> "EpochBlocks":
        return EpochBlocks(self)

    def transfer_batch_to_device(
        self, batch: Block, device: torch.device, dataloader_idx: int
    ) -> Block:
        return batch  # it is there already


class EpochBlocks:
    """What Lightning iterates over: the blocks of the epoch that the Trainer is in."""

    def __init__(self, data: StackDataModule) -> None:
        self.data = data

    def __len__(self) -> int:
        full, rest = divmod(len(self.data.splits.train), self.data.batch_size)
        return -(-full // BATCHES_AT_ONCE) + (rest > 0)

    def __iter__(self) -> Iterator[Block]:
        data, trainer = self.data, self.data.trainer
        assert trainer is not None
        train = data.on_device("train", trainer.strategy.root_device)
        order = self._order(trainer.current_epoch)  # (K, S)
        size = data.batch_size
        full = order.shape[1] // size * size
        if full:
            batches = order[:, :full].unflatten(1, (-1, size))
            for start in range(0, batches.shape[1], BATCHES_AT_ONCE):
                yield _block(train, batches[:, start : start + BATCHES_AT_ONCE])
        if full < order.shape[1]:
            yield _block(train, order[:, None, full:])

    def _order(self, epoch: int) -> Tensor:
        """(K, S): what each member's `EpochBatches` gives."""
        size = len(self.data.splits.train)
        if not self.data.shuffles:
            return torch.arange(size).expand(len(self.data.members), size)
        seeds = [member.shuffle_seed for member in self.data.members]
        drawn = {
            seed: torch.randperm(size, generator=stream(seed, f"shuffle/{epoch}"))
            for seed in dict.fromkeys(seeds)
        }
        return torch.stack([drawn[seed] for seed in seeds])


def _block(data: StackData, batches: Tensor) -> Block:
    """batches (K, M, B)."""
    rows, steps = data.order(batches)
    rows = rows.transpose(0, 1).contiguous()  # a batch of it is contiguous
    ends = None if data.equal else (data.lengths[rows] - 1).to(data.device)
    return Block(rows.to(data.device), steps, ends)
