"""What a recurrent cell of a stack does: forward and backward through time, for all lanes at once.

N lanes, T steps, R rows (of all steps, packed: see `batches`), H hidden (padded), G gates of a
group.

Every cell reads pre-activations of its input (N, R, G*H), one for each gate group, and writes its
states (N, R, H); backwards it turns the gradient of the states into those of the gates'
pre-activations. Lane-major, so that a weight's gradient is one product over R. The equations are
those of `torch.nn.RNN`, `GRU` and `LSTM`; the backward pass is Werbos 1990, Backpropagation through
time, written out by hand: autograd records some twenty nodes for each step of each layer.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from seqsweep.stacked.batches import Steps

Parts = dict[str, Tensor]
"""A tensor for each gate group of the cell: "sigmoid", "tanh"."""

tanh_backward = torch.ops.aten.tanh_backward.grad_input
relu_backward = torch.ops.aten.threshold_backward.grad_input
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


class Cell(Protocol):
    """One layer of all lanes.

    Attributes:
        watch: is called in the backward pass with the gradient of the states of each step, (N,
            count, H), from the last to the first.
    """

    watch: Callable[[Tensor], object] | None

    def forward(self, inputs: Parts, weights: Parts, states: Tensor, steps: Steps) -> None:
        """Fills `states` (N, R, H) from `inputs` (N, R, G*H) and hidden weights (N, H, G*H)."""
        ...

    def backward(
        self, gradient: Tensor, weights: Parts, states: Tensor, steps: Steps, final_only: bool
    ) -> tuple[Parts, Parts]:
        """Gradients of the pre-activations: as the inputs see them, as the hidden weights see them.

        Args:
            gradient: (N, R, H) of the loss with respect to the states.
            final_only: all of it lies at the last step; the rest of `gradient` is not read.
        """
        ...


def first_rows(before: Tensor, now: Tensor) -> Tensor:
    """Of the rows of the step before, those that go on."""
    return before if before.shape[1] == now.shape[1] else before[:, : now.shape[1]]


def added(outer: Tensor, later: Tensor, total: Tensor) -> Tensor:
    """`outer` with `later` added to its first rows, in the memory of `total`."""
    total.copy_(outer)
    total[:, : later.shape[1]].add_(later)
    return total
