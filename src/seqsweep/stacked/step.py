"""A stack that learns: networks, loss and optimizer together, one step for all members.

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
    """What a step measured: loss (K,), logits (K, B, C), the batch's weight (K,), norm (K,)."""

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
    """Forward, backward, clip each member's gradient to its norm, update.

    Args:
        max_norm: (K,) largest norm of each member's gradient, infinite for one that is not
            clipped; None clips nobody.
        generators: of each member's dropout, at the start of this step.
    """
    logits = network.forward(batch, generators)
    losses, gradient, weight = loss(logits, batch.labels)
    network.backward(gradient, batch)
    norm = torch.linalg.vector_norm(optimizer.gradients, dim=1)
    if max_norm is not None:
        scale = (max_norm / (norm + 1e-6)).clamp_(max=1.0)
        scale.masked_fill_(max_norm.isinf(), 1.0)  # also where the norm itself is infinite
        optimizer.gradients.mul_(scale.unsqueeze(1))
    optimizer.step()
    return StepResult(losses, logits, weight, norm)
