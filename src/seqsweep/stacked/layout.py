"""The layout of the weights of K networks in one flat buffer.

The buffer has a row for each lane. K members, D directions, N = K*D lanes, F features, H hidden (of
the stack, padded), L layers, C classes, P numbers of one lane.
"""

import functools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seqsweep.stacked.buffers import Buffers

# The gates of each cell, grouped by their activation, so that one call computes a whole group.
# The numbers are the gates' indices in the weights of torch.
GATES: dict[str, dict[str, tuple[int, ...]]] = {
    "rnn": {"tanh": (0,)},
    "gru": {"sigmoid": (0, 1), "tanh": (2,)},  # r z | n
    "lstm": {"sigmoid": (0, 1, 3), "tanh": (2,)},  # i f o | g
}


@dataclass(frozen=True)
class StackShape:
    """The architecture that the members of a stack share.

    Attributes:
        hidden: the width that all members are padded to.
    """

    input_size: int
    hidden: int
    num_classes: int
    cell: Literal["rnn", "gru", "lstm"] = "rnn"
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    num_layers: int = 1
    bidirectional: bool = False
    pooling: Literal["last", "mean", "max"] = "last"

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1


@dataclass(frozen=True)
class Block:
    """One matrix of a lane: its offset in the lane's row, and its shape."""

    start: int
    shape: tuple[int, int]

    def view(self, flat: Tensor) -> Tensor:
        """Returns the matrices of all lanes as a view: (N, P) -> (N, *shape)."""
        rows, columns = self.shape
        return flat[:, self.start : self.start + rows * columns].unflatten(1, (rows, columns))


class Layout:
    """The blocks of a lane's row, in order, and their mapping to torch's parameters.

    Matrices are stored as (inputs, outputs), so each gradient is a product x^T d whose result is
    contiguous. Each layer has four kinds of blocks for each gate group:

    own: from the output of the same direction in the layer below; in layer 0 from the input.
    other: from the output of the other direction in the layer below.
    hidden: from the state one step before.
    bias: two rows, the bias_ih and bias_hh of torch.

    The head has `head` (H, C) and `head_bias` (1, C). Only lane 0 of a member uses the latter.
    """

    def __init__(self, shape: StackShape) -> None:
        self.shape = shape
        self.groups = GATES[shape.cell]
        self.blocks: dict[tuple[int, str, str], Block] = {}
        self.size = 0
        for layer in range(shape.num_layers):
            for group, gates in self.groups.items():
                width = len(gates) * shape.hidden
                inputs = shape.hidden if layer else shape.input_size
                self._add((layer, group, "own"), inputs, width)
                if layer and shape.bidirectional:
                    self._add((layer, group, "other"), shape.hidden, width)
                self._add((layer, group, "hidden"), shape.hidden, width)
                self._add((layer, group, "bias"), 2, width)
        self._add((shape.num_layers, "", "head"), shape.hidden, shape.num_classes)
        self._add((shape.num_layers, "", "head_bias"), 1, shape.num_classes)

    def _add(self, name: tuple[int, str, str], rows: int, columns: int) -> None:
        self.blocks[name] = Block(self.size, (rows, columns))
        self.size += rows * columns

    @functools.cache  # noqa: B019  the cache may keep a layout: it lives as long as its stack
    def positions(self, hidden: int) -> Tensor:
        """Returns the index of each weight of a network among its member's D*P numbers.

        The order is that of `RNNClassifier.parameters()`. So `row[positions]` is a vector of all
        weights of the network, and a row that is zero at all other indices is the padded network.

        Args:
            hidden: the width of the member, at most that of the stack.
        """
        shape = self.shape
        assert 1 <= hidden <= shape.hidden
        parameters: list[Tensor] = []
        for layer in range(shape.num_layers):
            for direction in range(shape.directions):
                parameters += self._layer_positions(layer, direction, hidden)
        # torch's head reads the states of both directions side by side.
        head = [
            self._matrix((shape.num_layers, "", "head"), direction)[:hidden].T
            for direction in range(shape.directions)
        ]
        bias = self._matrix((shape.num_layers, "", "head_bias"), 0)[0]
        return torch.cat([part.flatten() for part in (*parameters, torch.cat(head, 1), bias)])

    def _layer_positions(self, layer: int, direction: int, hidden: int) -> list[Tensor]:
        """Returns the indices of weight_ih, weight_hh, bias_ih and bias_hh of a layer."""
        inputs = [self._gates(layer, "own", direction, hidden)]
        if layer:
            inputs[0] = inputs[0][:, :hidden]
            if self.shape.bidirectional:
                inputs.append(self._gates(layer, "other", direction, hidden)[:, :hidden])
                # torch's layers read the forward output first, then that of the reverse direction.
                if direction == 1:
                    inputs.reverse()
        state = self._gates(layer, "hidden", direction, hidden)[:, :hidden]
        bias = self._gates(layer, "bias", direction, hidden)
        return [torch.cat(inputs, 1), state, bias[:, 0], bias[:, 1]]

    def _gates(self, layer: int, kind: str, direction: int, hidden: int) -> Tensor:
        """Returns the indices of all gates, stacked as in torch: (gates * hidden, inputs)."""
        rows: dict[int, Tensor] = {}
        for group, gates in self.groups.items():
            matrix = self._matrix((layer, group, kind), direction)
            parts = matrix.unflatten(1, (len(gates), self.shape.hidden)).unbind(1)
            rows |= {gate: part[:, :hidden].T for gate, part in zip(gates, parts, strict=True)}
        return torch.cat([rows[gate] for gate in sorted(rows)])

    def _matrix(self, name: tuple[int, str, str], direction: int) -> Tensor:
        block = self.blocks[name]
        rows, columns = block.shape
        start = direction * self.size + block.start
        return torch.arange(start, start + rows * columns).view(rows, columns)


def weight_gradient(inputs: Tensor, outputs: Tensor, name: str, buffers: Buffers) -> Tensor:
    """Returns a weight's gradient, from its inputs and the gradient of its outputs.

    Shape:
        inputs: (N, R, I).
        outputs: (N, R, O).
        Returns: (N, I*O), as a block of `Layout`.
    """
    out = buffers(name, inputs.shape[0], inputs.shape[2], outputs.shape[2])
    return torch.bmm(inputs.transpose(1, 2), outputs, out=out).flatten(1)
