"""A batch for each member of a stack, fetched by one gather.

K members, D directions, N = K*D lanes, T steps, B batch, F features, C classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class StackBatch(NamedTuple):
    """One batch of every member, as the lanes read it.

    The reverse lane of a member reads each sequence from its end, within its own length; so both
    lanes run forward and end at the same step.
    """

    x: Tensor
    """(N, T, B, F), zero beyond a sequence's length."""
    labels: Tensor
    """(K, B)"""
    counts: Sequence[int]
    """For each step the rows that some member still has; all B where lengths are equal."""
    ends: Tensor | None
    """(K, B) the last step of each sequence; None where all end at T - 1."""
    swap: Tensor | None
    """(N*T*B,) for each row of (N, T, B) the row of the other lane at the same time of the
    sequence. Its own inverse. None in one direction."""

    @property
    def members(self) -> int:
        return self.labels.shape[0]

    def valid(self) -> Tensor | None:
        """(K, T, B): True within a sequence; None where all are equally long."""
        if self.ends is None:
            return None
        steps = torch.arange(self.x.shape[1], device=self.x.device)
        return steps[:, None] <= self.ends[:, None, :]


class StackData:
    """Sequences on a stack's device, from which every member takes its own rows.

    Args:
        x: (S, T, F) of S sequences, zero beyond their lengths.
        lengths, labels: (S,).
        bidirectional: whether batches get a reverse lane.
        dtype: of the networks.
    """

    def __init__(
        self,
        x: Tensor,
        lengths: Tensor,
        labels: Tensor,
        bidirectional: bool,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.count, self.longest, features = x.shape
        # Time first, a row for each step of each sequence: what a gather takes is contiguous.
        steps = x.transpose(0, 1).reshape(self.longest * self.count, features)
        self.rows = steps.to(device, dtype).contiguous()
        self.lengths = lengths
        self.labels = labels.to(device)
        self.bidirectional = bidirectional
        self.device = device
        self.equal = bool((lengths == self.longest).all())
        self._swaps: dict[tuple[int, int, int], Tensor] = {}

    def order(self, rows: Tensor) -> tuple[Tensor, list[list[int]]]:
        """The rows of some batches as `batch` wants them: within each by falling length.

        That is the order in which `pack_padded_sequence` holds them. Sums over a batch do not
        depend on it, and the rows that a step needs are the first ones.

        Args:
            rows: (K, M, B) of M batches.

        Returns:
            The same rows in that order, and for each batch the `counts` of `StackBatch`.
        """
        members, batches, size = rows.shape
        if self.equal:
            return rows, [[size] * self.longest] * batches
        lengths, positions = torch.sort(self.lengths[rows], dim=2, descending=True, stable=True)
        ended = torch.zeros(members, batches, self.longest + 1, dtype=torch.int64)
        ended.scatter_add_(2, lengths, torch.ones_like(lengths))
        at_least = ended.flip(2).cumsum(2).flip(2)[:, :, 1:]  # sequences of length >= t + 1
        counts = at_least.amax(0).tolist()
        return rows.gather(2, positions), [[n for n in batch if n] for batch in counts]

    def batch(self, rows: Tensor, counts: Sequence[int], ends: Tensor | None = None) -> StackBatch:
        """One batch of each member.

        Args:
            rows: (K, B) on this device, from `order`.
            counts: from `order`.
            ends: (K, B) lengths less one, on this device; left out where all are equally long.
        """
        steps = len(counts)
        times = torch.arange(steps, device=self.device)[:, None]  # (T, 1)
        if not self.bidirectional:
            index = times * self.count + rows[:, None]  # (K, T, B)
            x = self._gather(index)
            return StackBatch(x, self.labels[rows], counts, ends, None)
        back = _flipped(times, ends, steps)  # (K or 1, T, B or 1)
        lanes = torch.stack([times.expand_as(back), back], 1)  # (K or 1, 2, T, B or 1)
        x = self._gather((lanes * self.count + rows[:, None, None]).flatten(0, 1))
        return StackBatch(x, self.labels[rows], counts, ends, self._swap(rows.shape, lanes, ends))

    def _gather(self, index: Tensor) -> Tensor:
        return self.rows.index_select(0, index.flatten()).view(*index.shape, -1)

    def _swap(self, shape: torch.Size, lanes: Tensor, ends: Tensor | None) -> Tensor:
        members, batch = shape
        steps = lanes.shape[2]
        key = (members, steps, batch)
        if ends is None and key in self._swaps:
            return self._swaps[key]
        lane = torch.arange(2 * members, device=self.device).view(members, 2, 1, 1).flip(1)
        column = torch.arange(batch, device=self.device)
        # In either lane the other one is `back` steps on: that of flipping is its own inverse.
        swap = ((lane * steps + lanes[:, 1:]) * batch + column).flatten()
        if ends is None:
            self._swaps[key] = swap
        return swap


def _flipped(times: Tensor, ends: Tensor | None, steps: int) -> Tensor:
    """The step that the reverse lane reads at each time; beyond the end it reads what lies there."""
    if ends is None:
        return (steps - 1 - times)[None]
    back = ends[:, None] - times
    return torch.where(back >= 0, back, times)
