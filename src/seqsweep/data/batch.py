"""Batches: one index operation each, in an order that is a function of (seed, epoch).

N sequences, B batch, T time steps, F features.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from seqsweep.data.sequences import Sequences
from seqsweep.seeding import stream


class Batch(NamedTuple):
    """x (B, T, F) float32, lengths (B,) int64 that stay on the CPU, labels (B,) int64."""

    x: Tensor
    lengths: Tensor
    labels: Tensor


class SequenceDataset(Dataset[Batch]):
    """Sequences in memory as tensors; a DataLoader takes a whole batch by `__getitems__`.

    Attributes:
        x (N, T, F) float32 padded with zeros, lengths (N,), labels (N,) class indices;
        class_names and channel_names: tuples of C and F texts.
    """

    def __init__(self, sequences: Sequences) -> None:
        self.x = torch.from_numpy(sequences.x)
        self.lengths = torch.from_numpy(sequences.lengths)
        self.labels = torch.from_numpy(sequences.labels)
        self.class_names = sequences.class_names
        self.channel_names = sequences.channel_names
        self.equal_lengths = bool((self.lengths == self.x.shape[1]).all())

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        return Batch(self.x[index], self.lengths[index], self.labels[index])

    def __getitems__(self, indices: list[int]) -> Batch:
        """The batch of these rows, cut to its longest sequence."""
        rows = torch.tensor(indices)
        lengths = self.lengths[rows]
        x = self.x[rows]
        if not self.equal_lengths:
            x = x[:, : int(lengths.max())]
        return Batch(x, lengths, self.labels[rows])


def as_is(batch: Batch) -> Batch:
    """The `collate_fn` of a dataset whose `__getitems__` returns a batch already."""
    return batch


class EpochBatches(Sampler[list[int]]):
    """Index batches of an epoch: shuffled by the stream `shuffle/<epoch>`, or in order.

    With several processes each takes every `world_size`-th row of the same order. For training the
    order is first filled up from its own start so that all have equally many (as
    `DistributedSampler` does), since they wait for each other at every step. For evaluation it is
    not: a copy would count twice in the metrics.

    Args:
        size: sequences, N >= 1.
        batch_size: B >= 1; the last batch of an epoch holds what is left.
        seed: the run's; None keeps the order of the data.
        rank, world_size: which of how many processes.
        fills_up: whether all processes get equally many rows.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int | None,
        rank: int = 0,
        world_size: int = 1,
        fills_up: bool = True,
    ) -> None:
        self.size = size
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.fills_up = fills_up
        self.epoch = 0

    @property
    def sampler(self) -> "EpochBatches":
        """Where Lightning looks for `set_epoch`: at a batch sampler's own sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        order = self._order()
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size]

    def __len__(self) -> int:
        return math.ceil(len(range(self.rank, self._dealt, self.world_size)) / self.batch_size)

    @property
    def _dealt(self) -> int:
        """The number of rows that all processes take together."""
        if not self.fills_up:
            return self.size
        return math.ceil(self.size / self.world_size) * self.world_size

    def _order(self) -> list[int]:
        if self.seed is None:
            order = torch.arange(self.size)
        else:
            order = torch.randperm(self.size, generator=stream(self.seed, f"shuffle/{self.epoch}"))
        if self.world_size > 1:
            order = order.repeat(math.ceil(self._dealt / self.size))[: self._dealt]
            order = order[self.rank :: self.world_size]
        return order.tolist()
