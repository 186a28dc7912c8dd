"""Adds the cells of `models/cell.py` as ONNX nodes, from their programs.

The operator Scan contains the part `state` of a program; the other parts compute all steps at once.
The file of a single step needs no Scan.

B sequences, T time steps, I inputs of a layer, H hidden. The functions take and return the names of
arrays in the graph.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from onnx import GraphProto
from torch import Tensor

from seqsweep.extras.export.onnx_nodes import Graph, array_info
from seqsweep.models.own_programs import traced
from seqsweep.models.torch_operations import Untraceable
from seqsweep.native.program import Instruction, Matrix, Program, as_number
from seqsweep.using.stream import Layer, as_cells

_COMPARISONS = {"lt": "Less", "le": "LessOrEqual", "eq": "Equal"}
_OPERATORS = {"maximum": "Max", "minimum": "Min", **_COMPARISONS}
"""The operators whose names are not those of the operations."""
_FUSED = {"fma": ("add", 1), "fms": ("sub", 1), "fnma": ("sub", -1)}
"""The operation after the product, with 1 if the product is its left operand."""


def add_cell(
    graph: Graph, layer: Layer, position: int, x: str, valid: str, is_step: bool = False
) -> str:
    """Adds one layer: x (T, B, I), valid (T, B, 1) -> outputs (T, B, D*H), 0 at padding.

    Args:
        position: the index of the layer in the network.
        is_step: whether x (B, I) and valid (B, 1) are a single step, after states from outside.

    Raises:
        Untraceable: the cell has no program.
    """
    rnn = as_cells(layer.rnn)
    zeros = graph.constant("zeros", np.zeros(rnn.hidden_size, dtype=np.float32))
    outputs: list[str] = []
    for inputs, ending in rnn.lanes():
        number, _, direction = ending.removeprefix("_l").partition("_")
        if number == str(layer.number):
            program = traced(rnn.cell, inputs, rnn.hidden_size, json.dumps(rnn.options))
            if isinstance(program, str):
                raise Untraceable(program)
            name = "_".join(filter(None, (f"l{position}", direction)))
            lane = _Lane(graph, program, rnn.weights(ending), rnn.hidden_size, name)
            outputs.append(graph.node("Where", valid, lane.add(x, valid, is_step), zeros))
    return graph.node("Concat", *outputs, axis=-1)


class _Lane:
    """One layer and direction: its rows are (T, B, H), and those of a step (B, H).

    Args:
        weights: the weights of the cell by their names.
        hidden: the number of units, H.
        name: the ending of the weights' names, such as `l0_reverse`.
    """

    def __init__(
        self, graph: Graph, program: Program, weights: Mapping[str, Tensor], hidden: int, name: str
    ) -> None:
        self._graph, self._program, self._weights = graph, program, weights
        self._hidden, self._name = hidden, name
        self._values: dict[str, str] = {}  # the arrays of the program's values

    def add(self, x: str, valid: str, is_step: bool) -> str:
        """Adds all steps: x (T, B, I), valid (T, B, 1) -> the outputs, of any value at padding."""
        self._values["x"] = x
        self._add_part("weights", self._graph)
        self._add_part("input", self._graph)
        if is_step:
            self._add_step(valid)
        else:
            self._add_scan(valid)
        self._add_part("output", self._graph)
        return self._value(self._program.result)

    def _add_step(self, valid: str) -> None:
        """Adds a single step, which reads the states before it and writes those after it."""
        names = [f"s{n}" for n in range(self._program.states)]
        state = self._graph.state(f"state_{self._name}", len(names) * self._hidden)
        blocks = tuple(f"{self._name}/{name}" for name in names)
        self._graph.nodes("Split", (state,), blocks, axis=-1)
        self._values |= dict(zip(names, blocks, strict=True))
        new = self._add_states(self._graph, blocks, valid)
        self._graph.node("Concat", *new, output=f"new_{state}", axis=-1)

    def _add_scan(self, valid: str) -> None:
        """Adds the loop over the valid steps; the reverse direction begins at the end."""
        parts, states = self._program.parts, [f"s{n}" for n in range(self._program.states)]
        needed = _reads(parts["state"], self._program.next_state)
        read = [name for name in _results(parts["input"]) if name in needed]
        needed = _reads(parts["output"], [self._program.result])
        kept = [name for name in (*states, *_results(parts["state"])) if name in needed]
        if not kept:  # the outputs do not depend on the states
            return
        node, axes = self._graph.node, self._graph.axes
        batch = node("Gather", node("Shape", valid), axes(1))
        first = node("ConstantOfShape", node("Concat", batch, axes(self._hidden), axis=0))  # zeros
        is_reverse, count = self._name.endswith("_reverse"), len(read) + 1
        results = self._graph.nodes(
            "Scan",
            (*[first] * len(states), *map(self._value, read), valid),
            tuple(f"{self._name}/all/{name}" for name in (*range(len(states)), *kept)),
            body=self._body(states, read, kept),
            num_scan_inputs=count,
            scan_input_directions=[int(is_reverse)] * count,
            scan_output_directions=[int(is_reverse)] * len(kept),
        )
        self._values |= dict(zip(kept, results[len(states) :], strict=True))

    def _body(self, states: Sequence[str], read: Sequence[str], kept: Sequence[str]) -> GraphProto:
        """Returns one step: states, other inputs (B, H), is_valid (B, 1) -> the next states, kept.

        Args:
            read: the values that the step reads, besides the states and what has no steps.
            kept: the values that the outputs need of each step.
        """
        outside, body = self._values, Graph(f"{self._name}/")
        names = {name: f"{self._name}/{name}" for name in (*states, *read)}
        is_valid = f"{self._name}/is_valid"
        self._values = outside | names
        written = self._add_states(body, [names[name] for name in states], is_valid)
        # An output of a Scan must not be a state as well.
        written += [body.node("Identity", self._value(name)) for name in kept]
        self._values = outside
        inputs = [array_info(name, np.float32, ("batch", self._hidden)) for name in names.values()]
        inputs.append(array_info(is_valid, np.bool_, ("batch", 1)))
        outputs = [array_info(name, np.float32, ("batch", self._hidden)) for name in written]
        return body.finish(self._name, inputs, outputs)

    def _add_states(self, graph: Graph, states: Sequence[str], is_valid: str) -> list[str]:
        """Adds the next states."""
        self._add_part("state", graph)
        # At padding a state stays as it is: in the reverse direction it is still 0.
        pairs = zip(map(self._value, self._program.next_state), states, strict=True)
        return [graph.node("Where", is_valid, new, before) for new, before in pairs]

    def _add_part(self, part: str, graph: Graph) -> None:
        for instruction in self._program.parts[part]:
            add = self._add_product if instruction.matrix else self._add_elementwise
            results = add(graph, instruction)
            self._values |= dict(zip(instruction.results, results, strict=True))

    def _add_product(self, graph: Graph, product: Instruction) -> Sequence[str]:
        assert product.matrix is not None
        rows = graph.node("Concat", *map(self._value, product.operands), axis=-1)
        result = graph.node("MatMul", rows, self._rows(product.matrix))
        names = tuple(f"{result}/{index}" for index in range(len(product.results)))
        blocks = graph.nodes("Split", (result,), names, axis=-1)
        if not product.second:
            return blocks
        starts = map(self._value, product.second)
        return [graph.node("Add", *pair) for pair in zip(blocks, starts, strict=True)]

    def _add_elementwise(self, graph: Graph, instruction: Instruction) -> Sequence[str]:
        operation, values = instruction.operation, [*map(self._value, instruction.operands)]
        if operation in _FUSED:
            operation, order = _FUSED[operation]
            values = [graph.node("Mul", *values[:2]), values[2]][::order]
        if operation == "where":
            values[0] = graph.cast(values[0], np.bool_)
        result = graph.node(_OPERATORS.get(operation, operation.capitalize()), *values)
        return [graph.cast(result, np.float32) if operation in _COMPARISONS else result]

    def _value(self, name: str) -> str:
        """Returns the array of a value, which a constant is added for."""
        if name in self._values:
            return self._values[name]
        number = as_number(name)
        if number is not None:
            return self._graph.constant(f"float_{name}", np.array([number], dtype=np.float32))
        weight, _, block = name.partition(".")
        return self._rows(Matrix(weight, int(block), int(block) + 1))

    def _rows(self, part: Matrix) -> str:
        """Adds rows of a weight, transposed."""
        rows = self._weights[part.name].detach().numpy()
        rows = rows[part.first * self._hidden : part.end * self._hidden]
        return self._graph.constant(f"rnn.{part}_{self._name}", rows.T)


def _reads(part: Sequence[Instruction], more: Sequence[str]) -> set[str]:
    return {*more, *(name for instruction in part for name in instruction.reads)}


def _results(part: Sequence[Instruction]) -> list[str]:
    return [name for instruction in part for name in instruction.results]
