"""Loss, accuracy and macro-F1 of an epoch from running sums.

C classes, B batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor


class EpochSums:
    """Sums over the batches of an epoch, kept on the device; read once, at its end.

    Accuracy and F1 come from one (C, C) confusion matrix, rows the true class: exact for batches
    of unequal size, which a mean of batch means is not.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.reset()

    def reset(self) -> None:
        self.loss: Tensor | None = None
        self.weight: Tensor | float = 0.0
        self.confusion: Tensor | None = None
        self.grad_norm: Tensor | None = None
        self.steps = 0

    @torch.no_grad()
    def add(
        self, loss: Tensor, logits: Tensor, labels: Tensor, class_weights: Tensor | None
    ) -> None:
        """Adds a batch: its mean loss, logits (B, C), labels (B,)."""
        weight = len(labels) if class_weights is None else class_weights[labels].sum()
        cells = labels * self.num_classes + logits.argmax(dim=1)
        counts = torch.bincount(cells, minlength=self.num_classes**2)
        weighted = loss.detach() * weight
        self.loss = weighted if self.loss is None else self.loss + weighted
        self.weight = self.weight + weight
        self.confusion = counts if self.confusion is None else self.confusion.add_(counts)

    def add_grad_norm(self, norm: Tensor) -> None:
        self.grad_norm = norm if self.grad_norm is None else self.grad_norm + norm
        self.steps += 1

    def reduce(self, reduce: Callable[[Tensor], Tensor]) -> None:
        """Sums over the processes of a distributed run."""
        assert self.loss is not None
        assert self.confusion is not None
        self.weight = reduce(torch.as_tensor(self.weight, device=self.loss.device))
        self.loss, self.confusion = reduce(self.loss), reduce(self.confusion)

    def compute(self) -> dict[str, float]:
        """`loss`, `acc`, `f1`, and `grad_norm` where gradients were added."""
        assert self.loss is not None
        assert self.confusion is not None
        confusion = self.confusion.view(self.num_classes, self.num_classes).double()
        metrics = {
            "loss": float(self.loss / self.weight),
            "acc": float(confusion.trace() / confusion.sum()),
            "f1": macro_f1(confusion),
        }
        if self.grad_norm is not None:
            metrics["grad_norm"] = float(self.grad_norm / self.steps)
        return metrics


def macro_f1(confusion: Tensor) -> float:
    """The mean F1 over the classes that occur, as labels or as predictions.

    confusion (C, C), rows the true class. A class that is neither in the labels nor predicted has
    no F1 and is left out, as torchmetrics' and scikit-learn's macro averages do.
    """
    hits = confusion.diagonal()
    seen = confusion.sum(0) + confusion.sum(1)
    return float((2 * hits / seen)[seen > 0].mean())
