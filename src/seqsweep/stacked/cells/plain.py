"""The plain recurrent cell, and the choice among the three. See `protocol`.

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
    added,
    first_rows,
    relu_backward,
    tanh_backward,
)


class TanhOrRelu:
    """h' = tanh(x + W h), or relu.

    tanh(a) is taken as 2 sigmoid(2a) - 1: torch's tanh takes five times as long as its sigmoid on
    the CPU, and the doubling costs nothing inside the product. Zero stays exactly zero.
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
        for x, state in zip(steps.of(inputs["tanh"]), steps.of(states), strict=True):
            sums = self.buffers("sums", *x.shape)
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
            reversed(steps.of(gradient)),
            reversed(steps.of(sums_gradient)),
            reversed(steps.of(states)),
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
            later = inner
        parts = {"tanh": sums_gradient}
        return parts, parts

    def _with_later(self, outer: Tensor, later: Tensor, weight: Tensor, final_only: bool) -> Tensor:
        """The gradient of a state: its own, and that from the rows that go on to the next step.

        With `final_only` (then all sequences are equally long) its own is zero.
        """
        total = self.buffers("state_gradient", *outer.shape)
        if final_only:
            return torch.bmm(later, weight, out=total)
        if later.shape == outer.shape:
            return torch.baddbmm(outer, later, weight, out=total)
        product = torch.bmm(later, weight, out=self.buffers("state_product", *later.shape))
        return added(outer, product, total)


def make_cell(kind: str, nonlinearity: str, buffers: Buffers, layer: int) -> Cell:
    """The cell of one layer, with its scratch memory."""
    if kind == "gru":
        return GRU(buffers, layer)
    if kind == "lstm":
        return LSTM(buffers, layer)
    return TanhOrRelu(buffers, layer, relu=nonlinearity == "relu")
