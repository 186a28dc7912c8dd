"""The recurrent cells, forward and backward through time, for all lanes of a stack at once.

N lanes, T steps, B batch, H hidden (padded), G gates of a group.

Every cell reads pre-activations of its input (N, T, B, G*H), one for each gate group, and writes
its states (N, T, B, H); backwards it turns the gradient of the states into those of the gates'
pre-activations. Lane-major, so that a weight's gradient is one product over T*B. The equations are
those of `torch.nn.RNN`, `GRU` and `LSTM`; the backward pass is Werbos 1990, Backpropagation through
time, written out by hand: autograd records some twenty nodes for each step of each layer.

`counts`: how many rows of the batch, sorted by falling length, any member still has at a step; the
other rows are not computed. States of rows beyond that are zero, gradients too.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from seqsweep.stacked.buffers import Buffers

Parts = dict[str, Tensor]
"""A tensor for each gate group of the cell: "sigmoid", "tanh"."""

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_relu_backward = torch.ops.aten.threshold_backward.grad_input
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


class Cell(Protocol):
    """One layer of all lanes."""

    def forward(self, inputs: Parts, weights: Parts, states: Tensor, counts: Sequence[int]) -> None:
        """Fills `states` (N, T, B, H) from `inputs` (N, T, B, G*H) and hidden weights (N, H, G*H).

        `states` is zero where `counts` leaves rows out.
        """
        ...

    def backward(
        self,
        gradient: Tensor,
        weights: Parts,
        states: Tensor,
        counts: Sequence[int],
        final_only: bool,
    ) -> tuple[Parts, Parts]:
        """Gradients of the pre-activations: as the inputs see them, as the hidden weights see them.

        Args:
            gradient: (N, T, B, H) of the loss with respect to the states.
            final_only: all of it lies at the last step; the rest of `gradient` is not read.
        """
        ...


def step_rows(tensor: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """(N, T, B, X) as its steps, each cut to the rows that count."""
    batch = tensor.shape[2]
    return [
        step if count == batch else step[:, :count]
        for step, count in zip(tensor.unbind(1), counts, strict=True)
    ]


def _gradient_buffer(
    buffers: Buffers, name: str, shape: torch.Size, counts: Sequence[int]
) -> Tensor:
    """Zero where rows do not count: the weights' gradients sum over all of it."""
    buffer = buffers(name, *shape)
    if counts[-1] < shape[2]:
        buffer.zero_()
    return buffer


class TanhOrRelu:
    """h' = tanh(x + W h), or relu.

    On the CPU tanh(a) is taken as 2 sigmoid(2a) - 1: torch's tanh takes five times as long as its
    sigmoid, and the doubling costs nothing inside the product. Zero stays exactly zero.
    """

    def __init__(self, buffers: Buffers, layer: int, relu: bool) -> None:
        self.buffers = buffers
        self.layer = layer
        self.relu = relu
        self.minus_one = torch.tensor(-1.0, dtype=buffers.dtype, device=buffers.device)

    def forward(self, inputs: Parts, weights: Parts, states: Tensor, counts: Sequence[int]) -> None:
        weight = weights["tanh"]
        lanes, _, _, width = states.shape
        scale = 1 if self.relu else 2
        before: Tensor | None = None
        for x, state, count in zip(
            step_rows(inputs["tanh"], counts), step_rows(states, counts), counts, strict=True
        ):
            sums = self.buffers("sums", lanes, count, width)
            if before is None:
                torch.mul(x, scale, out=sums)
            else:
                torch.baddbmm(x, before[:, :count], weight, beta=scale, alpha=scale, out=sums)
            if self.relu:
                torch.clamp(sums, min=0, out=state)
            else:
                torch.add(self.minus_one, sums.sigmoid_(), alpha=2, out=state)
            before = state

    def backward(
        self,
        gradient: Tensor,
        weights: Parts,
        states: Tensor,
        counts: Sequence[int],
        final_only: bool,
    ) -> tuple[Parts, Parts]:
        weight = weights["tanh"].transpose(1, 2)
        sums_gradient = _gradient_buffer(
            self.buffers, f"sums_gradient{self.layer}", states.shape, counts
        )
        outer, inner = step_rows(gradient, counts), step_rows(sums_gradient, counts)
        state = step_rows(states, counts)
        last = len(counts) - 1
        for t in range(last, -1, -1):
            total = outer[t]
            if t < last:
                total = _add_product(
                    self.buffers, outer[t], inner[t + 1], weight, counts[t + 1], final_only
                )
            if self.relu:
                _relu_backward(total, state[t], 0, grad_input=inner[t])
            else:
                _tanh_backward(total, state[t], grad_input=inner[t])
        parts = {"tanh": sums_gradient}
        return parts, parts


def _add_product(
    buffers: Buffers, outer: Tensor, later: Tensor, weight: Tensor, rows: int, final_only: bool
) -> Tensor:
    """The gradient of a state: its own, (N, count, H), and that from the first `rows` of the next.

    With `final_only` (then all sequences are equally long) its own is zero.
    """
    lanes, count, width = outer.shape
    total = buffers("state_gradient", lanes, count, width)
    if final_only:
        return torch.bmm(later, weight, out=total)
    if rows == count:
        return torch.baddbmm(outer, later, weight, out=total)
    product = torch.bmm(later, weight, out=buffers("state_product", lanes, rows, width))
    total.copy_(outer)
    total[:, :rows].add_(product)
    return total


class GRU:
    """r, z = sigmoid(x + W h);  n = tanh(x_n + r (W_n h + b_n));  h' = (1 - z) n + z h.

    The `tanh` bias inside the bracket is handed over as `hidden_bias` (N, 1, H).
    """

    hidden_bias: Tensor

    def __init__(self, buffers: Buffers, layer: int) -> None:
        self.buffers = buffers
        self.layer = layer

    def _saved(self, name: str, shape: torch.Size, gates: int) -> Tensor:
        """(T, N, B, gates * H): a step of it is contiguous, as a product's result must be."""
        lanes, steps, batch, width = shape
        return self.buffers(f"{name}{self.layer}", steps, lanes, batch, gates * width)

    def forward(self, inputs: Parts, weights: Parts, states: Tensor, counts: Sequence[int]) -> None:
        width = states.shape[3]
        gates_all = self._saved("gates", states.shape, 2)
        news_all = self._saved("news", states.shape, 1)
        products_all = self._saved("products", states.shape, 1)
        if counts[-1] < states.shape[2]:
            for saved in (gates_all, news_all, products_all):
                saved.zero_()
        state = step_rows(states, counts)
        xs, xn = step_rows(inputs["sigmoid"], counts), step_rows(inputs["tanh"], counts)
        for t, count in enumerate(counts):
            gates, new, product = (
                saved[t] if count == saved.shape[2] else saved[t, :, :count]
                for saved in (gates_all, news_all, products_all)
            )
            if t == 0:
                torch.sigmoid(xs[t], out=gates)
                product.copy_(self.hidden_bias.expand_as(product))
            else:
                before = state[t - 1][:, :count]
                self._into(gates, "gates_now", xs[t], before, weights["sigmoid"])
                gates.sigmoid_()
                self._into(product, "product_now", self.hidden_bias, before, weights["tanh"])
            torch.addcmul(xn[t], gates[:, :, :width], product, out=new)
            new.mul_(2).sigmoid_().mul_(2).sub_(1)
            if t == 0:
                torch.addcmul(new, gates[:, :, width:], new, value=-1, out=state[t])
            else:
                torch.lerp(new, before, gates[:, :, width:], out=state[t])

    def _into(self, out: Tensor, name: str, x: Tensor, before: Tensor, weight: Tensor) -> None:
        """x + before @ weight; by way of contiguous memory where `out` is cut."""
        if out.is_contiguous():
            torch.baddbmm(x, before, weight, out=out)
        else:
            out.copy_(torch.baddbmm(x, before, weight, out=self.buffers(name, *out.shape)))

    def backward(
        self,
        gradient: Tensor,
        weights: Parts,
        states: Tensor,
        counts: Sequence[int],
        final_only: bool,
    ) -> tuple[Parts, Parts]:
        lanes, steps, batch, width = states.shape
        factors = self._factors(states)
        shapes = {name: torch.Size((lanes, steps, batch, n * width)) for name, n in _GRU_PARTS}
        found = {
            name: _gradient_buffer(self.buffers, f"{name}_gradient{self.layer}", shape, counts)
            for name, shape in shapes.items()
        }
        outer = step_rows(gradient, counts)
        gates, new, inside = (step_rows(found[name], counts) for name, _ in _GRU_PARTS)
        update, reset = factors["z"], factors["r"]
        to_gates, to_new = weights["sigmoid"].transpose(1, 2), weights["tanh"].transpose(1, 2)
        total: Tensor | None = None
        for t in range(steps - 1, -1, -1):
            count = counts[t]
            if total is None:
                total = outer[t]
            elif total.shape[1] < count:  # rows that end here
                longer = self.buffers("state_gradient_longer", lanes, count, width)
                longer.copy_(outer[t])
                longer[:, : total.shape[1]].add_(total)
                total = longer
            elif not final_only:
                total = total.add_(outer[t])
            torch.mul(total, factors["dz"][t][:, :count], out=gates[t][:, :, width:])
            torch.mul(total, factors["dn"][t][:, :count], out=new[t])
            torch.mul(new[t], factors["dr"][t][:, :count], out=gates[t][:, :, :width])
            torch.mul(new[t], reset[t][:, :count], out=inside[t])
            if t:
                carried = self.buffers(f"carried{t % 2}", lanes, count, width)
                torch.mul(total, update[t][:, :count], out=carried)
                carried.baddbmm_(gates[t], to_gates).baddbmm_(inside[t], to_new)
                total = carried
        as_input = {"sigmoid": found["gates"], "tanh": found["new"]}
        return as_input, {"sigmoid": found["gates"], "tanh": found["inside"]}

    def _factors(self, states: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """What the step's gradient is multiplied by, for all steps at once: (T, N, B, H) each."""
        lanes, steps, batch, width = states.shape
        gates = self._saved("gates", states.shape, 2)
        new = self._saved("news", states.shape, 1)
        product = self._saved("products", states.shape, 1)
        r, z = gates[..., :width], gates[..., width:]
        shape = (steps, lanes, batch, width)
        dz, dn, dr = (self.buffers(name, *shape) for name in ("factor_z", "factor_n", "factor_r"))
        torch.neg(new, out=dz)
        dz[1:].add_(states[:, :-1].transpose(0, 1))
        _sigmoid_backward(dz, z, grad_input=dz)
        _tanh_backward(torch.neg(z, out=dn).add_(1), new, grad_input=dn)
        _sigmoid_backward(product, r, grad_input=dr)
        return {
            "dz": dz.unbind(0),
            "dn": dn.unbind(0),
            "dr": dr.unbind(0),
            "z": z.unbind(0),
            "r": r.unbind(0),
        }


_GRU_PARTS = (("gates", 2), ("new", 1), ("inside", 1))


class LSTM:
    """i, f, o = sigmoid(x + W h);  g = tanh(x + W h);  c' = f c + i g;  h' = o tanh(c')."""

    def __init__(self, buffers: Buffers, layer: int) -> None:
        self.buffers = buffers
        self.layer = layer

    def _saved(self, name: str, shape: torch.Size, gates: int) -> Tensor:
        lanes, steps, batch, width = shape
        return self.buffers(f"{name}{self.layer}", steps, lanes, batch, gates * width)

    def forward(self, inputs: Parts, weights: Parts, states: Tensor, counts: Sequence[int]) -> None:
        width = states.shape[3]
        saved = {
            name: self._saved(name, states.shape, gates)
            for name, gates in (("gates", 3), ("news", 1), ("memory", 1), ("memory_tanh", 1))
        }
        if counts[-1] < states.shape[2]:
            for tensor in saved.values():
                tensor.zero_()
        state = step_rows(states, counts)
        xs, xg = step_rows(inputs["sigmoid"], counts), step_rows(inputs["tanh"], counts)
        memory_before: Tensor | None = None
        for t, count in enumerate(counts):
            gates, new, memory, squashed = (
                tensor[t] if count == tensor.shape[2] else tensor[t, :, :count]
                for tensor in saved.values()
            )
            if t == 0:
                torch.sigmoid(xs[t], out=gates)
                torch.mul(xg[t], 2, out=new)
            else:
                before = state[t - 1][:, :count]
                self._into(gates, "gates_now", xs[t], before, weights["sigmoid"], 1)
                gates.sigmoid_()
                self._into(new, "new_now", xg[t], before, weights["tanh"], 2)
            new.sigmoid_().mul_(2).sub_(1)
            torch.mul(gates[:, :, :width], new, out=memory)
            if memory_before is not None:
                memory.addcmul_(gates[:, :, width : 2 * width], memory_before[:, :count])
            torch.mul(memory, 2, out=squashed)
            squashed.sigmoid_().mul_(2).sub_(1)
            torch.mul(gates[:, :, 2 * width :], squashed, out=state[t])
            memory_before = memory

    def _into(
        self, out: Tensor, name: str, x: Tensor, before: Tensor, weight: Tensor, scale: int
    ) -> None:
        target = out if out.is_contiguous() else self.buffers(name, *out.shape)
        torch.baddbmm(x, before, weight, beta=scale, alpha=scale, out=target)
        if target is not out:
            out.copy_(target)

    def backward(
        self,
        gradient: Tensor,
        weights: Parts,
        states: Tensor,
        counts: Sequence[int],
        final_only: bool,
    ) -> tuple[Parts, Parts]:
        lanes, steps, batch, width = states.shape
        factors = self._factors(states.shape)
        gates_all = _gradient_buffer(
            self.buffers,
            f"gates_gradient{self.layer}",
            torch.Size((lanes, steps, batch, 3 * width)),
            counts,
        )
        new_all = _gradient_buffer(self.buffers, f"new_gradient{self.layer}", states.shape, counts)
        outer = step_rows(gradient, counts)
        gates, new = step_rows(gates_all, counts), step_rows(new_all, counts)
        to_gates, to_new = weights["sigmoid"].transpose(1, 2), weights["tanh"].transpose(1, 2)
        memory = self.buffers("memory_gradient", lanes, batch, width)
        memory.zero_()
        total: Tensor | None = None
        for t in range(steps - 1, -1, -1):
            count = counts[t]
            if total is None:
                total = outer[t]
            elif total.shape[1] < count:  # rows that end here
                longer = self.buffers("state_gradient_longer", lanes, count, width)
                longer.copy_(outer[t])
                longer[:, : total.shape[1]].add_(total)
                total = longer
            elif not final_only:
                total = total.add_(outer[t])
            now = memory if count == batch else memory[:, :count]
            now.addcmul_(total, factors["dc"][t][:, :count])
            both = gates[t][:, :, : 2 * width].unflatten(2, (2, width))
            torch.mul(now.unsqueeze(2), factors["di_df"][t][:, :count], out=both)
            torch.mul(total, factors["do"][t][:, :count], out=gates[t][:, :, 2 * width :])
            torch.mul(now, factors["dg"][t][:, :count], out=new[t])
            if t:
                now.mul_(factors["f"][t][:, :count])
                carried = self.buffers(f"carried{t % 2}", lanes, count, width)
                total = torch.bmm(gates[t], to_gates, out=carried).baddbmm_(new[t], to_new)
        parts = {"sigmoid": gates_all, "tanh": new_all}
        return parts, parts

    def _factors(self, shape: torch.Size) -> dict[str, tuple[Tensor, ...]]:
        """What the step's gradients are multiplied by, for all steps at once."""
        lanes, steps, batch, width = shape
        gates = self._saved("gates", shape, 3)
        new = self._saved("news", shape, 1)
        memory = self._saved("memory", shape, 1)
        squashed = self._saved("memory_tanh", shape, 1)
        i, f, o = gates.split(width, dim=3)
        both = self.buffers("factor_if", steps, lanes, batch, 2, width)
        _sigmoid_backward(new, i, grad_input=both[..., 0, :])
        both[0, :, :, 1].zero_()
        _sigmoid_backward(memory[:-1], f[1:], grad_input=both[1:, :, :, 1])
        factor_o, factor_c, factor_g = (
            self.buffers(name, steps, lanes, batch, width)
            for name in ("factor_o", "factor_c", "factor_g")
        )
        _sigmoid_backward(squashed, o, grad_input=factor_o)
        _tanh_backward(o, squashed, grad_input=factor_c)
        _tanh_backward(i, new, grad_input=factor_g)
        return {
            "di_df": both.unbind(0),
            "do": factor_o.unbind(0),
            "dc": factor_c.unbind(0),
            "dg": factor_g.unbind(0),
            "f": f.unbind(0),
        }


def make_cell(
    kind: str, nonlinearity: str, buffers: Buffers, layer: int
) -> TanhOrRelu | GRU | LSTM:
    """The cell of one layer, with its scratch memory."""
    if kind == "gru":
        return GRU(buffers, layer)
    if kind == "lstm":
        return LSTM(buffers, layer)
    return TanhOrRelu(buffers, layer, relu=nonlinearity == "relu")
