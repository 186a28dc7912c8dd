"""Computes an epoch's loss, accuracy and macro-F1 from sums over its batches.

C classes, B batch.
"""

from collections.abc import Callable

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
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


class ClosesEpochs(Callback):
    """A callback that lets a module compute its metrics before other callbacks.

    Lightning calls callbacks before the module's own hooks. So without this callback, the other
    callbacks would not see the metrics of the epoch.

    Args:
        train, val, test: the functions called at the end of a training, validation or test epoch.
    """

    def __init__(
        self, train: Callable[[], None], val: Callable[[], None], test: Callable[[], None]
    ) -> None:
        self.train, self.val, self.test = train, val, test

    def put_first(self, trainer: L.Trainer) -> None:
        """Makes this object the trainer's first callback; removes an older `ClosesEpochs`."""
        callbacks: list[Callback] = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
        callbacks[:] = [self, *(c for c in callbacks if not isinstance(c, ClosesEpochs))]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.train()

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.val()

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.test()
