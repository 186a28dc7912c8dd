"""One batch for each member of a stack, fetched by one gather.

K members, D directions, N = K*D lanes, T steps, B batch, F features, C classes. R rows: the steps
of all sequences of a batch, in the order of `torch.nn.utils.rnn.PackedSequence`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Steps:
    """The order of a batch's rows: all first steps, then all second ones.

    Sequences are sorted by falling length, so the sequences of a step are the first ones of the
    step before. The members of a stack share the rows: a step has as many rows as the member that
    needs most.

    Args:
        counts: the number of rows of each step, at least 1 and never more than in the step before.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = tuple(counts)
        self.batch = self.counts[0]
        self.rows = sum(self.counts)
        self.equal = self.counts[-1] == self.batch

    def __len__(self) -> int:
        return len(self.counts)

    def split(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """Splits (N, R, X) into a view of each step, (N, count, X)."""
        if self.equal:
            return tensor.unflatten(1, (len(self), self.batch)).unbind(1)
        return tensor.split(self.counts, 1)

    def blocks(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """Splits the memory of (N, R, X) into contiguous steps, (N, count, X).

        The steps are outermost in memory, because the output of a batched product must be
        contiguous. Rows therefore lie elsewhere than in `split`.
        """
        lanes, _, width = tensor.shape
        if self.equal:
            return tensor.view(len(self), lanes, self.batch, width).unbind(0)
        parts = tensor.view(-1).split([lanes * count * width for count in self.counts])
        return tuple(
            part.view(lanes, count, width) for part, count in zip(parts, self.counts, strict=True)
        )

    def positions(self, device: torch.device) -> "Positions":
        """Returns the positions of the rows, as tensors on a device."""
        counts = torch.tensor(self.counts)
        starts = counts.cumsum(0) - counts
        times = torch.repeat_interleave(torch.arange(len(self)), counts)
        columns = torch.arange(self.rows) - starts[times]
        return Positions(times.to(device), columns.to(device), starts.to(device))


class Positions(NamedTuple):
    """The step and the sequence of each row of a batch.

    Attributes:
        times: (R,) the step of each row.
        columns: (R,) the sequence of each row.
        starts: (T,) the first row of each step.
    """

    times: Tensor
    columns: Tensor
    starts: Tensor

    def before(self, batch: int) -> Tensor:
        """Returns, for each row after step 0, its sequence's row one step before."""
        return self.starts[self.times[batch:] - 1] + self.columns[batch:]


class StackBatch(NamedTuple):
    """One batch of every member, as the lanes read it.

    The reverse lane of a member reads each sequence from its last valid step to its first. Both
    lanes therefore run forward and end at the same step. Where the lengths of members differ, a
    row may lie beyond the end of its sequence: it is computed and never used.

    Attributes:
        x: (N, R, F), zero beyond the length of a sequence.
        labels: (K, B).
        steps: the number of rows of each step.
        positions: the step and the sequence of each row.
        ends: (K, B) the last step of each sequence; None if all end at T - 1.
        swap: (N*R,) for each row of (N, R) the row of the other lane that reads the same step of
            the same sequence; a permutation that is its own inverse. None in one direction.
    """

    x: Tensor
    labels: Tensor
    steps: Steps
    positions: Positions
    ends: Tensor | None
    swap: Tensor | None

    def valid(self) -> Tensor | None:
        """Returns (K, R), True within a sequence; None if all sequences are equally long."""
        if self.ends is None:
            return None
        return self.positions.times <= self.ends[:, self.positions.columns]


class StackData:
    """The sequences of a split, from which all members take their batches.

    Args:
        x: (S, T, F) of S sequences, zero beyond their lengths.
        lengths, labels: (S,).
        bidirectional: whether batches get a reverse lane.
        dtype: the dtype of the networks.
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
        # With time first, the gather of one step reads whole rows of contiguous memory.
        steps = x.transpose(0, 1).reshape(self.longest * self.count, features)
        self.rows = steps.to(device, dtype).contiguous()
        self.lengths = lengths
        self.labels = labels.to(device)
        self.bidirectional = bidirectional
        self.device = device
        self.equal = bool((lengths == self.longest).all())
        # Batches of equally long sequences share their positions: they are computed once a size.
        self._positions_of_equal: dict[
            tuple[int, int], tuple[Positions, Tensor, Tensor | None]
        ] = {}

    def order(self, rows: Tensor) -> tuple[Tensor, list[Steps]]:
        """Sorts the sequences of each batch by falling length, as `batch` expects them.

        `pack_padded_sequence` uses the same order.

        Args:
            rows: (K, M, B), the indices of the sequences of M batches.

        Returns:
            The sorted indices (K, M, B), and the steps of each batch.
        """
        members, batches, size = rows.shape
        if self.equal:
            return rows, [Steps([size] * self.longest)] * batches
        lengths, positions = torch.sort(self.lengths[rows], dim=2, descending=True, stable=True)
        # Count the sequences of each length, then sum from the longest down: step t has as many
        # rows as there are sequences of at least t + 1 steps.
        ended = torch.zeros(members, batches, self.longest + 1, dtype=torch.int64)
        ended.scatter_add_(2, lengths, torch.ones_like(lengths))
        at_least = ended.flip(2).cumsum(2).flip(2)[:, :, 1:]
        counts = at_least.amax(0).tolist()
        return rows.gather(2, positions), [Steps([n for n in batch if n]) for batch in counts]

    def batch(self, rows: Tensor, steps: Steps, ends: Tensor | None = None) -> StackBatch:
        """Gathers one batch of each member.

        Args:
            rows: (K, B) on this device, as `order` returned them.
            steps: the steps of the batch, from `order`.
            ends: (K, B) the lengths minus 1, on this device; None if all are equally long.
        """
        positions, times, swap = self._times(len(rows), steps, ends)
        index = times * self.count + rows[:, None, positions.columns]  # (K, D, R)
        x = self.rows.index_select(0, index.flatten()).view(-1, steps.rows, self.rows.shape[1])
        return StackBatch(x, self.labels[rows], steps, positions, ends, swap)

    def _times(
        self, members: int, steps: Steps, ends: Tensor | None
    ) -> tuple[Positions, Tensor, Tensor | None]:
        """Returns the positions, the step that each lane reads at each row, and `swap`.

        The steps have the shape (K, D, R), or (1, D, R) if they are the same for all members.
        """
        if ends is None and (members, steps.batch) in self._positions_of_equal:
            return self._positions_of_equal[members, steps.batch]
        positions = steps.positions(self.device)
        forward = positions.times[None, None]
        if not self.bidirectional:
            result = positions, forward, None
        else:
            back = _reverse_times(positions, ends, len(steps))[:, None]  # (K or 1, 1, R)
            # The other lane of lane 0, 1, 2, 3 is 1, 0, 3, 2.
            lane = torch.arange(2 * members, device=self.device).view(members, 2, 1).flip(1)
            rows = positions.starts[back] + positions.columns
            swap = (lane * steps.rows + rows).flatten()
            result = positions, torch.cat([forward.expand_as(back), back], 1), swap
        if ends is None:
            self._positions_of_equal[members, steps.batch] = result
        return result


def _reverse_times(positions: Positions, ends: Tensor | None, steps: int) -> Tensor:
    """Returns the step that the reverse lane reads at each row, (K or 1, R).

    Beyond the end of a sequence both lanes read the row's own step.
    """
    if ends is None:
        return (steps - 1 - positions.times)[None]
    back = ends[:, positions.columns] - positions.times
    return torch.where(back >= 0, back, positions.times)
