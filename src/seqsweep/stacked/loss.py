"""Cross-entropy of each member of a stack.

K members, B batch, C classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


class StackedLoss:
    """The training loss of each member: cross-entropy with class weights and label smoothing.

    `torch.nn.functional.cross_entropy`: the mean over a batch, weighted by the labels' weights.

    Args:
        class_weights: (C,) of each member, or None.
        label_smoothing: of each member, in [0, 1).
        num_classes: C.
    """

    def __init__(
        self,
        class_weights: Sequence[Tensor | None],
        label_smoothing: Sequence[float],
        num_classes: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.is_weighted = any(weights is not None for weights in class_weights)
        ones = torch.ones(num_classes, dtype=dtype)
        each = [ones if weights is None else weights.to(dtype) for weights in class_weights]
        self.weights = torch.stack(each).to(device)  # (K, C)
        smoothing = torch.tensor(label_smoothing, dtype=torch.float64)[:, None, None]
        hard = (1 - smoothing) * torch.eye(num_classes, dtype=torch.float64)
        soft = hard + smoothing / num_classes  # (K, C, C): by label, the target of each class
        self.targets = (soft.to(device, dtype) * self.weights[:, None, :]).flatten(0, 1)
        self.offsets = torch.arange(len(each), device=device)[:, None] * num_classes

    def __call__(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Loss (K,), its gradient by the logits (K, B, C), and the batch's weight (K,).

        logits (K, B, C), labels (K, B).
        """
        logits = logits.to(self.targets.dtype)
        log_probabilities = functional.log_softmax(logits, 2)
        places = labels + self.offsets
        targets = self.targets.index_select(0, places.flatten()).view_as(logits)
        if self.is_weighted:
            weight = self.weights.flatten()[places].sum(1)
            gradient = log_probabilities.exp() * targets.sum(2, keepdim=True) - targets
            loss = (targets * log_probabilities).sum((1, 2)).neg_() / weight
            return loss, gradient.div_(weight[:, None, None]), weight
        size = labels.shape[1]
        loss = (targets * log_probabilities).sum((1, 2)).div_(-size)
        gradient = log_probabilities.exp_().sub_(targets).div_(size)
        return loss, gradient, torch.full_like(loss, size)


def plain_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of each sequence, (K, B): without class weights or label smoothing.

    logits (K, B, C), labels (K, B). Logits of half precision are taken to float32 first.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view_as(labels)
