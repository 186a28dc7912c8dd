"""The metrics of a stack's members on a whole split.

K members, B batch, C classes.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqsweep.stacked.batches import StackBatch, StackData
from seqsweep.stacked.loss import plain_cross_entropy
from seqsweep.stacked.network import StackedNetwork
from seqsweep.training.engines.joint.scores import Array, scores
from seqsweep.training.engines.stacked.datamodule import StackDataModule
from seqsweep.training.engines.stacked.stack_sums import confusion

_EVALUATED_NUMBERS = 2**20
"""The most numbers in the states of the sequences that are evaluated at once."""


class Evaluation(NamedTuple):
    """The metrics (K,) of the members and their counts (K, C, C), rows the true class."""

    metrics: dict[str, Array]
    confusion: Tensor


def evaluate(network: StackedNetwork, data: StackDataModule, split: str) -> Evaluation:
    """Evaluates the members on a split; the loss is the plain mean cross-entropy.

    The losses of the sequences are summed at the end, in one order. So the result does not depend
    on how many sequences or members are evaluated at once.
    """
    sequences = data.on_device(split, network.device)
    per_row = network.flat.shape[0] * sequences.longest * network.shape.hidden
    size = min(data.eval_batch_size, max(16, _EVALUATED_NUMBERS // per_row // 16 * 16))
    losses: list[Tensor] = []
    predicted: list[Tensor] = []
    labels: list[Tensor] = []
    for batch in _batches(sequences, network.members, size):
        logits = network.forward(batch)
        losses.append(plain_cross_entropy(logits, batch.labels))
        predicted.append(logits.argmax(2))
        labels.append(batch.labels)
    total = torch.cat(losses, 1).cpu().double().mean(1)
    counts = confusion(torch.cat(predicted, 1), torch.cat(labels, 1), network.shape.num_classes)
    return Evaluation({"loss": np.asarray(total), **scores(counts.cpu().numpy())}, counts)


def _batches(data: StackData, members: int, batch_size: int) -> Iterator[StackBatch]:
    """Yields a split in batches by falling length, for every member."""
    rows = torch.arange(data.count)
    if not data.equal:
        # Sequences of similar length share a batch, which then has little padding to compute.
        rows = torch.sort(data.lengths, descending=True, stable=True).indices
    for part in rows.split(batch_size):
        alike = part.expand(members, 1, -1)
        ordered, steps = data.order(alike)
        ends = None if data.equal else (data.lengths[ordered[:, 0]] - 1).to(data.device)
        yield data.batch(ordered[:, 0].to(data.device), steps[0], ends)
