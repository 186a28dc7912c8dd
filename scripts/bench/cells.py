"""Compares one step of the cells that torch.nn lacks with PyTorch.

    python scripts/bench/cells.py [--cells indrnn mingru minlstm lru] [--steps 128 1024]
        [--hidden 16 64 128]

A step is that of steps.py, of one network on one thread. `loop` is the cell as a loop over the time
steps, with the products of all steps in one call (seqsweep.models.cells). `parallel` needs no loop:
for mingru and minlstm the form in the logarithms of the states (Feng et al. 2024, appendix B), for
lru a scan of complex numbers in log2(T) passes (Hillis and Steele 1986, Data Parallel Algorithms).
The table shows how many times as fast as each the native engine is, and its multiple of the floor:
the products at the core's peak, and the functions of the gates in the native library, alone.
"""

import ctypes
import functools

import torch
from core_peak import core_speed
from frame import Table, cpu_seconds, read_options
from steps import Problem, time_native, time_plain
from torch import Tensor
from torch.nn import functional

from seqsweep.models.cell import Cell
from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.cells import LRU
from seqsweep.models.classifier import RNNClassifier
from seqsweep.native.library import library
from seqsweep.native.step import Shape
from seqsweep.native.structs import flops

BATCH = 32
TANH, SIGMOID, SOFTPLUS = 2, 3, 4  # the functions of the native library
GATES = {
    "indrnn": {TANH: 1},
    "mingru": {SIGMOID: 2},
    "minlstm": {SIGMOID: 5, SOFTPLUS: 2},
    "lru": {TANH: 1, SIGMOID: 1},
}
"""The functions of a step by their number for each unit."""


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
    """Returns the seconds of the products at the core's peak, and of the gates' functions."""
    native = library()
    assert native is not None
    numbers = torch.randn(problem.steps * problem.batch * problem.hidden)
    values = torch.empty_like(numbers)
    arrays = [ctypes.c_void_p(array.data_ptr()) for array in (numbers, values)]
    count = ctypes.c_int64(len(numbers))
    seconds = flops(problem.make(Shape), problem.steps * problem.batch) / peak
    for which, times in GATES[problem.cell].items():
        call = native.handle.seqsweep_function
        seconds += times * cpu_seconds(functools.partial(call, which, count, *arrays), 20)
    return seconds


def main() -> None:
    options = read_options(__doc__, cells=tuple(GATES), steps=[128, 1024], hidden=[16, 64, 128])
    torch.set_num_threads(1)
    peak = core_speed()
    for cell in options.cells:
        table = Table(f"{cell}: steps, hidden", "ms", "loop", "parallel", "floor")
        for steps in options.steps:
            for hidden in options.hidden:
                problem = Problem(cell, steps, BATCH, hidden)
                native = time_native(problem, 1)
                parallel = None if cell == "indrnn" else time_plain(problem, InParallel) / native
                multiple = None if peak is None else native / floor(problem, peak)
                loop = time_plain(problem) / native
                table.row(f"{steps}, {hidden}", native * 1000, loop, parallel, multiple)


if __name__ == "__main__":
    main()
