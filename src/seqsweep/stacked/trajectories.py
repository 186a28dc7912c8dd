"""The gradients through time and the hidden states of trained networks.

K members, D directions, N = K*D lanes, T steps, B batch, R rows (packed: see `batches`), H hidden,
L layers, C classes.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seqsweep.stacked.batches import StackBatch
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork


class Trajectories(NamedTuple):
    """The states of a network's last layer, projected on their first two principal components.

    Attributes:
        points: (R, 2).
        explained: the share of the states' variance along each of the two components.
    """

    points: npt.NDArray[np.float64]
    explained: list[float]


def gradients_through_time(network: StackedNetwork, loss: StackedLoss, batch: StackBatch) -> Tensor:
    """Returns the norms of dL/dh_t, (L, N, T), by the number of steps that follow t.

    Index 0 is the last step of each sequence, whatever its length. The gradient at index k shrinks
    or grows as the k-th power of the recurrence (Bengio, Simard, Frasconi 1994, Learning long-term
    dependencies with gradient descent is difficult). The loss is that of one sequence, weighted by
    its class if classes have weights. Each norm is a mean over the sequences that are long enough.

    The batch must hold the same sequences for all members.
    """
    norms_of_layers: list[list[Tensor]] = [[] for _ in network.cells]
    for cell, norms in zip(network.cells, norms_of_layers, strict=True):
        cell.watch = lambda gradient, norms=norms: norms.append(
            torch.linalg.vector_norm(gradient, dim=2)
        )
    try:
        logits = network.forward(batch)
        _, gradient, _ = loss(logits, batch.labels)
        network.backward(gradient, batch)
    finally:
        for cell in network.cells:
            cell.watch = None
    # The backward pass runs from the last step to the first.
    rows = torch.stack([torch.cat(norms[::-1], 1) for norms in norms_of_layers])  # (L, N, R)
    # Sums in bfloat16 would lose the smaller norms.
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    steps = len(batch.steps)
    index = steps_left(batch)
    summed = torch.zeros(*rows.shape[:2], steps, dtype=rows.dtype, device=rows.device)
    summed.index_add_(2, index, rows)
    counts = torch.bincount(index, minlength=steps)
    # The loss of a batch is a mean over its sequences: undo the division by their number.
    return summed * batch.steps.batch / counts


def steps_left(batch: StackBatch) -> Tensor:
    """Returns the number of steps that follow each row in its sequence, (R,)."""
    if batch.ends is None:
        return len(batch.steps) - 1 - batch.positions.times
    return batch.ends[0, batch.positions.columns] - batch.positions.times


def last_states(network: StackedNetwork) -> list[npt.NDArray[np.float64]]:
    """Returns each member's states of the last layer at the last `forward`, (R, D*H).

    A row holds the states of all directions after the same number of steps. So the last row of a
    sequence is what the head reads if pooling is `last`.
    """
    directions = network.shape.directions
    states = network.states.unflatten(0, (-1, directions)).double().cpu()  # (K, D, R, H)
    return [
        states[index, :, :, :hidden].transpose(0, 1).flatten(1).numpy()
        for index, hidden in enumerate(network.hidden)
    ]


def principal(states: npt.NDArray[Any]) -> Trajectories | None:
    """Projects states (R, D*H) on two principal components; None if they are not finite.

    The sign of a component is chosen so that its largest weight is positive.
    """
    if not np.isfinite(states).all():
        return None
    centred = states.astype(np.float64)
    centred -= centred.mean(0)
    # torch keeps to the number of threads that it was given; numpy does not.
    rows = torch.from_numpy(centred)
    ascending, vectors = (result.numpy() for result in torch.linalg.eigh(rows.T @ rows))
    values, vectors = ascending[:-3:-1].clip(min=0), vectors[:, :-3:-1]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0, keepdims=True), 0)
    points = (rows @ torch.from_numpy(vectors * np.sign(largest))).numpy()
    if len(values) == 1:
        # A network of a single unit has only one component: the second is zero.
        points, values = np.pad(points, ((0, 0), (0, 1))), np.pad(values, (0, 1))
    total = ascending.clip(min=0).sum()
    return Trajectories(points, (values / total if total > 0 else values).tolist())


def by_class(labels: Tensor, at_most: int) -> Sequence[int]:
    """Chooses `at_most` sequences from labels (S,), of all classes in turn; returns indices."""
    order = torch.sort(labels, stable=True)
    starts = torch.searchsorted(order.values, order.values)  # the first of the same class
    within = torch.arange(len(labels)) - starts
    chosen = torch.sort(within, stable=True).indices[:at_most]
    return sorted(order.indices[chosen].tolist())
