"""A program is accepted if it computes what its class computes, with its gradients."""

import odd_cells
import pytest
import torch

from seqsweep.models.cell import Cell
from seqsweep.models.own_programs import program_of


class Late(Cell):
    """A cell whose step changes with the number of sequences."""

    def step(self, x, state):
        return torch.tanh(x + state * (0.5 if len(state) > 6 else 1.0))


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (odd_cells.Spiking, "it has a gradient of its own"),
        (Late, "step must compute the same each time, for any number of sequences"),
    ],
)
def test_a_class_that_computes_something_else_has_none(cell, reason):
    found = program_of({"cell": cell, "hidden_size": 70})
    place = f".py:{cell.step.__code__.co_firstlineno}: "
    assert isinstance(found, str) and f"{place}{reason}" in found
