"""The package reproduces the teaching notebook's three classifiers and trainings.

Source: github.com/dasom222g/learn-LLM, 01_1_RNN_basic.ipynb, as scripts/notebook_parity.py
restates it.
"""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from seqsweep.models.classifier import BiDirectionalRNN, MultiLayerRNN, SimpleRNN

INPUT, HIDDEN, LAYERS, CLASSES = 5, 10, 3, 4


with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parents[1] / "scripts")
    notebook: Any = importlib.import_module("notebook_parity")


@pytest.fixture
def x():
    """A batch of the notebook's shape (B, T, F) = (3, 6, 5)."""
    return torch.randn(3, 6, INPUT, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("ours", "theirs", "sizes"),
    [
        (SimpleRNN, notebook.SimpleRNN, (INPUT, HIDDEN, CLASSES)),
        (MultiLayerRNN, notebook.MultiLayerRNN, (INPUT, HIDDEN, LAYERS, CLASSES)),
        (BiDirectionalRNN, notebook.BiDirectionalRNN, (INPUT, HIDDEN, LAYERS, CLASSES)),
    ],
)
def test_equal_weights_give_the_notebooks_logits(ours, theirs, sizes, x):
    model, reference = ours(*sizes), theirs(*sizes)
    reference.load_state_dict(model.state_dict())  # the names and shapes are the same
    # Not torch.equal: the notebook's out[:, -1, :] is a view with strides, and the product of the
    # head may round it otherwise than the state that ours reads.
    torch.testing.assert_close(model(x), reference(x), rtol=0, atol=1e-6)
    assert torch.equal(model(x), model(x, torch.full((3,), 6)))


@pytest.mark.parametrize("variant", notebook.BLOCKS)
def test_equal_training_gives_the_notebooks_losses(variant, tmp_path):
    """Compares seqsweep's training, with Trainer and metrics.csv, to the notebook's loop."""
    losses = notebook.parity(variant, tmp_path, seed=3)
    assert len(losses.ours) == 20 and losses.ours[-1] < losses.ours[0] / 5
    assert notebook.largest_difference(losses.ours, losses.notebook) <= notebook.BOUND


@pytest.mark.slow  # starts a command, which imports torch
def test_an_experiment_prints_the_notebooks_lines(start_command, tmp_path):
    """The program prints four lines in the notebook's form, with the losses of metrics.csv."""
    process = start_command("train", "experiment=notebook_bidirectional")
    printed, error = process.communicate(timeout=180)
    assert process.returncode == 0, error
    (run,) = (tmp_path / "outputs" / "runs" / "notebook_bidirectional").iterdir()
    losses = notebook.logged_losses(run)
    lines = [line for line in printed.splitlines() if line.startswith("Epoch")]
    assert lines == [f"Epoch [{n}/20], Loss: {losses[n - 1]:.4f}" for n in (5, 10, 15, 20)]
