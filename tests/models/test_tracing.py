"""A traced program computes what the class of its cell computes."""

import pytest
import torch
from program_runs import Run, autograd, random_case
from their_cells import THEIR_CELLS

from seqsweep.models.cells import CELLS
from seqsweep.models.tracing import trace

OURS = [(name, CELLS[name], {}) for name in CELLS]
THEIRS = [(name, cell, {}) for name, cell in THEIR_CELLS.items()]
OPTIONS = [
    ("relu", CELLS["indrnn"], {"nonlinearity": "relu"}),
    ("dt", THEIR_CELLS["cornn"], {"dt": 0.3}),
]
ALL = [pytest.param(cell, options, id=name) for name, cell, options in OURS + THEIRS + OPTIONS]


@pytest.mark.parametrize(("inputs", "hidden"), [(3, 4), (4, 4), (1, 1), (2, 7)])
@pytest.mark.parametrize(("cell", "options"), ALL)
def test_a_program_and_autograd_give_equal_outputs_and_gradients(cell, options, inputs, hidden):
    weights, x, dy = random_case(cell, inputs, hidden)
    run = Run(trace(cell, inputs, hidden, options), weights, x, dy)
    outputs, gradients = autograd(cell, options, weights, x, dy)
    torch.testing.assert_close(run.outputs, outputs, rtol=1e-12, atol=1e-12)
    for name, gradient in gradients.items():
        largest = gradient.abs().max().item()
        torch.testing.assert_close(
            run.gradients[name], gradient, rtol=1e-12, atol=1e-12 * max(largest, 1)
        )
