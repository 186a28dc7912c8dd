"""Compares one step of any cell, ours or of a class, with PyTorch.

    python scripts/bench/cells.py [--cells indrnn example_cells.SRU mine.Leaky]
        [--steps 128 1024] [--hidden 64] [--batch 32]

A step is that of steps.py, of one network on one thread; the table has its milliseconds. `loop` is
the cell as a loop over the time steps in autograd, with the products of all steps in one call
(seqsweep.models.cell_layers); for rnn, gru and lstm it is torch's module. `parallel` needs no loop:
for mingru and minlstm the form in the logarithms of the states (Feng et al. 2024, appendix B), for
lru a scan of complex numbers in log2(T) passes (Hillis and Steele 1986, Data Parallel Algorithms).
The table shows how many times as fast as each the native engine is, and its multiple of the floor:
the products at the core's peak, and the functions of the cell's program in the native library.
"""

import ctypes
import functools
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from core_peak import core_speed
from frame import Table, cpu_seconds, read_options
from problems import FEATURES
from steps import Problem, T, time_native, time_plain
from torch import Tensor
from torch.nn import functional

from seqsweep.models.cell import Cell
from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.cells import CELLS, LRU, cell_class
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.tracing import trace
from seqsweep.native.library import library
from seqsweep.native.program import OPERATIONS
from seqsweep.native.step import Shape
from seqsweep.native.structs import flops

sys.path.append(str(Path(__file__).parents[1]))  # for example_cells

OURS = [name for name in CELLS if CELLS[name].module is None]
EXAMPLES = [f"example_cells.{name}" for name in ("SRU", "MGU", "LiGRU", "CoRNN", "PeepholeLSTM")]
PARALLEL = ("mingru", "minlstm", "lru")
FUNCTIONS = {"exp", "log", "tanh", "sigmoid", "softplus", "sin", "cos"}


class CellProblem(Problem):
    """A problem whose cell may be a class, which has a program."""

    def make(self, kind: Callable[..., T]) -> T:
        made = super().make(kind)
        if not isinstance(made, Shape) or self.cell in CELLS:
            return made
        program = trace(cell_class(self.cell), FEATURES, self.hidden)
        return made._replace(program=program)  # pyright: ignore[reportReturnType]


class InParallel(RNNClassifier):
    """A network of one layer and direction whose cell is computed without a loop."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        layers = self.rnn
        assert isinstance(layers, CellLayers)
        cell = layers.cell(layers.weights("_l0"))
        projected = cell.project(x.flatten(0, 1))
        states = scan(cell, projected.unflatten(0, x.shape[:2]), layers.hidden_size)
        output = cell.output(states.flatten(0, 1), projected)
        return self.fc(output.unflatten(0, x.shape[:2])[:, -1])


def scan(cell: Cell, projected: Tensor, hidden: int) -> Tensor:
    """Returns all states: (B, T, A) -> (B, T, N)."""
    if isinstance(cell, LRU):
        _, re, im = projected.chunk(3, dim=2)
        states, power = torch.complex(re, im), torch.complex(cell.re, cell.im)
        shift = 1
        while shift < states.shape[1]:
            later = states[:, shift:] + power * states[:, :-shift]
            states, power = torch.cat((states[:, :shift], later), dim=1), power * power
            shift *= 2
        return torch.cat((states.real, states.imag), dim=2)
    *gates, candidate = projected.split(hidden, dim=2)
    q = functional.softplus(-gates[0]) - functional.softplus(-gates[1]) if gates[1:] else gates[0]
    total = -functional.softplus(q).cumsum(dim=1)  # the logarithms of the products of `keep`
    positive = (functional.relu(candidate) + 0.5).log()
    log_candidate = torch.where(candidate >= 0, positive, -functional.softplus(-candidate))
    added = log_candidate - functional.softplus(-q)
    return (total + (added - total).logcumsumexp(dim=1)).exp()


def floor(problem: Problem, peak: float) -> float:
    """Returns the seconds of the products at the core's peak, and of the program's functions."""
    shape, rows = problem.make(Shape), problem.steps * problem.batch
    program = shape.cell_program
    assert program is not None
    parts = [each for part, each in program.parts.items() if "weights" not in part]
    used = Counter(i.operation for each in parts for i in each)
    numbers = rows * problem.hidden
    functions = sum(used[name] * seconds_of(name, numbers) for name in FUNCTIONS & used.keys())
    return flops(shape, rows) / peak + functions


@functools.cache
def seconds_of(operation: str, count: int) -> float:
    """Returns the seconds of an operation of the native library on this many numbers."""
    native = library()
    assert native is not None
    numbers = torch.randn(count)
    values = torch.empty_like(numbers)
    arrays = [ctypes.c_void_p(array.data_ptr()) for array in (numbers, numbers, numbers, values)]
    call = native.handle.seqsweep_operation
    arguments = OPERATIONS.index(operation), ctypes.c_int64(count), *arrays
    return cpu_seconds(functools.partial(call, *arguments), 20)


def main() -> None:
    options = read_options(
        __doc__, cells=[*OURS, *EXAMPLES], steps=[128, 1024], hidden=[64], batch=32
    )
    torch.set_num_threads(1)
    peak = core_speed()
    for cell in options.cells:
        table = Table(f"{cell}: steps, hidden", "ms", "loop", "parallel", "floor", first=36)
        for steps in options.steps:
            for hidden in options.hidden:
                problem = CellProblem(cell, steps, options.batch, hidden)
                native = time_native(problem, 1)
                is_parallel = cell in PARALLEL
                parallel = time_plain(problem, InParallel) / native if is_parallel else None
                multiple = None if peak is None else native / floor(problem, peak)
                loop = time_plain(problem) / native
                table.row(f"{steps}, {hidden}", native * 1000, loop, parallel, multiple)


if __name__ == "__main__":
    main()
