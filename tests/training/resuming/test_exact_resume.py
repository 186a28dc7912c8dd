"""A user's own data module and network resume to the bit, whatever draws their random numbers."""

import random

import numpy as np
import pytest
import torch
from run_files import SMALL, epochs_in_log, result

from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.train import train

OWN = (*SMALL, "engine=autograd", "trainer.max_epochs=5", "optimizer.lr=0.05")
SHORT = "trainer.max_epochs=3"  # each epoch starts processes, and the second break is in the third
CONFIGS = {
    "plain": ((), {}),
    "workers": ((SHORT,), {"num_workers": 2}),
    "seldom validated, workers": (("trainer.check_val_every_n_epoch=2",), {"num_workers": 1}),
    "accumulated": (("trainer.accumulate_grad_batches=2",), {}),
    "reloaded": ((SHORT, "trainer.reload_dataloaders_every_n_epochs=1"), {"num_workers": 1}),
    "validated in the middle": (("trainer.val_check_interval=2",), {}),
    "max_steps": (("trainer.max_steps=13",), {}),
    "max_steps at the end of an epoch": (("trainer.max_steps=12",), {}),
    "drawing callback": (("+callbacks.draws._target_=noisy_data.Draws",), {}),
}  # fmt: skip
"""The cases, so ordered that only one of the dear ones, with workers, belongs to `make test`."""


@pytest.fixture
def own(checked):
    """Plans a run with a data module and a network of the user's own."""

    def call(*overrides: str, **arguments: object) -> PlannedRun:
        sections = {
            "data": {"_target_": "noisy_data.Data", **arguments},
            "model": {"_target_": "noisy_data.Net"},
        }
        return plan(checked(*OWN, *overrides) | sections)

    return call


def draw_from_all() -> None:
    torch.rand(5)
    np.random.rand(5)
    random.random()


@pytest.mark.sampled(2, 5)
@pytest.mark.parametrize("name", CONFIGS)
def test_an_interrupted_run_equals_an_uninterrupted_one(own, ends_undisturbed, at, interrupt, name):
    """The run is interrupted in its second epoch, and again in its fourth."""
    overrides, arguments = CONFIGS[name]
    member = own(*overrides, **arguments)
    for step in (5, 4):
        interrupt(member, at("on_train_batch_end", step))
        draw_from_all()  # what the program draws besides
    ends_undisturbed(member)


def test_a_run_that_a_callback_has_stopped_stays_stopped(own, ends_undisturbed, at, interrupt):
    """The callback keeps no state, and the run is killed before the record."""
    member = own("+callbacks.stop._target_=noisy_data.Stops")
    interrupt(member, at("on_test_start", 1))
    outcome = ends_undisturbed(member)
    assert outcome.record.epochs < 5
    assert epochs_in_log(outcome.folder.path) == list(range(outcome.record.epochs))


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


def test_workers_that_persist_are_named(own, tmp_path, capsys):
    train(own("trainer.max_epochs=1", num_workers=1, persistent=True), tmp_path)
    assert "persistent_workers of a DataLoader: what it draws" in capsys.readouterr().err


def test_loading_at_other_epochs_is_refused_before_anything_starts(own, tmp_path):
    run = own("trainer.reload_dataloaders_every_n_epochs=2")
    with pytest.raises(ValueError, match="reload_dataloaders_every_n_epochs=2: must be 0 or 1"):
        train(run, tmp_path)
    assert not list(tmp_path.iterdir())
