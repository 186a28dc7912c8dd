"""Runs a program over sequences with torch, and the class of its cell with autograd.

T steps, B batch, I inputs, H hidden. All sequences have the same length.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from seqsweep.models.cells import Cell
from seqsweep.native.program import Instruction, Program

OPERATIONS: dict[str, Any] = {
    **{name: getattr(torch, name) for name in ("neg", "abs", "sqrt", "exp", "log", "tanh", "relu")},
    **{name: getattr(torch, name) for name in ("sigmoid", "sin", "cos", "sign")},
    "softplus": functional.softplus,
    "copy": torch.clone,
    "without_tiny": lambda a: torch.where(a.abs() < 2.0**-90, 0, a),
    **{name: getattr(torch, name) for name in ("add", "sub", "mul", "div", "maximum", "minimum")},
    "lt": lambda a, b: (a < b).to(a.dtype),
    "le": lambda a, b: (a <= b).to(a.dtype),
    "eq": lambda a, b: (a == b).to(a.dtype),
    "sigmoid_slope": lambda g, y: g * (y - y * y),
    "tanh_slope": lambda g, y: g * (1 - y * y),
    "fma": lambda a, b, c: a * b + c,
    "fms": lambda a, b, c: a * b - c,
    "fnma": lambda a, b, c: c - a * b,
    "where": lambda m, a, b: torch.where(m != 0, a, b),
}


class Run:
    """Runs a program. A value that is read before it is computed is an error.

    Attributes:
        outputs: (T, B, H).
        gradients: those of the weights, and `x`.
    """

    def __init__(
        self, program: Program, weights: Mapping[str, Tensor], x: Tensor, dy: Tensor
    ) -> None:
        self.weights, self.size = weights, dy.shape[-1]
        self.x, self.states = x, [dy.new_zeros(dy.shape[1:])] * program.states
        self.vectors: dict[str, Tensor] = {}
        for name, (rows, columns) in program.weights.items():
            if columns == 0:
                blocks = weights[name].split(self.size)
                self.vectors |= {f"{name}.{k}": blocks[k] for k in range(rows)}
        self.gradients = {name: torch.zeros_like(w) for name, w in {**weights, "x": x}.items()}
        self.rows = [{"x": step, "dy": g} for step, g in zip(x, dy, strict=True)]
        steps = range(len(x))
        self.run_part(program, "weights", [None])
        self.run_part(program, "input", steps)
        self.run_states(program, "state", steps, "s", program.next_state)
        self.run_part(program, "output", steps)
        self.outputs = torch.stack([self.read(program.result, t).expand_as(dy[0]) for t in steps])
        self.run_part(program, "output'", steps)
        self.run_states(program, "state'", reversed(steps), "ds", program.carry)
        self.run_part(program, "input'", steps)
        self.run_part(program, "weights'", [None])
        for name, value in program.gradients.items():
            weight, _, block = name.partition(".")
            place = slice(int(block) * self.size, (int(block) + 1) * self.size)
            self.gradients[weight][place] = self.read(value, None)

    def run_part(self, program: Program, part: str, steps: Any) -> None:
        for t in steps:
            for instruction in program.parts[part]:
                self.execute(instruction, t)

    def run_states(self, program: Program, part: str, steps: Any, letter: str, then: Any) -> None:
        states = self.states
        for t in steps:
            self.rows[t] |= {f"{letter}{k}": state for k, state in enumerate(states)}
            for instruction in program.parts[part]:
                self.execute(instruction, t)
            states = [self.read(name, t).expand_as(self.states[0]) for name in then]

    def read(self, name: str, t: int | None) -> Tensor:
        try:
            return self.x.new_tensor(float(name))
        except ValueError:
            return self.vectors[name] if t is None or name in self.vectors else self.rows[t][name]

    def execute(self, instruction: Instruction, t: int | None) -> None:
        operation, results, operands, matrix, second = instruction
        values, added = ([self.read(n, t) for n in names] for names in (operands, second))
        store = self.vectors if t is None else self.rows[t]
        assert store.keys().isdisjoint(results)
        if matrix is None:
            if operation == "sum":
                (name,) = results
                self.vectors[name] = self.vectors.get(name, 0) + values[0].sum(dim=0)
                return
            store[results[0]] = OPERATIONS[operation](*values)
            return
        rows = slice(matrix.first * self.size, matrix.end * self.size)
        joined, weight = torch.cat(values, dim=1), self.weights[matrix.name][rows]
        if operation == "outer":
            self.gradients[matrix.name][rows] += joined.T @ torch.cat(added, dim=1)
            return
        computed = joined @ (weight.T if operation == "product" else weight)
        if not results:
            assert t is not None
            self.gradients["x"][t] += computed
            return
        for k, (name, block) in enumerate(zip(results, computed.split(self.size, 1), strict=True)):
            store[name] = block + added[k] if added else block


def autograd(
    cell: type[Cell], options: Mapping[str, Any], weights: Mapping[str, Tensor], x: Tensor,
    dy: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:  # fmt: skip
    """Returns the outputs of a cell's class and the gradients, as `Run` does."""
    tensors = {name: w.clone().requires_grad_() for name, w in {**weights, "x": x}.items()}
    network = cell({name: tensors[name] for name in weights}, **options)
    projected = network.project(tensors["x"].flatten(0, 1))
    state, states = x.new_zeros(x.shape[1], cell.state_size(dy.shape[-1])), list[Tensor]()
    for step in projected.split(x.shape[1]):
        state = network.step(step, state)
        states.append(state)
    outputs = network.output(torch.cat(states), projected).view_as(dy)
    found = torch.autograd.grad(outputs, list(tensors.values()), dy, materialize_grads=True)
    return outputs.detach(), dict(zip(tensors, found, strict=True))


def random_case(
    cell: type[Cell], inputs: int, hidden: int, scale: float = 1.0
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Returns weights, inputs (T, B, I) and gradients of outputs: 5 steps of 3 sequences."""
    draw = torch.Generator().manual_seed(hidden)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    weights = {name: scale * normal(*s) for name, s in cell.shapes(inputs, hidden).items()}
    return weights, normal(5, 3, inputs), normal(5, 3, hidden)
