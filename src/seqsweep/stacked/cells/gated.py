"""The cells with gates: GRU and LSTM.

The interface and the notation are explained in `protocol`.

N lanes, R rows (of all steps, packed: see `batches`), H hidden (padded).
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from seqsweep.stacked.batches import Steps
from seqsweep.stacked.buffers import Buffers
from seqsweep.stacked.cells.protocol import (
    Parts,
    add_to_first_rows,
    first_rows,
    sigmoid_backward,
    tanh_backward,
)


class GRU:
    """The cell of `torch.nn.GRU`.

    r, z = sigmoid(x + W h)
    p    = W_n h + b_n
    n    = tanh(x_n + r p)
    h'   = (1 - z) n + z h

    Attributes:
        hidden_bias: (N, 1, H), the bias b_n, which the reset gate multiplies.
    """

    hidden_bias: Tensor
    watch: Callable[[Tensor], object] | None = None

    def __init__(self, buffers: Buffers, layer: int) -> None:
        self.buffers = buffers
        self.layer = layer

    def forward(self, inputs: Parts, weights: Parts, states: Tensor, steps: Steps) -> None:
        width = states.shape[2]
        self.saved = _saved(self.buffers, self.layer, states, gates=2, news=1, products=1)
        packed = inputs["sigmoid"], inputs["tanh"], states
        views = _views_of_steps(steps, packed, self.saved.values())
        before: Tensor | None = None
        for xs, xn, state, gates, new, product in views:
            if before is None:
                torch.sigmoid(xs, out=gates)
                product.copy_(self.hidden_bias.expand_as(product))
            else:
                before = first_rows(before, state)
                torch.baddbmm(xs, before, weights["sigmoid"], out=gates).sigmoid_()
                torch.baddbmm(self.hidden_bias, before, weights["tanh"], out=product)
            torch.addcmul(xn, gates[:, :, :width], product, out=new)
            new.mul_(2).sigmoid_().mul_(2).sub_(1)  # tanh, see `TanhOrRelu`
            if before is None:
                torch.addcmul(new, gates[:, :, width:], new, value=-1, out=state)
            else:
                torch.lerp(new, before, gates[:, :, width:], out=state)
            before = state

    def backward(
        self, gradient: Tensor, weights: Parts, states: Tensor, steps: Steps, final_only: bool
    ) -> tuple[Parts, Parts]:
        lanes, rows, width = states.shape
        gradients = {
            name: self.buffers(f"{name}_gradient", lanes, rows, gates * width)
            for name, gates in (("gates", 2), ("new", 1), ("inside", 1))
        }
        to_gates, to_new = weights["sigmoid"].transpose(1, 2), weights["tanh"].transpose(1, 2)
        factors = self._factors(states, steps)
        views = _views_of_steps(steps, (gradient, *gradients.values()), factors)
        total: Tensor | None = None
        left = len(steps)
        for outer, gates, new, inside, saved_gates, by_update, by_new, by_reset in views[::-1]:
            left -= 1
            total = _state_gradient(self.buffers, outer, total, final_only)
            if self.watch is not None:
                self.watch(total)
            torch.mul(total, by_update, out=gates[:, :, width:])
            torch.mul(total, by_new, out=new)
            torch.mul(new, by_reset, out=gates[:, :, :width])
            # dL/dp = r dL/da_n
            torch.mul(new, saved_gates[:, :, :width], out=inside)
            if left:
                # dL/dh = z dL/dh' + dL/da_rz W^T + dL/dp W_n^T
                carried = self.buffers("carried", *outer.shape)
                torch.mul(total, saved_gates[:, :, width:], out=carried)
                total = carried.baddbmm_(gates, to_gates).baddbmm_(inside, to_new)
        by_input = {"sigmoid": gradients["gates"], "tanh": gradients["new"]}
        return by_input, {"sigmoid": gradients["gates"], "tanh": gradients["inside"]}

    def _factors(self, states: Tensor, steps: Steps) -> tuple[Tensor, ...]:
        """Returns the gates and the factors of the chain rule, with the steps outermost.

        by_update = dL/da_z / dL/dh'  = (h - n) sigma'(z)
        by_new    = dL/da_n / dL/dh'  = (1 - z) tanh'(n)
        by_reset  = dL/da_r / dL/da_n = p sigma'(r)
        """
        width = states.shape[2]
        gates, new, product = self.saved.values()
        reset, update = gates[..., :width], gates[..., width:]
        by_update, by_new, by_reset = (
            self.buffers(name, *states.shape) for name in ("by_update", "by_new", "by_reset")
        )
        # h - n, where h is zero before step 0.
        torch.neg(new, out=by_update)
        later, before = steps.blocks(by_update)[1:], steps.split(states)[:-1]
        for change, state in zip(later, before, strict=True):
            change.add_(first_rows(state, change))
        # All these tensors hold their rows in the same order, so elementwise operations need no
        # loop over the steps.
        sigmoid_backward(by_update, update, grad_input=by_update)
        tanh_backward(torch.neg(update, out=by_new).add_(1), new, grad_input=by_new)
        sigmoid_backward(product, reset, grad_input=by_reset)
        return gates, by_update, by_new, by_reset


class LSTM:
    """The cell of `torch.nn.LSTM`.

    i, f, o = sigmoid(x + W h)
    g       = tanh(x_g + W_g h)
    c'      = f c + i g
    h'      = o tanh(c')
    """

    watch: Callable[[Tensor], object] | None = None

    def __init__(self, buffers: Buffers, layer: int) -> None:
        self.buffers = buffers
        self.layer = layer

    def forward(self, inputs: Parts, weights: Parts, states: Tensor, steps: Steps) -> None:
        width = states.shape[2]
        self.saved = _saved(
            self.buffers, self.layer, states, gates=3, news=1, memory=1, memory_tanh=1
        )
        packed = inputs["sigmoid"], inputs["tanh"], states
        views = _views_of_steps(steps, packed, self.saved.values())
        before: Tensor | None = None
        memory_before: Tensor | None = None
        for xs, xg, state, gates, new, memory, squashed in views:
            if before is None:
                torch.sigmoid(xs, out=gates)
                torch.mul(xg, 2, out=new)  # doubled for tanh, see `TanhOrRelu`
            else:
                before = first_rows(before, state)
                torch.baddbmm(xs, before, weights["sigmoid"], out=gates).sigmoid_()
                torch.baddbmm(xg, before, weights["tanh"], beta=2, alpha=2, out=new)
            new.sigmoid_().mul_(2).sub_(1)
            torch.mul(gates[:, :, :width], new, out=memory)
            if memory_before is not None:
                forget = gates[:, :, width : 2 * width]
                memory.addcmul_(forget, first_rows(memory_before, memory))
            torch.mul(memory, 2, out=squashed)
            squashed.sigmoid_().mul_(2).sub_(1)
            torch.mul(gates[:, :, 2 * width :], squashed, out=state)
            before, memory_before = state, memory

    def backward(
        self, gradient: Tensor, weights: Parts, states: Tensor, steps: Steps, final_only: bool
    ) -> tuple[Parts, Parts]:
        lanes, rows, width = states.shape
        all_gates = self.buffers("gates_gradient", lanes, rows, 3 * width)
        all_new = self.buffers("new_gradient", lanes, rows, width)
        to_gates, to_new = weights["sigmoid"].transpose(1, 2), weights["tanh"].transpose(1, 2)
        factors = self._factors(states, steps)
        views = _views_of_steps(steps, (gradient, all_gates, all_new), factors)
        # dL/dc of all sequences. The loop runs backward in time: the row of a shorter sequence
        # stays zero until its last step.
        memory = self.buffers("memory_gradient", lanes, steps.batch, width)
        memory.zero_()
        total: Tensor | None = None
        left = len(steps)
        for outer, gates, new, saved_gates, by_both, by_output, by_memory, by_new in views[::-1]:
            left -= 1
            total = _state_gradient(self.buffers, outer, total, final_only)
            if self.watch is not None:
                self.watch(total)
            # dL/dc' = dL/dc of the step after + dL/dh' by_memory
            now = first_rows(memory, outer)
            now.addcmul_(total, by_memory)
            both = gates[:, :, : 2 * width].unflatten(2, (2, width))
            torch.mul(now.unsqueeze(2), by_both.unflatten(2, (2, width)), out=both)
            torch.mul(total, by_output, out=gates[:, :, 2 * width :])
            torch.mul(now, by_new, out=new)
            if left:
                # dL/dc = f dL/dc', and dL/dh = dL/da_ifo W^T + dL/da_g W_g^T
                now.mul_(saved_gates[:, :, width : 2 * width])
                carried = self.buffers("carried", *outer.shape)
                total = torch.bmm(gates, to_gates, out=carried).baddbmm_(new, to_new)
        parts = {"sigmoid": all_gates, "tanh": all_new}
        return parts, parts

    def _factors(self, states: Tensor, steps: Steps) -> tuple[Tensor, ...]:
        """Returns the gates and the factors of the chain rule, with the steps outermost.

        by_both   = dL/da_i / dL/dc', dL/da_f / dL/dc' = g sigma'(i), c sigma'(f)
        by_output = dL/da_o / dL/dh'                   = tanh(c') sigma'(o)
        by_memory = the share of dL/dc' from dL/dh'    = o (1 - tanh(c')^2)
        by_new    = dL/da_g / dL/dc'                   = i tanh'(g)
        """
        lanes, rows, width = states.shape
        gates, new, memory, squashed = self.saved.values()
        i, _, o = gates.split(width, dim=2)
        by_both = self.buffers("by_both", lanes, rows, 2 * width)
        sigmoid_backward(new, i, grad_input=by_both[..., :width])
        each_both, each_gates = steps.blocks(by_both), steps.blocks(gates)
        # The memory before step 0 is zero, and so is its factor.
        each_both[0][..., width:].zero_()
        for both, gate, before in zip(
            each_both[1:], each_gates[1:], steps.blocks(memory)[:-1], strict=True
        ):
            f = gate[..., width : 2 * width]
            sigmoid_backward(first_rows(before, both), f, grad_input=both[..., width:])
        by_output, by_memory, by_new = (
            self.buffers(name, *states.shape) for name in ("by_output", "by_memory", "by_new")
        )
        sigmoid_backward(squashed, o, grad_input=by_output)
        tanh_backward(o, squashed, grad_input=by_memory)
        tanh_backward(i, new, grad_input=by_new)
        return gates, by_both, by_output, by_memory, by_new


def _views_of_steps(
    steps: Steps, tensors: Iterable[Tensor], blocks: Iterable[Tensor]
) -> list[tuple[Tensor, ...]]:
    """Returns for each step its views of packed tensors and of step-wise blocks."""
    return list(zip(*map(steps.split, tensors), *map(steps.blocks, blocks), strict=True))


def _saved(buffers: Buffers, layer: int, states: Tensor, **gates: int) -> dict[str, Tensor]:
    """Returns memory for the values that a layer's backward pass reads, by name."""
    lanes, rows, width = states.shape
    return {name: buffers(f"{name}{layer}", lanes, rows, n * width) for name, n in gates.items()}


def _state_gradient(
    buffers: Buffers, outer: Tensor, later: Tensor | None, final_only: bool
) -> Tensor:
    """Returns the gradient of a step's states, including the part from the later step."""
    if later is None:
        return outer
    if final_only:
        return later
    if later.shape == outer.shape:
        return later.add_(outer)
    return add_to_first_rows(outer, later, buffers("state_gradient", *outer.shape))
