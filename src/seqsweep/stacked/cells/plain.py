"""The plain recurrent cell, and the function that makes any of the three cells.

The interface and the notation are explained in `protocol`.

N lanes, R rows (of all steps, packed: see `batches`), H hidden (padded).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from seqsweep.stacked.batches import Steps
from seqsweep.stacked.buffers import Buffers
from seqsweep.stacked.cells.gated import GRU, LSTM
from seqsweep.stacked.cells.protocol import (
    Cell,
    Parts,
    add_to_first_rows,
    first_rows,
    relu_backward,
    tanh_backward,
)


class TanhOrRelu:
    """The cell of `torch.nn.RNN`.

    h' = tanh(x + W h), or relu instead of tanh

    tanh(a) is computed as 2 sigmoid(2a) - 1, because torch's tanh takes five times as long as its
    sigmoid on the CPU, and because the product doubles its result at no cost. Zero stays exactly
    zero.
    """

    watch: Callable[[Tensor], object] | None = None

    def __init__(self, buffers: Buffers, layer: int, relu: bool) -> None:
        self.buffers = buffers
        self.layer = layer
        self.relu = relu
        self.minus_one = torch.tensor(-1.0, dtype=buffers.dtype, device=buffers.device)

    def forward(self, inputs: Parts, weights: Parts, states: Tensor, steps: Steps) -> None:
        weight = weights["tanh"]
        scale = 1 if self.relu else 2
        before: Tensor | None = None
        for x, state in zip(steps.split(inputs["tanh"]), steps.split(states), strict=True):
            sums = self.buffers("sums", *x.shape)
            # `sums` is the pre-activation, doubled for tanh. The state before step 0 is zero.
            if before is None:
                torch.mul(x, scale, out=sums)
            else:
                torch.baddbmm(x, first_rows(before, x), weight, beta=scale, alpha=scale, out=sums)
            if self.relu:
                torch.clamp(sums, min=0, out=state)
            else:
                torch.add(self.minus_one, sums.sigmoid_(), alpha=2, out=state)
            before = state

    def backward(
        self, gradient: Tensor, weights: Parts, states: Tensor, steps: Steps, final_only: bool
    ) -> tuple[Parts, Parts]:
        weight = weights["tanh"].transpose(1, 2)
        sums_gradient = self.buffers("sums_gradient", *states.shape)
        later: Tensor | None = None
        backwards = zip(
            reversed(steps.split(gradient)),
            reversed(steps.split(sums_gradient)),
            reversed(steps.split(states)),
            strict=True,
        )
        for outer, inner, state in backwards:
            total = outer
            if later is not None:
                total = self._with_later(outer, later, weight, final_only)
            if self.watch is not None:
                self.watch(total)
            if self.relu:
                relu_backward(total, state, 0, grad_input=inner)
            else:
                tanh_backward(total, state, grad_input=inner)
            # inner is dL/da = dL/dh' tanh'(h'), and dL/dh = dL/da W^T for the step before.
            later = inner
        parts = {"tanh": sums_gradient}
        return parts, parts

    def _with_later(self, outer: Tensor, later: Tensor, weight: Tensor, final_only: bool) -> Tensor:
        """Returns the gradient of a step's states, that of the later step included.

        With `final_only` all sequences are equally long, and `outer` counts as zero.
        """
        total = self.buffers("state_gradient", *outer.shape)
        if final_only:
            return torch.bmm(later, weight, out=total)
        if later.shape == outer.shape:
            return torch.baddbmm(outer, later, weight, out=total)
        product = torch.bmm(later, weight, out=self.buffers("state_product", *later.shape))
        return add_to_first_rows(outer, product, total)


def make_cell(kind: str, nonlinearity: str, buffers: Buffers, layer: int) -> Cell:
    """Makes the cell of one layer."""
    if kind == "gru":
        return GRU(buffers, layer)
    if kind == "lstm":
        return LSTM(buffers, layer)
    return TanhOrRelu(buffers, layer, relu=nonlinearity == "relu")
