"""One training step for all members of a stack: networks, loss and optimizer.

K members, B batch, C classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seqsweep.stacked.batches import StackBatch
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork
from seqsweep.stacked.optimizers import FlatOptimizer


class StepResult(NamedTuple):
    """The measurements of a training step.

    Attributes:
        loss: (K,).
        logits: (K, B, C).
        weight: (K,) the sum of the labels' weights in the batch.
        grad_norm: (K,) before clipping.
    """

    loss: Tensor
    logits: Tensor
    weight: Tensor
    grad_norm: Tensor


def train_step(
    network: StackedNetwork,
    loss: StackedLoss,
    optimizer: FlatOptimizer,
    batch: StackBatch,
    max_norm: Tensor | None,
    generators: Sequence[torch.Generator] = (),
) -> StepResult:
    """Trains all members for one step: forward, backward, clip the gradients, update.

    Args:
        max_norm: (K,) the norm that each member's gradient is clipped to, infinite for no
            clipping; None clips no gradient.
        generators: the generators of each member's dropout, at the start of this step.
    """
    logits = network.forward(batch, generators)
    losses, gradient, weight = loss(logits, batch.labels)
    network.backward(gradient, batch)
    norm = torch.linalg.vector_norm(optimizer.gradients, dim=1)
    if max_norm is not None:
        scale = (max_norm / (norm + 1e-6)).clamp_(max=1.0)
        # inf / inf is NaN: an infinite norm must not change a gradient that is not clipped.
        scale.masked_fill_(max_norm.isinf(), 1.0)
        optimizer.gradients.mul_(scale.unsqueeze(1))
    optimizer.step()
    return StepResult(losses, logits, weight, norm)
