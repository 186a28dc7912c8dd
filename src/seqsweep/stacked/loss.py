"""The cross-entropy of each member of a stack.

K members, B batch, C classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


class StackedLoss:
    """The training loss of each member: cross-entropy with class weights and label smoothing.

    It equals `torch.nn.functional.cross_entropy`: the mean over a batch, weighted by the weight of
    each label.

    Args:
        class_weights: (C,) for each member, or None for equal weights.
        label_smoothing: the label smoothing of each member, in [0, 1).
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
        # (K, C, C): the target of each class, for each label.
        soft = hard + smoothing / num_classes
        self.targets = (soft.to(device, dtype) * self.weights[:, None, :]).flatten(0, 1)
        self.offsets = torch.arange(len(each), device=device)[:, None] * num_classes

    def __call__(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the loss, its gradient by the logits, and the batch's weight.

        Shape:
            logits: (K, B, C).
            labels: (K, B).
            Returns: (K,), (K, B, C), (K,).
        """
        logits = logits.to(self.targets.dtype)
        log_probabilities = functional.log_softmax(logits, 2)
        rows = labels + self.offsets  # of `targets`, which hold C rows for each member
        targets = self.targets.index_select(0, rows.flatten()).view_as(logits)
        if self.is_weighted:
            weight = self.weights.flatten()[rows].sum(1)
            # Each row of targets sums to a weight, by which softmax enters the gradient.
            gradient = log_probabilities.exp() * targets.sum(2, keepdim=True) - targets
            loss = (targets * log_probabilities).sum((1, 2)).neg_() / weight
            return loss, gradient.div_(weight[:, None, None]), weight
        # Without class weights the targets of a sequence sum to 1.
        size = labels.shape[1]
        loss = (targets * log_probabilities).sum((1, 2)).div_(-size)
        gradient = log_probabilities.exp_().sub_(targets).div_(size)
        return loss, gradient, torch.full_like(loss, size)


def plain_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the cross-entropy of each sequence, without class weights and label smoothing.

    Logits of half precision are converted to float32 first.

    Shape:
        logits: (K, B, C).
        labels: (K, B).
        Returns: (K, B).
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view_as(labels)
