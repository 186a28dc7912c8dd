"""The pooling of the last layer: final state, or mean or maximum over time.

K members, D directions, N = K*D lanes, T steps, B batch, R rows (packed: see `batches`), H hidden.
"""

import torch
from torch import Tensor

from seqsweep.stacked.batches import StackBatch
from seqsweep.stacked.buffers import Buffers


class Pooling:
    """The pooling of states over time, forward and backward.

    Args:
        kind: `last`, `mean` or `max`, as in `RNNClassifier`.
        directions: D.
    """

    def __init__(self, kind: str, directions: int, buffers: Buffers) -> None:
        self.kind = kind
        self.directions = directions
        self.buffers = buffers

    def forward(self, states: Tensor, batch: StackBatch) -> Tensor:
        """Pools the states over time: (N, R, H) -> (N, B, H)."""
        lanes, _, width = states.shape
        steps, size = batch.steps, batch.steps.batch
        if self.kind == "last":
            if batch.ends is None:
                return states[:, -size:]
            ends = states.view(-1, width).index_select(0, self._end_rows(batch))
            return ends.view(lanes, size, width)
        if self.kind == "mean":
            # A sum in bfloat16 would lose the later of many steps.
            wide = torch.promote_types(states.dtype, torch.float32)
            total = torch.zeros(lanes, size, width, dtype=wide, device=self.buffers.device)
            total.index_add_(1, batch.positions.columns, states.to(wide))
            return self._over_lengths(total, batch).to(states.dtype)
        # The maximum is taken over (T, B), where missing rows hold -inf.
        if batch.ends is not None:
            states = states.clone()
            per_member(states, self.directions).masked_fill_(~within(batch), float("-inf"))
        whole = states.new_full((lanes, len(steps) * size, width), float("-inf"))
        whole.index_copy_(1, self._unpacked(batch), states)
        pooled, self._chosen = whole.view(lanes, len(steps), size, width).max(1)
        return pooled

    def backward(self, pooled: Tensor, batch: StackBatch) -> tuple[Tensor, bool]:
        """Returns the gradient of the states from that of the pooled states.

        The second value says whether the gradient lies at the last step alone; then the other rows
        are not filled.
        """
        lanes, size, width = pooled.shape
        steps = batch.steps
        outer = self.buffers("outer", lanes, steps.rows, width)
        if self.kind == "last":
            if batch.ends is None:
                outer[:, -size:] = pooled
                return outer, True
            rows = outer.zero_().view(-1, width)
            rows.index_copy_(0, self._end_rows(batch), pooled.view(-1, width))
        elif self.kind == "mean":
            each = self._over_lengths(pooled, batch)
            torch.index_select(each, 1, batch.positions.columns, out=outer)
            if batch.ends is not None:
                per_member(outer, self.directions).masked_fill_(~within(batch), 0)
        else:
            whole = pooled.new_zeros(lanes, len(steps), size, width)
            whole.scatter_(1, self._chosen[:, None], pooled[:, None])
            torch.index_select(whole.flatten(1, 2), 1, self._unpacked(batch), out=outer)
        return outer, False

    def _unpacked(self, batch: StackBatch) -> Tensor:
        """Returns the index of each row in (T, B), flattened."""
        return batch.positions.times * batch.steps.batch + batch.positions.columns

    def _end_rows(self, batch: StackBatch) -> Tensor:
        """Returns the rows of (N, R) at which the sequences end, (N*B,)."""
        assert batch.ends is not None
        ends = batch.ends.repeat_interleave(self.directions, 0)  # (N, B)
        lane = torch.arange(len(ends), device=self.buffers.device)[:, None] * batch.steps.rows
        column = torch.arange(batch.steps.batch, device=self.buffers.device)
        return (lane + batch.positions.starts[ends] + column).flatten()

    def _over_lengths(self, total: Tensor, batch: StackBatch) -> Tensor:
        """Divides (N, B, H) by the lengths of the sequences, in place."""
        if batch.ends is None:
            return total.div_(len(batch.steps))
        lengths = (batch.ends + 1).to(total.dtype)
        return per_member(total, self.directions).div_(lengths[:, None, :, None]).view_as(total)


def per_member(lanes: Tensor, directions: int) -> Tensor:
    """Splits the lanes into members and directions: (N, ...) -> (K, D, ...)."""
    return lanes.unflatten(0, (-1, directions))


def within(batch: StackBatch) -> Tensor:
    """Returns a mask for (K, D, R, H), True within a sequence; lengths must be mixed."""
    valid = batch.valid()
    assert valid is not None
    return valid[:, None, :, None]
