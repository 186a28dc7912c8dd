"""The head of K networks: pooling, then one linear layer.

K members, D directions, N = K*D lanes, B batch, R rows (packed: see `batches`), H hidden (padded),
C classes.
"""

import torch
from torch import Tensor

from seqsweep.stacked.batches import StackBatch
from seqsweep.stacked.buffers import Buffers
from seqsweep.stacked.layout import StackShape, weight_gradient
from seqsweep.stacked.pooling import Pooling


class Head:
    """The pooling and the linear layer of a stack.

    Args:
        weight: (N, H, C), the part of each direction.
        bias: (N, 1, C), zero for all lanes but lane 0 of a member.
    """

    def __init__(self, shape: StackShape, weight: Tensor, bias: Tensor, buffers: Buffers) -> None:
        self.directions = shape.directions
        self.weight = weight
        self.bias = bias
        self.buffers = buffers
        self.pooling = Pooling(shape.pooling, shape.directions, buffers)

    def forward(self, states: Tensor, batch: StackBatch) -> Tensor:
        """Returns the logits of each member: (N, R, H) -> (K, B, C)."""
        self._pooled = self.pooling.forward(states, batch)  # (N, B, H)
        lanes, size, _ = self._pooled.shape
        logits = self.buffers("logits", lanes, size, self.weight.shape[2])
        torch.baddbmm(self.bias, self._pooled, self.weight, out=logits)
        if self.directions == 1:
            return logits
        return logits.view(-1, 2, size, logits.shape[2]).sum(1)

    def backward(self, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the gradients of the pooled states, the weight and the bias.

        Shape:
            gradient: (K, B, C) of the logits.
            Returns: (N, B, H), (N, H*C), (N, C).
        """
        members, size, classes = gradient.shape
        lanes = gradient
        bias = gradient.sum(1)
        if self.directions == 2:
            # Both lanes add to the same logits; only lane 0 has the bias.
            lanes = gradient[:, None].expand(-1, 2, -1, -1).reshape(2 * members, size, classes)
            bias = torch.stack([bias, torch.zeros_like(bias)], 1).view(2 * members, classes)
        pooled = torch.bmm(
            lanes,
            self.weight.transpose(1, 2),
            out=self.buffers("pooled_gradient", *self._pooled.shape),
        )
        weight = weight_gradient(self._pooled, lanes, "head_gradient", self.buffers)
        return pooled, weight, bias
