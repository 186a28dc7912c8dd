"""Batches of sequences; their order and augmentation depend only on (seed, epoch).

N sequences, B batch, T time steps, F features.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from seqsweep.data.checks import Float32, Float64, Int64, Mask
from seqsweep.data.sequences import Sequences
from seqsweep.data.transforms import Shaping, TransformOptions, transform_of
from seqsweep.elementary import normal
from seqsweep.seeding import stream, stream_seed


class Batch(NamedTuple):
    """A batch: x (B, T, F), lengths (B,) on the CPU, labels (B,) or `Sequences.targets`."""

    x: Tensor
    lengths: Tensor
    labels: Tensor


class SequenceDataset(Dataset[Batch]):
    """The sequences as tensors; a DataLoader gets a whole batch from `__getitems__`.

    The indices may continue across epochs: row n of epoch e has the index e * N + n. So a process
    that loads batches knows the epoch, which the augmentation needs, from an index.
    """

    def __init__(
        self, sequences: Sequences, augmentation: "Augmentation | None" = None, seed: int = 0
    ) -> None:
        self.x = torch.from_numpy(sequences.x)
        self.lengths = torch.from_numpy(sequences.lengths)
        targets = sequences.targets
        self.labels = torch.from_numpy(sequences.labels if targets is None else targets)
        self.is_per_step = sequences.is_per_step
        self.augmentation = augmentation
        self.seed = seed

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        row = index % len(self)
        return Batch(self.x[row], self.lengths[row], self.labels[row])

    def __getitems__(self, indices: list[int]) -> Batch:
        """Returns the batch of these indices, cut to the length of its longest sequence."""
        rows = torch.tensor(indices) % len(self)
        lengths, labels = self.lengths[rows], self.labels[rows]
        # Steps beyond the longest sequence of the batch would cost time and change nothing.
        x = self.x[rows][:, : int(lengths.max())]
        labels = labels[:, : x.shape[1]] if self.is_per_step else labels
        if self.augmentation is not None:
            arrays = x.numpy(), lengths.numpy(), rows.tolist()
            epoch = indices[0] // len(self)
            x = torch.from_numpy(self.augmentation.apply(*arrays, self.seed, epoch))
        return Batch(x, lengths, labels)


def as_pair(batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns x (B, T, F) and labels (B,) of a batch of equal lengths."""
    return batch.x, batch.labels


def checked_batch(batch: Any) -> Batch:
    """Returns a batch of any DataLoader, with its lengths on the CPU.

    In a batch (x, y) all sequences have the length of x.

    Raises:
        TypeError: the batch is neither (x, y) nor (x, lengths, y).
    """
    parts: list[Any] = list(batch) if isinstance(batch, (tuple, list)) else []
    if len(parts) not in (2, 3):
        raise TypeError(f"a batch must be (x, y) or (x, lengths, y), got {type(batch).__name__}")
    if len(parts) == 2:
        parts.insert(1, torch.full((len(parts[0]),), parts[0].shape[1]))
    x, lengths, labels = parts
    return Batch(x, lengths.cpu(), labels)


@dataclass(frozen=True)
class Augmentation:
    """Adds noise to training sequences, and sets a random span of steps to 0.

    Every draw is a function of (seed of the epoch, index of the sequence). So a draw does not
    depend on the batch, other runs, the engine, or an interruption of the run.

    Args:
        jitter: the standard deviation of the noise, in the values that the network reads.
        time_mask: the most steps of the span. First the length of the span is drawn, from 0 to this
            number, then its place (SpecAugment, Park et al. 2019). In a short sequence the longest
            span is all steps but one.
        exact: the indices of the channels without noise, which are mask channels.
    """

    jitter: float
    time_mask: int
    exact: tuple[int, ...] = ()

    def apply(
        self, x: Float32, lengths: Int64, rows: Sequence[int], seed: int, epoch: int
    ) -> Float32:
        """Returns a copy of x (B, T, F) with noise and masked spans.

        Args:
            rows: (B,) the index of each sequence in the training split.
            seed: the seed of the run, whose stream `augment/<epoch>` is drawn from.
        """
        uniform = np.zeros((*x.shape, 2), dtype=np.float32)
        places = np.zeros((len(x), 2))
        bits = np.random.Philox(key=stream_seed(seed, f"augment/{epoch}"))
        random = np.random.Generator(bits)
        # A part of Philox's counter is set to the index of the sequence, so that each sequence has
        # its own random numbers. A new generator for each would take seven times as long.
        state = bits.state
        for index, (row, length) in enumerate(zip(rows, lengths.tolist(), strict=True)):
            state["state"]["counter"][2] = row
            bits.state = state
            # The span is drawn first, so that it is the same with and without noise.
            if self.time_mask > 0:
                random.random(out=places[index])
            if self.jitter > 0:
                random.random(dtype=np.float32, out=uniform[index, :length])
        noise = normal(uniform)  # 0 at padding
        noise *= np.float32(self.jitter)
        noise[:, :, list(self.exact)] = 0
        result = x + noise
        result[self._spans(places, lengths, x.shape[1])] = 0
        return result

    def _spans(self, places: Float64, lengths: Int64, longest: int) -> Mask:
        """Returns a mask (B, T), True in the spans; `places` are uniform numbers (B, 2)."""
        widest = np.minimum(min(self.time_mask, longest), lengths - 1)
        widths = (places[:, 0] * (widest + 1)).astype(np.int64)
        starts = (places[:, 1] * (lengths - widths + 1)).astype(np.int64)
        steps = np.arange(longest) - starts[:, None]
        return (steps >= 0) & (steps < widths[:, None])


def augmentation_of(
    options: TransformOptions | None, shaping: Shaping | None
) -> Augmentation | None:
    """Returns the augmentation of training sequences, if any."""
    transform = transform_of(options)
    if transform.jitter == 0 and transform.time_mask == 0:
        return None
    exact = () if shaping is None else tuple(np.flatnonzero(shaping.is_mask).tolist())
    return Augmentation(transform.jitter, transform.time_mask, exact)


@dataclass(eq=False)
class EpochBatches(Sampler[list[int]]):
    """Yields the batches of an epoch; a batch is a list of indices.

    The order is drawn from the random stream `shuffle/<epoch>`. With several processes, each takes
    every `world_size`-th row of the order.

    Args:
        size: the number of sequences, N >= 1.
        batch_size: B >= 1; the last batch of an epoch may be smaller.
        seed: the seed of the run; None keeps the order of the data.
        rank, world_size: the index of this process, and the number of processes.
        fills_up: whether the first rows are repeated at the end, as in `DistributedSampler`. In
            training all processes need equally many rows, because they wait for each other at every
            step; in evaluation a repeated row would count twice.
        counts_epochs: whether the indices continue across epochs, see `SequenceDataset`.
    """

    size: int
    batch_size: int
    seed: int | None
    rank: int = 0
    world_size: int = 1
    fills_up: bool = True
    counts_epochs: bool = False
    epoch: int = field(default=0, init=False)

    @property
    def sampler(self) -> "EpochBatches":
        """The object itself, because Lightning calls `set_epoch` on this attribute."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next order; Lightning calls this method."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        if self.seed is None:
            order = torch.arange(self.size)
        else:
            # Each epoch has its own stream, so a resumed run does not need a generator's old state.
            order = torch.randperm(self.size, generator=stream(self.seed, f"shuffle/{self.epoch}"))
        first = self.epoch * self.size if self.counts_epochs else 0
        # There may be more processes than sequences; then the order begins again several times.
        rows: list[int] = (order.numpy()[self._places % self.size] + first).tolist()
        for start in range(0, len(rows), self.batch_size):
            yield rows[start : start + self.batch_size]

    def __len__(self) -> int:
        return math.ceil(len(self._places) / self.batch_size)

    @property
    def _places(self) -> Int64:
        """The places in the order, continued beyond its end, that this process takes."""
        repeated = -self.size % self.world_size if self.fills_up else 0
        return np.arange(self.rank, self.size + repeated, self.world_size)
