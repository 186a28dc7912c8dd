"""The program of a cell: one step and its derivative, as operations.

A value is a block: a row for each sequence and step (B, H), or a vector (H,) that depends on the
weights alone. These are the names of values:

    x            the input of the layer, which only products read
    s0 s1 ..     the blocks of the previous state
    bias_ih.0    block 0 of the vector `bias_ih`
    0.5          a constant, which becomes a float32 where it is used
    v0 v1 ..     values of the forward pass
    dy           the gradient of the output
    ds0 ds1 ..   the gradient of the next state, from the step after it
    g0 g1 ..     values of the backward pass

Each name is assigned once. This module does not need torch, so a program can be read without it.
"""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

# The index of an operation is its number in the C++ library.
OPERATIONS = (
    "neg", "abs", "sqrt", "exp", "log", "tanh", "sigmoid", "softplus", "relu", "sin", "cos", "sign",
    "copy", "without_tiny",
    "add", "sub", "mul", "div", "maximum", "minimum", "lt", "le", "eq", "sigmoid_slope",
    "tanh_slope",
    "fma", "fms", "fnma", "where",
)  # fmt: skip
# The operations with a matrix, and the mark before their second operands.
MATRIX_OPERATIONS = {"product": "+", "transposed": "+", "outer": ";"}
FORWARD = ("weights", "input", "state", "output")
BACKWARD = ("output'", "state'", "input'", "weights'")
PARTS = FORWARD + BACKWARD
PROGRAMS = Path(__file__).parent / "programs"


def as_number(name: str) -> float | None:
    """Returns the number that a constant is, or None for other values."""
    try:
        return float(name)
    except ValueError:
        return None


class Matrix(NamedTuple):
    """The blocks of rows `first` to `end` of a weight."""

    name: str
    first: int
    end: int

    def __str__(self) -> str:
        return f"{self.name}[{self.first}:{self.end}]"


class Instruction(NamedTuple):
    """One operation on blocks.

    An elementwise operation is one of `OPERATIONS`, with one result. The others are:

        v0 v1 = product W[0:2] s0 + v2 v3    row * W^T, as `functional.linear`, on top of a start
        g2 = transposed W[0:2] g0 g1 + g3    row * W, on top of a start
        transposed W[0:2] g0 g1              the same for `x`: goes to the layer below
        outer W[0:2] g0 g1 ; s0              adds to the gradient of these rows of W
        g4 = sum g0                          the sum of a row over all steps, a vector

    Args:
        operation: its name.
        results: the names that it assigns.
        operands: the values that it reads.
        matrix: the rows of the matrix of `product`, `transposed` and `outer`.
        second: the start, empty for zeros, or the rows that the product of an `outer` read.
    """

    operation: str
    results: tuple[str, ...]
    operands: tuple[str, ...]
    matrix: Matrix | None = None
    second: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """All values that the instruction reads."""
        return self.operands + self.second

    def __str__(self) -> str:
        words = [*self.results, "="] if self.results else []
        words += [self.operation, *([str(self.matrix)] if self.matrix else []), *self.operands]
        if self.second:
            words += [MATRIX_OPERATIONS[self.operation], *self.second]
        return " ".join(words)

    @classmethod
    def parse(cls, line: str) -> Self:
        """Reads what `str` gives."""
        left, _, right = line.rpartition(" = ")
        operation, *words = right.split()
        if operation not in MATRIX_OPERATIONS:
            return cls(operation, tuple(left.split()), tuple(words))
        found = re.fullmatch(r"(\w+)\[(\d+):(\d+)\]", words.pop(0))
        assert found is not None, line
        mark = MATRIX_OPERATIONS[operation]
        end = words.index(mark) if mark in words else len(words)
        matrix = Matrix(found[1], int(found[2]), int(found[3]))
        operands, second = tuple(words[:end]), tuple(words[end + 1 :])
        return cls(operation, tuple(left.split()), operands, matrix, second)


@dataclasses.dataclass(frozen=True)
class Program:
    """One step of a cell and its derivative.

    Args:
        weights: for each weight its blocks of rows and its columns: 0 for a vector, -1 for the
            inputs of the layer, or a number of blocks.
        states: the number of blocks of the state.
        parts: the instructions of each of `PARTS`. Forward, `weights` reads weights alone, `input`
            no state, `state` computes the next state, and `output` the rest. Backward, `output'`
            does not read the gradient of the next state, `state'` computes that of the previous
            state, `input'` the rest, and `weights'` reads vectors alone.
        next_state: the value of each block of the next state.
        result: the value that is the output.
        carry: the gradient of each block of the previous state.
        totals: the gradients of the blocks of the next state that the output reads, each through
            the output and later steps.
        gradients: the gradient of each block of the vectors. `outer` computes those of matrices.
        no_weight_decay: the weights that weight decay spares.
    """

    weights: dict[str, tuple[int, int]]
    states: int
    parts: dict[str, tuple[Instruction, ...]]
    next_state: tuple[str, ...]
    result: str
    carry: tuple[str, ...]
    totals: tuple[str, ...]
    gradients: dict[str, str]
    no_weight_decay: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for name, (rows, columns) in self.weights.items():
            yield f"weight {name} {rows} {columns}"
        if self.no_weight_decay:
            yield " ".join(("no_weight_decay", *self.no_weight_decay))
        yield f"states {self.states}"
        for part in PARTS:
            yield f"{part}:"
            for instruction in self.parts[part]:
                yield f"  {instruction}"
        yield " ".join(("next", *self.next_state))
        yield f"result {self.result}"
        yield " ".join(("carry", *self.carry))
        yield " ".join(("totals", *self.totals))
        for name, value in self.gradients.items():
            yield f"gradient {name} {value}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str` gives."""
        weights, gradients = dict[str, tuple[int, int]](), dict[str, str]()
        parts = {part: list[Instruction]() for part in PARTS}
        single, part = dict[str, tuple[str, ...]](), ""
        for line in text.splitlines():
            key, *words = line.split()
            if line.startswith(" "):
                parts[part].append(Instruction.parse(line.strip()))
            elif line.endswith(":"):
                part = line[:-1]
            elif key == "weight":
                weights[words[0]] = int(words[1]), int(words[2])
            elif key == "gradient":
                gradients[words[0]] = words[1]
            else:
                single[key] = tuple(words)
        return cls(
            weights,
            int(single["states"][0]),
            {name: tuple(instructions) for name, instructions in parts.items()},
            single["next"],
            single["result"][0],
            single["carry"],
            single["totals"],
            gradients,
            single.get("no_weight_decay", ()),
        )

    @property
    def gates(self) -> int:
        """The blocks of rows of the matrices that read the layer's inputs."""
        return sum(rows for rows, columns in self.weights.values() if columns < 0)

    @property
    def squares(self) -> int:
        """The number of (H, H) matrices of a layer and direction behind its input weights."""
        return sum(rows * columns for rows, columns in self.weights.values() if columns > 0)

    @property
    def digest(self) -> str:
        """The sha256 of the program's text."""
        return hashlib.sha256(str(self).encode()).hexdigest()


KERNELS = ("rnn", "rnn-relu", "gru", "lstm", "indrnn", "indrnn-relu")
"""The programs that the C++ library has as kernels of its own; their indices are its numbers."""


@functools.cache
def program_names() -> tuple[str, ...]:
    """Returns the names of our programs: a cell, or `CELL-relu`."""
    return tuple(sorted(path.stem for path in PROGRAMS.glob("*.txt")))


@functools.cache
def packaged_program(name: str) -> Program:
    """Returns one of the programs of this package."""
    return Program.parse((PROGRAMS / f"{name}.txt").read_text(encoding="utf-8"))
