"""The forward and backward pass of K recurrent classifiers, as batched products.

K members, D directions, N = K*D lanes, T steps, B batch, R rows (of all steps, packed: see
`batches`), F features, I inputs of a layer, H hidden (padded), L layers, C classes, P weights of a
lane.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seqsweep.stacked.batches import StackBatch
from seqsweep.stacked.buffers import Buffers
from seqsweep.stacked.cells.gated import GRU
from seqsweep.stacked.cells.plain import make_cell
from seqsweep.stacked.dropout import draw_masks
from seqsweep.stacked.head import Head
from seqsweep.stacked.layout import Layout, StackShape, weight_gradient
from seqsweep.stacked.pooling import per_member, within


class Layer(NamedTuple):
    """The values of a layer that the backward pass reads.

    Attributes:
        own, other: (N, R, I) the layer's inputs, from the same and from the other direction.
        states: (N, R, H).
        mask: (N, R, H) the dropout mask of the states.
    """

    own: Tensor
    other: Tensor | None
    states: Tensor
    mask: Tensor | None


class StackedNetwork:
    """The networks of a stack, which differ only in width, dropout and weights.

    The weights lie in `flat` (N, P) and their gradients in `gradient`, in the order of `Layout`.
    All members are padded to the width of the stack with zero weights. The state of a padded unit
    is zero, and so is every gradient to and from it.

    Args:
        shape: the architecture that the members share.
        hidden: the width of each member.
        dropout: the dropout of each member between layers, in [0, 1).
        dtype: the dtype of weights and gradients.
        compute_dtype: the dtype of everything in between; bfloat16 on a GPU.
    """

    def __init__(
        self,
        shape: StackShape,
        hidden: Sequence[int],
        dropout: Sequence[float],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        compute_dtype: torch.dtype | None = None,
    ) -> None:
        self.shape = shape
        self.hidden = list(hidden)
        self.dropout = list(dropout) if shape.num_layers > 1 else [0.0] * len(hidden)
        self.layout = Layout(shape)
        self.device = torch.device(device)
        lanes = len(hidden) * shape.directions
        self.flat = torch.zeros(lanes, self.layout.size, dtype=dtype, device=self.device)
        self.gradient = torch.zeros_like(self.flat)
        self.compute_dtype = dtype if compute_dtype is None else compute_dtype
        self.buffers = Buffers(self.compute_dtype, self.device)
        # If the compute dtype differs, each forward pass first copies the weights into `_computed`.
        self._computed = self.flat
        if self.compute_dtype != dtype:
            self._computed = torch.zeros_like(self.flat, dtype=self.compute_dtype)
        self.weights = {name: b.view(self._computed) for name, b in self.layout.blocks.items()}
        self.cells = [
            make_cell(shape.cell, shape.nonlinearity, self.buffers, layer)
            for layer in range(shape.num_layers)
        ]
        level = shape.num_layers, ""
        weight, bias = self.weights[*level, "head"], self.weights[*level, "head_bias"]
        self.head = Head(shape, weight, bias, self.buffers)
        self._layers: list[Layer] = []

    @property
    def members(self) -> int:
        return len(self.hidden)

    @property
    def states(self) -> Tensor:
        """The states of the last layer at the last `forward`, (N, R, H)."""
        return self._layers[-1].states

    def rows(self, flat: Tensor) -> Tensor:
        """Returns a view with one row for each member: (N, P) -> (K, D*P)."""
        return flat.view(self.members, -1)

    def load(self, member: int, vector: Tensor) -> None:
        """Sets a member's weights from the parameters of its `RNNClassifier`, as one vector."""
        self.rows(self.flat)[member].zero_()
        positions = self.layout.positions(self.hidden[member]).to(self.device)
        self.rows(self.flat)[member, positions] = vector.to(self.flat)

    def vector(self, member: int, flat: Tensor | None = None) -> Tensor:
        """Returns a member's part of `flat`, or of a similar buffer, as one vector."""
        row = self.rows(self.flat if flat is None else flat)[member]
        return row[self.layout.positions(self.hidden[member]).to(self.device)]

    def forward(self, batch: StackBatch, generators: Sequence[torch.Generator] = ()) -> Tensor:
        """Returns the logits (K, B, C).

        Args:
            generators: one for each member, which draws its dropout masks; without generators
                nothing is dropped.
        """
        if self._computed is not self.flat:
            self._computed.copy_(self.flat)
        masks = list[Tensor]()
        if generators and any(self.dropout):
            masks = draw_masks(
                self.shape, self.hidden, self.dropout, batch, generators, self.buffers
            )
        self._layers = []
        own, other = batch.x, None
        for layer in range(self.shape.num_layers):
            states = self._layer_states(layer, own, other, batch)
            mask = masks[layer] if layer < len(masks) else None
            self._layers.append(Layer(own, other, states, mask))
            if layer + 1 < self.shape.num_layers:
                own, other = self._outputs(layer, states, mask, batch)
        return self.head.forward(self._layers[-1].states, batch)

    def backward(self, logits_gradient: Tensor, batch: StackBatch) -> None:
        """Fills `gradient` from the gradient of the last `forward`'s logits, (K, B, C)."""
        parts: dict[tuple[int, str, str], list[Tensor]] = {}
        pooled, weight, bias = self.head.backward(logits_gradient.to(self.compute_dtype))
        level = self.shape.num_layers, ""
        parts[*level, "head"], parts[*level, "head_bias"] = [weight], [bias]
        outer, final_only = self.head.pooling.backward(pooled, batch)
        for layer in range(self.shape.num_layers - 1, -1, -1):
            inputs = self._layer_backward(layer, outer, final_only, batch, parts)
            if layer:
                outer, final_only = self._below(layer, inputs, batch), False
        # A row of `gradient` holds the blocks in the order of the layout.
        pieces = [piece for name in self.layout.blocks for piece in parts[name]]
        if self._computed is self.flat:
            torch.cat(pieces, 1, out=self.gradient)
        else:
            self.gradient.copy_(torch.cat(pieces, 1))

    def _layer_states(
        self, layer: int, own: Tensor, other: Tensor | None, batch: StackBatch
    ) -> Tensor:
        """Returns the states of a layer: (N, R, I) -> (N, R, H)."""
        lanes, rows, _ = own.shape
        cell = self.cells[layer]
        inputs: dict[str, Tensor] = {}
        hidden: dict[str, Tensor] = {}
        for group in self.layout.groups:
            bias = self.weights[layer, group, "bias"]
            # The reset gate of a GRU multiplies only one of the two biases: they stay apart.
            if isinstance(cell, GRU) and group == "tanh":
                cell.hidden_bias = bias[:, 1:]
                bias = bias[:, :1]
            else:
                bias = bias.sum(1, keepdim=True)
            weight = self.weights[layer, group, "own"]
            inputs[group] = self.buffers(f"inputs_{group}", lanes, rows, weight.shape[2])
            torch.baddbmm(bias, own, weight, out=inputs[group])
            if other is not None:
                inputs[group].baddbmm_(other, self.weights[layer, group, "other"])
            hidden[group] = self.weights[layer, group, "hidden"]
        states = self.buffers(f"states{layer}", lanes, rows, self.shape.hidden)
        cell.forward(inputs, hidden, states, batch.steps)
        is_read_whole = layer == self.shape.num_layers - 1 and self.shape.pooling != "last"
        if batch.ends is not None and (is_read_whole or self.shape.nonlinearity == "relu"):
            # Pooling must not see states beyond the end, and those of relu grow without bound.
            per_member(states, self.shape.directions).masked_fill_(~within(batch), 0)
        return states

    def _outputs(
        self, layer: int, states: Tensor, mask: Tensor | None, batch: StackBatch
    ) -> tuple[Tensor, Tensor | None]:
        """Returns the inputs of the next layer, from both directions."""
        if mask is not None:
            states = torch.mul(states, mask, out=self.buffers(f"dropped{layer}", *states.shape))
        if batch.swap is None:
            return states, None
        return states, self._swapped(f"other{layer}", states, batch.swap)

    def _swapped(self, name: str, states: Tensor, swap: Tensor) -> Tensor:
        """Returns the states of each member's other lane, in this lane's order."""
        out = self.buffers(name, *states.shape)
        width = states.shape[2]
        torch.index_select(states.view(-1, width), 0, swap, out=out.view(-1, width))
        return out

    def _layer_backward(
        self,
        layer: int,
        outer: Tensor,
        final_only: bool,
        batch: StackBatch,
        parts: dict[tuple[int, str, str], list[Tensor]],
    ) -> dict[str, Tensor]:
        """Adds the weights' gradients to `parts`; returns those of the gates' pre-activations."""
        own, other, states, _ = self._layers[layer]
        hidden = {g: self.weights[layer, g, "hidden"] for g in self.layout.groups}
        by_input, by_state = self.cells[layer].backward(
            outer, hidden, states, batch.steps, final_only
        )
        # The gradient of the hidden weights pairs each row with the state one step before.
        before = self._before(states, batch)
        for group in self.layout.groups:
            sums, inner = by_input[group], by_state[group]
            products = {"own": (own, sums), "hidden": (before, inner[:, batch.steps.batch :])}
            if other is not None:
                products["other"] = other, sums
            for kind, (inputs, outputs) in products.items():
                name = f"{kind}_{group}{layer}"
                parts[layer, group, kind] = [weight_gradient(inputs, outputs, name, self.buffers)]
            bias = sums.sum(1)
            parts[layer, group, "bias"] = [bias, bias if inner is sums else inner.sum(1)]
        return by_input

    def _before(self, states: Tensor, batch: StackBatch) -> Tensor:
        """Returns, for each row after step 0, the state one step before, (N, R - B, H)."""
        steps = batch.steps
        if steps.equal:
            return states[:, : steps.rows - steps.batch]
        lanes, rows, width = states.shape
        out = self.buffers("before", lanes, rows - steps.batch, width)
        return torch.index_select(states, 1, batch.positions.before(steps.batch), out=out)

    def _below(self, layer: int, sums: dict[str, Tensor], batch: StackBatch) -> Tensor:
        """Returns the gradient of the states of the layer below, (N, R, H)."""
        shape = self._layers[layer - 1].states.shape
        below = self._input_gradient("below", shape, layer, sums, "own")
        if batch.swap is not None:
            other = self._input_gradient("below_other", shape, layer, sums, "other")
            below.add_(self._swapped("below_swapped", other, batch.swap))
        mask = self._layers[layer - 1].mask
        return below if mask is None else below.mul_(mask)

    def _input_gradient(
        self, name: str, shape: torch.Size, layer: int, sums: dict[str, Tensor], kind: str
    ) -> Tensor:
        """Returns the gradient of one input of a layer, summed over its gate groups."""
        out = self.buffers(name, *shape)
        for index, group in enumerate(self.layout.groups):
            weight = self.weights[layer, group, kind].transpose(1, 2)
            if index == 0:
                torch.bmm(sums[group], weight, out=out)
            else:
                out.baddbmm_(sums[group], weight)
        return out
