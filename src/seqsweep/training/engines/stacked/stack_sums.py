"""Loss, accuracy and macro-F1 of an epoch for every member, as arrays.

K members, C classes, M batches, B batch, S sequences.
"""

import torch
from torch import Tensor

from seqsweep.stacked.batches import StackBatch
from seqsweep.stacked.step import StepResult
from seqsweep.training.engines.joint.scores import Array, scores


class StackSums:
    """Collects what the steps of an epoch measure; see also `models.metrics.EpochSums`."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.reset()

    def reset(self) -> None:
        self._losses: list[Tensor] = []
        self._weights: list[Tensor] = []
        self._norms: list[Tensor] = []
        self._predicted: list[Tensor] = []
        self._labels: list[Tensor] = []

    def add(self, result: StepResult, batch: StackBatch) -> None:
        self._losses.append(result.loss)
        self._weights.append(result.weight)
        self._norms.append(result.grad_norm)
        self._predicted.append(result.logits.argmax(2))
        self._labels.append(batch.labels)

    def compute(self) -> dict[str, Array]:
        """Returns `loss`, `acc`, `f1` and `grad_norm`, (K,) each."""
        losses = torch.stack(self._losses).cpu().double()  # (M, K)
        weights = torch.stack(self._weights).cpu().double()
        norms = torch.stack(self._norms).cpu().double()
        loss = (losses * weights).sum(0) / weights.sum(0)
        predicted, labels = torch.cat(self._predicted, 1), torch.cat(self._labels, 1)
        counts = confusion(predicted, labels, self.num_classes)
        return {
            "loss": loss.numpy(),
            **scores(counts.cpu().numpy()),
            "grad_norm": norms.mean(0).numpy(),
        }


def confusion(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Returns counts (K, C, C), rows the true class, from labels (K, S)."""
    members = len(labels)
    member = torch.arange(members, device=labels.device)[:, None] * num_classes
    cells = (member + labels) * num_classes + predicted
    counts = torch.bincount(cells.flatten(), minlength=members * num_classes**2)
    return counts.view(members, num_classes, num_classes)
