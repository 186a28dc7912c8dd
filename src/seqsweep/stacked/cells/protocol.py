"""The interface of recurrent cells: forward and backward through time, for all lanes.

N lanes, T steps, R rows (of all steps, packed: see `batches`), H hidden (padded), G gates of a
group.

The forward pass reads the input's share of the pre-activations, (N, R, G*H) for each gate group,
and writes the states (N, R, H). The backward pass turns the gradient of the states into those of
the pre-activations. Lanes are the outermost dimension, so that the gradient of a weight is one
product over R. The equations are those of `torch.nn.RNN`, `GRU` and `LSTM`. The backward pass is
that of Werbos 1990, Backpropagation through time. It is written out by hand, because autograd
records some twenty nodes for each step of each layer.

In the equations of the cells, x is the input's share of a pre-activation, W the hidden weights, h
and c are the state and the memory before a step, h' and c' those after it, a is a pre-activation,
and L is the loss. The derivatives of the activations are sigma'(y) = y (1 - y) and
tanh'(y) = 1 - y^2, where y is the output of the activation.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from seqsweep.stacked.batches import Steps

Parts = dict[str, Tensor]
"""A tensor for each gate group of the cell: "sigmoid" and "tanh"."""

# Each writes gradient * derivative, where the derivative is computed from the activation's output.
tanh_backward = torch.ops.aten.tanh_backward.grad_input
relu_backward = torch.ops.aten.threshold_backward.grad_input
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


class Cell(Protocol):
    """The cell of one layer, for all lanes.

    Attributes:
        watch: a function that the backward pass calls with the gradient of the states of each
            step, (N, count, H), from the last step to the first.
    """

    watch: Callable[[Tensor], object] | None

    def forward(self, inputs: Parts, weights: Parts, states: Tensor, steps: Steps) -> None:
        """Fills the states (N, R, H) from inputs (N, R, G*H) and hidden weights (N, H, G*H)."""
        ...

    def backward(
        self, gradient: Tensor, weights: Parts, states: Tensor, steps: Steps, final_only: bool
    ) -> tuple[Parts, Parts]:
        """Returns the gradients of the inputs, and of the products with the hidden weights.

        Both are gradients of pre-activations. They differ only for the tanh gate of a GRU, whose
        product is multiplied by the reset gate.

        Args:
            gradient: (N, R, H) of the loss with respect to the states.
            final_only: whether only the last step of `gradient` is filled; the other rows are not
                read.
        """
        ...


def first_rows(before: Tensor, now: Tensor) -> Tensor:
    """Returns the rows of the step before whose sequences have not ended."""
    return before if before.shape[1] == now.shape[1] else before[:, : now.shape[1]]


def add_to_first_rows(outer: Tensor, later: Tensor, total: Tensor) -> Tensor:
    """Writes `outer` into `total`, adds `later` to its first rows, and returns it."""
    total.copy_(outer)
    total[:, : later.shape[1]].add_(later)
    return total
