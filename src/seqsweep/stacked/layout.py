"""Where the weights of K networks lie: one row for each lane of one flat buffer.

K members, D directions, N = K*D lanes, F features, H hidden (of the stack, padded), L layers,
C classes, P numbers of one lane.
"""

import functools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

# The gates of a cell in torch's order, gathered into groups that one activation serves: sigmoid
# gates together, tanh gates together. Positions are those of torch's rows.
GATES: dict[str, dict[str, tuple[int, ...]]] = {
    "rnn": {"tanh": (0,)},
    "gru": {"sigmoid": (0, 1), "tanh": (2,)},  # r z | n
    "lstm": {"sigmoid": (0, 1, 3), "tanh": (2,)},  # i f o | g
}


@dataclass(frozen=True)
class StackShape:
    """What the members of a stack share; `hidden` is the width that all are padded to."""

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
    """One matrix of a lane: where it begins in the lane's row, and its shape."""

    start: int
    shape: tuple[int, int]

    def of(self, flat: Tensor) -> Tensor:
        """The matrices of all lanes: (N, P) -> (N, *shape), a view."""
        rows, columns = self.shape
        return flat[:, self.start : self.start + rows * columns].unflatten(1, (rows, columns))


class Layout:
    """The blocks of a lane's row, in order, and the way from and to torch's parameters.

    Matrices are stored as (inputs, outputs): so each gradient is a product x^T d whose result is
    contiguous. For each layer and gate group: `own` (from the lane's own input; the layer's whole
    input in layer 0), `other` (from the other direction's output of the layer below), `hidden`
    (from the state before), `bias` (2 rows: torch's bias_ih and bias_hh). Then `head` (H, C) and
    `head_bias` (1, C), which lane 0 of a member alone uses.
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

    @functools.cache  # noqa: B019  a layout lives as long as its stack
    def positions(self, hidden: int) -> Tensor:
        """Where each number of a network of `hidden` units lies in its member's D*P numbers.

        In the order of `RNNClassifier.parameters()`: so `row[positions]` is all its weights as one
        vector, and a row that holds zero elsewhere is the network padded.

        Args:
            hidden: of the member, at most that of the stack.
        """
        shape = self.shape
        assert 1 <= hidden <= shape.hidden
        found: list[Tensor] = []
        for layer in range(shape.num_layers):
            for direction in range(shape.directions):
                found += self._layer_positions(layer, direction, hidden)
        head = [
            self._matrix((shape.num_layers, "", "head"), direction)[:hidden].T
            for direction in range(shape.directions)
        ]
        bias = self._matrix((shape.num_layers, "", "head_bias"), 0)[0]
        return torch.cat([part.flatten() for part in (*found, torch.cat(head, 1), bias)])

    def _layer_positions(self, layer: int, direction: int, hidden: int) -> list[Tensor]:
        """weight_ih, weight_hh, bias_ih, bias_hh of a layer and lane, gates in torch's order."""
        inputs = [self._gates(layer, "own", direction, hidden)]
        if layer:
            inputs[0] = inputs[0][:, :hidden]
            if self.shape.bidirectional:
                inputs.append(self._gates(layer, "other", direction, hidden)[:, :hidden])
                if direction == 1:  # its own input is the second half of what the layer reads
                    inputs.reverse()
        state = self._gates(layer, "hidden", direction, hidden)[:, :hidden]
        bias = self._gates(layer, "bias", direction, hidden)
        return [torch.cat(inputs, 1), state, bias[:, 0], bias[:, 1]]

    def _gates(self, layer: int, kind: str, direction: int, hidden: int) -> Tensor:
        """(gates * hidden, inputs) as torch stacks them."""
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
