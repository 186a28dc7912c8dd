"""What the trained networks of a stack do on some sequences: gradients through time, trajectories.

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
    """The states of a network's last layer in their two main directions.

    Attributes:
        points: (R, 2).
        explained: the share of the states' variance along each of the two.
    """

    points: npt.NDArray[np.float64]
    explained: list[float]


def gradients_through_time(network: StackedNetwork, loss: StackedLoss, batch: StackBatch) -> Tensor:
    """(L, N, T): the norm of dL/dh_t by the steps that the lane still reads after t.

    At index 0 stands the last step of each sequence, whatever its length: what training sees of a
    step k before it shrinks or grows as the k-th power of the recurrence (Bengio, Simard, Frasconi
    1994, Learning long-term dependencies with gradient descent is difficult). L is a sequence's own
    loss, weighted by its class where classes have weights; the norms are means over the sequences
    that are long enough. The members' batches must be the same sequences.
    """
    found: list[list[Tensor]] = [[] for _ in network.cells]
    for cell, norms in zip(network.cells, found, strict=True):
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
    rows = torch.stack([torch.cat(norms[::-1], 1) for norms in found])  # (L, N, R)
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))  # bfloat16 would lose in sums
    steps = len(batch.steps)
    place = steps_left(batch)
    summed = torch.zeros(*rows.shape[:2], steps, dtype=rows.dtype, device=rows.device)
    summed.index_add_(2, place, rows)
    counts = torch.bincount(place, minlength=steps)
    return summed * batch.steps.batch / counts  # the loss of a batch is a mean


def steps_left(batch: StackBatch) -> Tensor:
    """(R,): how many steps of its sequence each row has still before it."""
    if batch.ends is None:
        return len(batch.steps) - 1 - batch.places.times
    return batch.ends[0, batch.places.columns] - batch.places.times


def last_states(network: StackedNetwork) -> list[npt.NDArray[np.float64]]:
    """Returns for each member the states of its last layer at the last `forward`, (R, D*H).

    A row is what all directions hold after so many steps of theirs; so a sequence's last row is
    what the head reads of it where pooling is `last`.
    """
    directions = network.shape.directions
    states = network.states.unflatten(0, (-1, directions)).double().cpu()  # (K, D, R, H)
    return [
        states[index, :, :, :hidden].transpose(0, 1).flatten(1).numpy()
        for index, hidden in enumerate(network.hidden)
    ]


def principal(states: npt.NDArray[Any]) -> Trajectories | None:
    """Projects states (R, D*H) on their two main directions; None where they are not finite.

    The sign of a component is such that its largest weight is above zero.
    """
    if not np.isfinite(states).all():
        return None
    centred = states.astype(np.float64)
    centred -= centred.mean(0)
    # By torch, which keeps to the threads that it has been given, as numpy does not.
    rows = torch.from_numpy(centred)
    ascending, vectors = (found.numpy() for found in torch.linalg.eigh(rows.T @ rows))
    values, vectors = ascending[:-3:-1].clip(min=0), vectors[:, :-3:-1]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0, keepdims=True), 0)
    points = (rows @ torch.from_numpy(vectors * np.sign(largest))).numpy()
    if len(values) == 1:  # a single unit
        points, values = np.pad(points, ((0, 0), (0, 1))), np.pad(values, (0, 1))
    total = ascending.clip(min=0).sum()
    return Trajectories(points, (values / total if total > 0 else values).tolist())


def by_class(labels: Tensor, at_most: int) -> Sequence[int]:
    """Positions of `at_most` of some labels (S,), of all classes in turn, in a fixed order."""
    order = torch.sort(labels, stable=True)
    starts = torch.searchsorted(order.values, order.values)  # the first of the same class
    within = torch.arange(len(labels)) - starts
    chosen = torch.sort(within, stable=True).indices[:at_most]
    return sorted(order.indices[chosen].tolist())
