"""Adds the cells of `models/cells.py` as ONNX nodes.

The operator Scan contains what one step needs of the step before; all else is computed for all
steps at once. The operations and their order are those of `models/cells.py`.

B sequences, T time steps, I inputs of a layer, H hidden. The functions take and return the names of
arrays in the graph, which are (T, B, H) unless stated.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from seqsweep.extras.export.onnx_nodes import Graph, array_info
from seqsweep.models.cell import Cell
from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.cells import LRU, IndRNN, MinGRU, MinLSTM

Step = Callable[[Graph, Sequence[str], Sequence[str]], Sequence[str]]
"""Adds one step to the body of a Scan: states and inputs (B, H) -> the next states (B, H)."""


def add_cell(graph: Graph, rnn: CellLayers, number: int, position: int, x: str, valid: str) -> str:
    """Adds one layer: x (T, B, I), valid (B, T, 1) -> outputs (T, B, D*H), 0 at padding.

    Args:
        number: the index of the layer in its module.
        position: the index of the layer in the network.
    """
    valid = graph.node("Transpose", valid, perm=[1, 0, 2])
    outputs: list[str] = []
    for ending in ("", "_reverse")[: 1 + rnn.bidirectional]:
        cell = rnn.cell(rnn.weights(f"_l{number}{ending}"), **rnn.options)
        lane = Lane(graph, cell, rnn.hidden_size, f"l{position}{ending}", valid)
        output = _CELLS[rnn.cell](lane, x)
        outputs.append(graph.node("Where", valid, output, lane.number(0)))
    return graph.node("Concat", *outputs, axis=2)


class Lane:
    """One layer and direction in a graph.

    Args:
        cell: the cell with its weights.
        hidden: the number of units, H.
        name: the ending of the weights' names, such as `l0_reverse`.
        valid: the mask (T, B, 1) of the steps before the end.
    """

    def __init__(self, graph: Graph, cell: Cell, hidden: int, name: str, valid: str) -> None:
        self.graph, self.node = graph, graph.node
        self.cell, self.hidden, self.name, self.valid = cell, hidden, name, valid

    def constant(self, name: str, value: Tensor) -> str:
        """Adds an array of this lane."""
        return self.graph.constant(f"rnn.{name}_{self.name}", value.detach().numpy())

    def weight(self, name: str) -> str:
        """Adds a weight of the cell."""
        return self.constant(name, getattr(self.cell, name))

    def number(self, value: float) -> str:
        """Adds a number, an array (1,)."""
        return self.graph.constant(f"float_{value}", np.array([value], dtype=np.float32))

    def linear(self, x: str, weight: str, bias: str = "") -> str:
        """Adds the product of x (T, B, any) with a weight of the cell, plus a bias."""
        product = self.node("MatMul", x, self.constant(weight, getattr(self.cell, weight).T))
        return self.node("Add", product, self.weight(bias)) if bias else product

    def split(self, x: str, count: int) -> tuple[str, ...]:
        """Splits the columns of x into equal blocks."""
        names = tuple(f"{x}/{index}" for index in range(count))
        return self.graph.nodes("Split", (x,), names, axis=2)

    def scan(self, step: Step, *inputs: str, states: int = 1) -> tuple[str, ...]:
        """Adds a loop over the valid steps; the reverse direction begins at the end.

        Args:
            step: see `Step`; the states before the first step are 0.
            inputs: the arrays that the loop reads step by step.
            states: the number of arrays in a state.

        Returns:
            The states after each step.
        """
        body = Graph(f"{self.name}/")
        before = [f"{self.name}/before_{index}" for index in range(states)]
        now = [f"{self.name}/now_{index}" for index in range(len(inputs))]
        is_valid = f"{self.name}/is_valid"
        # At padding a state stays as it is: in the reverse direction it is still 0.
        new = step(body, before, now)
        after = [body.node("Where", is_valid, *pair) for pair in zip(new, before, strict=True)]
        # An output of a Scan must not be a state as well.
        outputs = [body.node("Identity", state) for state in after]
        shape = ("batch", self.hidden)
        read = [array_info(name, np.float32, shape) for name in (*before, *now)]
        read.append(array_info(is_valid, np.bool_, ("batch", 1)))
        written = [array_info(name, np.float32, shape) for name in (*after, *outputs)]

        batch = self.node("Gather", self.node("Shape", self.valid), self.graph.axes(1))
        sizes = self.node("Concat", batch, self.graph.axes(self.hidden), axis=0)
        first = self.node("ConstantOfShape", sizes)  # zeros
        names = [f"{self.name}/{kind}_{n}" for kind in ("last", "states") for n in range(states)]
        is_reverse, count = self.name.endswith("_reverse"), len(inputs) + 1
        results = self.graph.nodes(
            "Scan",
            (*[first] * states, *inputs, self.valid),
            tuple(names),
            body=body.finish(self.name, read, written),
            num_scan_inputs=count,
            scan_input_directions=[int(is_reverse)] * count,
            scan_output_directions=[int(is_reverse)] * states,
        )
        return results[states:]


def _indrnn(lane: Lane, x: str) -> str:
    assert isinstance(lane.cell, IndRNN)
    activation = "Relu" if lane.cell.activation is torch.relu else "Tanh"
    u = lane.weight("weight_hh")

    def step(body: Graph, before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
        total = body.node("Add", now[0], body.node("Mul", u, before[0]))
        return [body.node(activation, total)]

    return lane.scan(step, lane.linear(x, "weight_ih", "bias_ih"))[0]


def _mingru(lane: Lane, x: str) -> str:
    z, c = lane.split(lane.linear(x, "weight_ih", "bias_ih"), 2)
    z = lane.node("Sigmoid", z)
    return _add_linear(lane, lane.node("Sub", lane.number(1), z), z, c)


def _minlstm(lane: Lane, x: str) -> str:
    f, i, c = lane.split(lane.linear(x, "weight_ih", "bias_ih"), 3)
    by_f, by_i = (lane.node("Softplus", lane.node("Neg", gate)) for gate in (f, i))
    q = lane.node("Sub", by_f, by_i)
    forget = lane.node("Sigmoid", lane.node("Neg", q))
    return _add_linear(lane, forget, lane.node("Sigmoid", q), c)


def _add_linear(lane: Lane, keep: str, take: str, c: str) -> str:
    """Adds the linear recurrence h' = keep * h + take * g(c)."""
    is_positive = lane.node("GreaterOrEqual", c, lane.number(0))
    above, below = lane.node("Add", c, lane.number(0.5)), lane.node("Sigmoid", c)
    new = lane.node("Mul", take, lane.node("Where", is_positive, above, below))

    def step(body: Graph, before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
        return [body.node("Add", body.node("Mul", now[0], before[0]), now[1])]

    return lane.scan(step, keep, new)[0]


def _lru(lane: Lane, x: str) -> str:
    node, cell = lane.node, lane.cell
    assert isinstance(cell, LRU)
    p = lane.linear(x, "weight_ih", "bias_ih")
    growth = lane.constant("gamma", cell.gamma_log.exp())
    new = [node("Mul", growth, lane.linear(p, name)) for name in ("B_re", "B_im")]
    by_re, by_im = lane.constant("lambda_re", cell.re), lane.constant("lambda_im", cell.im)

    def step(body: Graph, before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
        (re, im), multiply = before, partial(body.node, "Mul")
        new_re = body.node("Sub", multiply(by_re, re), multiply(by_im, im))
        new_im = body.node("Add", multiply(by_re, im), multiply(by_im, re))
        return [body.node("Add", new_re, now[0]), body.node("Add", new_im, now[1])]

    re, im = lane.scan(step, *new, states=2)
    y = node("Sub", lane.linear(re, "C_re"), lane.linear(im, "C_im"))
    y = node("Add", y, node("Mul", lane.weight("D"), p))
    u, v = lane.split(lane.linear(_add_gelu(lane, y), "glu_weight", "glu_bias"), 2)
    return node("Add", p, node("Mul", u, node("Sigmoid", v)))


def _add_gelu(lane: Lane, y: str) -> str:
    """Adds gelu in its tanh form, which ONNX has only since operators 20."""
    cube = lane.node("Mul", lane.node("Mul", y, y), y)
    inner = lane.node("Add", y, lane.node("Mul", lane.number(0.044715), cube))
    inner = lane.node("Mul", lane.number(math.sqrt(2 / math.pi)), inner)
    share = lane.node("Add", lane.number(1), lane.node("Tanh", inner))
    return lane.node("Mul", lane.node("Mul", lane.number(0.5), y), share)


_CELLS: dict[type[Cell], Callable[[Lane, str], str]] = {
    IndRNN: _indrnn,
    MinGRU: _mingru,
    MinLSTM: _minlstm,
    LRU: _lru,
}
