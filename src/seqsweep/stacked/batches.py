"""A batch for each member of a stack, fetched by one gather.

K members, D directions, N = K*D lanes, T steps, B batch, F features, C classes. R rows: the steps
of all sequences of a batch, one after another as `torch.nn.utils.rnn.PackedSequence` holds them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Steps:
    """How the rows of a batch follow each other: first the sequences' first steps, and so on.

    Sequences stand by falling length, so each step has the first ones of the step before. The
    members of a stack share the rows: a step has as many as any of them needs.

    Args:
        counts: rows of each step, at least 1, never more than the step before has.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = tuple(counts)
        self.batch = self.counts[0]
        self.rows = sum(self.counts)
        self.equal = self.counts[-1] == self.batch

    def __len__(self) -> int:
        return len(self.counts)

    def of(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """(N, R, X) as its steps (N, count, X)."""
        if self.equal:
            return tensor.unflatten(1, (len(self), self.batch)).unbind(1)
        return tensor.split(self.counts, 1)

    def blocks(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """The same memory with the steps outermost: contiguous (N, count, X) for each.

        What a batched product writes has to be contiguous.
        """
        lanes, _, width = tensor.shape
        if self.equal:
            return tensor.view(len(self), lanes, self.batch, width).unbind(0)
        parts = tensor.view(-1).split([lanes * count * width for count in self.counts])
        return tuple(
            part.view(lanes, count, width) for part, count in zip(parts, self.counts, strict=True)
        )

    def places(self, device: torch.device) -> "Places":
        counts = torch.tensor(self.counts)
        starts = counts.cumsum(0) - counts
        times = torch.repeat_interleave(torch.arange(len(self)), counts)
        columns = torch.arange(self.rows) - starts[times]
        return Places(times.to(device), columns.to(device), starts.to(device))


class Places(NamedTuple):
    """Step and sequence of each row, (R,) each, and the first row of each step, (T,)."""

    times: Tensor
    columns: Tensor
    starts: Tensor

    def before(self, batch: int) -> Tensor:
        """For each row but those of the first step: the row of the same sequence a step before."""
        return self.starts[self.times[batch:] - 1] + self.columns[batch:]


class StackBatch(NamedTuple):
    """One batch of every member, as the lanes read it.

    The reverse lane of a member reads each sequence from its end, within its own length; so both
    lanes run forward and end at the same step. Where members' lengths differ, a row may lie beyond
    the end of its sequence: it is computed and never used.
    """

    x: Tensor
    """(N, R, F), zero beyond a sequence's length."""
    labels: Tensor
    """(K, B)"""
    steps: Steps
    places: Places
    ends: Tensor | None
    """(K, B) the last step of each sequence; None where all end at T - 1."""
    swap: Tensor | None
    """(N*R,) for each row of (N, R) the row of the other lane at the same time of the sequence.
    Its own inverse. None in one direction."""

    def valid(self) -> Tensor | None:
        """(K, R): True within a sequence; None where all are equally long."""
        if self.ends is None:
            return None
        return self.places.times <= self.ends[:, self.places.columns]


class StackData:
    """Sequences on a stack's device, from which every member takes its own.

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
        self._of_equal: dict[tuple[int, int], tuple[Places, Tensor, Tensor | None]] = {}

    def order(self, rows: Tensor) -> tuple[Tensor, list[Steps]]:
        """The sequences of some batches as `batch` wants them: within each by falling length.

        That is the order in which `pack_padded_sequence` holds them; sums over a batch do not
        depend on it.

        Args:
            rows: (K, M, B) of M batches, positions of sequences.

        Returns:
            The same in that order, and the steps of each batch.
        """
        members, batches, size = rows.shape
        if self.equal:
            return rows, [Steps([size] * self.longest)] * batches
        lengths, positions = torch.sort(self.lengths[rows], dim=2, descending=True, stable=True)
        ended = torch.zeros(members, batches, self.longest + 1, dtype=torch.int64)
        ended.scatter_add_(2, lengths, torch.ones_like(lengths))
        at_least = ended.flip(2).cumsum(2).flip(2)[:, :, 1:]  # sequences of length >= t + 1
        counts = at_least.amax(0).tolist()
        return rows.gather(2, positions), [Steps([n for n in batch if n]) for batch in counts]

    def batch(self, rows: Tensor, steps: Steps, ends: Tensor | None = None) -> StackBatch:
        """One batch of each member.

        Args:
            rows: (K, B) on this device, from `order`.
            steps: from `order`.
            ends: (K, B) lengths less one, on this device; left out where all are equally long.
        """
        places, times, swap = self._times(len(rows), steps, ends)
        index = times * self.count + rows[:, None, places.columns]  # (K, D, R)
        x = self.rows.index_select(0, index.flatten()).view(-1, steps.rows, self.rows.shape[1])
        return StackBatch(x, self.labels[rows], steps, places, ends, swap)

    def _times(
        self, members: int, steps: Steps, ends: Tensor | None
    ) -> tuple[Places, Tensor, Tensor | None]:
        """Places, the step that each lane reads at each row (K or 1, D, R), and `swap`."""
        if ends is None and (members, steps.batch) in self._of_equal:
            return self._of_equal[members, steps.batch]
        places = steps.places(self.device)
        forward = places.times[None, None]
        if not self.bidirectional:
            found = places, forward, None
        else:
            back = _back(places, ends, len(steps))[:, None]  # (K or 1, 1, R)
            lane = torch.arange(2 * members, device=self.device).view(members, 2, 1).flip(1)
            rows = places.starts[back] + places.columns
            swap = (lane * steps.rows + rows).flatten()
            found = places, torch.cat([forward.expand_as(back), back], 1), swap
        if ends is None:
            self._of_equal[members, steps.batch] = found
        return found


def _back(places: Places, ends: Tensor | None, steps: int) -> Tensor:
    """The step that the reverse lane reads at each row; beyond the end the row's own."""
    if ends is None:
        return (steps - 1 - places.times)[None]
    back = ends[:, places.columns] - places.times
    return torch.where(back >= 0, back, places.times)
