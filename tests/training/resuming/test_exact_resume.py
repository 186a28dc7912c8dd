"""A user's own data module and network give equal runs, whatever draws their random numbers."""

import random

import numpy as np
import pytest
import torch
from run_files import SMALL, result

from seqsweep.training.planned_run import plan
from seqsweep.training.train import train


@pytest.fixture
def own(column):
    """Plans a run with a data module and a network of the user's own."""
    return lambda *overrides, **arguments: column("own", *overrides, **arguments).runs[0]


def draw_from_all() -> None:
    torch.rand(5)
    np.random.rand(5)
    random.random()


@pytest.mark.slow
def test_two_runs_are_equal_and_leave_the_generators_of_the_program(own, tmp_path):
    """A second training of the run is equal too, whatever the program has drawn before."""
    states: list[object] = []
    results: list[object] = []
    for n in range(2):
        draw_from_all()
        before = torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()
        outcome = train(own("+callbacks.draws._target_=noisy_data.Draws"), tmp_path / str(n))
        after = torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()
        assert before == after
        states.append(before)
        results.append(result(outcome.folder.path))
    assert states[0] != states[1]
    assert results[0] == results[1]


def test_the_number_of_workers_counts_because_a_dataset_may_draw_in_them(own, checked):
    assert own(num_workers=0).run_id != own(num_workers=2).run_id
    ours = [plan(checked(*SMALL, f"data.num_workers={n}")).run_id for n in (0, 2)]
    assert ours[0] == ours[1]


@pytest.mark.slow
def test_workers_that_persist_are_named(own, tmp_path, capsys):
    train(own("trainer.max_epochs=1", num_workers=1, persistent=True), tmp_path)
    assert "persistent_workers of a DataLoader: what it draws" in capsys.readouterr().err
