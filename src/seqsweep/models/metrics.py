"""Computes an epoch's loss, accuracy and macro-F1 from sums over its batches.

C classes, B batch.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqsweep.elementary import macro_f1

_BATCHES_HELD = 64


class EpochSums:
    """The sums over an epoch's batches, from which its metrics are computed.

    Accuracy and F1 come from one (C, C) confusion matrix with the true class in the rows. This is
    exact for batches of unequal size, unlike a mean of batch means. Batches are collected and
    counted 64 at a time, because counting each batch alone would take as long as a step of a small
    network, and would wait for the GPU.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.reset()

    def reset(self) -> None:
        self._held: list[tuple[Tensor, Tensor, Tensor, Tensor | None]] = []
        self._norms: list[Tensor] = []
        self.totals = torch.zeros(4, dtype=torch.float64)  # loss, its weight, grad norms, steps
        self.confusion = torch.zeros(self.num_classes**2, dtype=torch.int64)

    def add(
        self, loss: Tensor, logits: Tensor, labels: Tensor, class_weights: Tensor | None
    ) -> None:
        """Adds a batch: its mean loss, logits (B, C), labels (B,), and class weights (C,)."""
        weight = None if class_weights is None else class_weights[labels].sum()
        self._held.append((loss.detach(), logits.detach(), labels, weight))
        if len(self._held) >= _BATCHES_HELD:
            self._count()

    def add_grad_norm(self, norm: Tensor) -> None:
        """Adds the norm of the gradient of a step."""
        self._norms.append(norm)

    def reduce(self, reduce: Callable[[Tensor], Tensor]) -> None:
        """Adds up the sums of all processes of a run; `reduce` adds up a tensor."""
        self._count()
        self.totals, self.confusion = reduce(self.totals), reduce(self.confusion)

    def compute(self) -> dict[str, float]:
        """Returns `loss`, `acc`, `f1`, and the mean `grad_norm` if norms were added."""
        self._count()
        loss, weight, norms, steps = self.totals.tolist()
        confusion = self.confusion.view(self.num_classes, self.num_classes).numpy()
        hits, seen = confusion.diagonal(), confusion.sum(0) + confusion.sum(1)
        metrics = {
            "loss": loss / weight,
            "acc": float(hits.sum() / confusion.sum()),
            "f1": macro_f1(hits, seen),
        }
        return metrics | ({"grad_norm": norms / steps} if steps else {})

    def _count(self) -> None:
        """Adds the collected batches to the totals and to the confusion matrix."""
        if self._held:
            # The mean loss of a batch is weighted by its size, or by its class weights.
            losses, logits, labels, weights = zip(*self._held, strict=True)
            sizes = [len(part) if w is None else w for part, w in zip(labels, weights, strict=True)]
            weight = torch.stack([torch.as_tensor(size) for size in sizes]).cpu().double()
            self.totals[0] += torch.stack(losses).cpu().double() @ weight
            self.totals[1] += weight.sum()
            cells = torch.cat(labels) * self.num_classes + torch.cat(logits).argmax(dim=1)
            self.confusion += torch.bincount(cells, minlength=self.num_classes**2).cpu()
        if self._norms:
            self.totals[2] += torch.stack(self._norms).cpu().double().sum()
            self.totals[3] += len(self._norms)
        self._held, self._norms = [], []


def class_weights(setting: Any, labels: Any, num_classes: int) -> Tensor | None:
    """Returns the class weights (C,) of the loss, or None.

    With `balanced` the weight of a class with n of the N sequences is N / (C * n), so that all
    classes weigh the same. `labels` is None for a user's data module without Splits.
    """
    if setting is None:
        return None
    if setting == "balanced":
        if labels is None:
            where = "loss.class_weights=balanced"
            raise ValueError(f"{where}: must be numbers for a data module without Splits")
        # No count is 0, because `prepare` refuses a train split that lacks a class.
        counts = torch.bincount(torch.from_numpy(labels), minlength=num_classes)
        return len(labels) / (num_classes * counts.float())
    # The loss computes in float32, in which a tiny number is 0.
    weights = torch.tensor(setting).float()
    if len(weights) != num_classes or weights.min() <= 0 or weights.isinf().any():
        raise ValueError(
            f"loss.class_weights={setting}: must be balanced, or {num_classes} numbers above 0 "
            "in float32, one for each class of the data"
        )
    return weights


def check_loss(label_smoothing: float, gradient_clip_val: float | None) -> None:
    """Refuses a label smoothing or a clipping value outside its range."""
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"loss.label_smoothing={label_smoothing}: must be at least 0 and below 1")
    if gradient_clip_val is not None and gradient_clip_val <= 0:
        raise ValueError(f"trainer.gradient_clip_val={gradient_clip_val}: must be above 0, or null")
