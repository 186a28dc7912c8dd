"""A longer run continues a shorter run of the same config and equals an undisturbed run."""

import pytest
from run_files import assert_equal, epochs_in_log, result

from seqsweep.runs import identity, run_folder
from seqsweep.training import planned_run, resume
from seqsweep.training.train import train

DROPOUT = ("model.num_layers=2", "model.dropout=0.4")
EARLY = (
    "callbacks=early_stopping", "monitor=val/loss", "callbacks.early_stopping.patience=2",
    "data.source.seed=5", "trainer.max_epochs=20",
)  # fmt: skip


LONGER = {
    "constant": (),
    "dropout": DROPOUT,
    "step": ("scheduler=step", "scheduler.step_size=2", "scheduler.gamma=0.5"),
    "plateau": ("scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5"),
    "patient": (*EARLY[:2], "callbacks.early_stopping.patience=50"),
    "seldom validated": ("trainer.check_val_every_n_epoch=2",),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONGER)
def test_more_epochs_continue_a_finished_run(
    planned, ends_undisturbed, undisturbed, tmp_path, name
):
    """Runs of 5, 8 and 10 epochs train only their new epochs and equal undisturbed runs."""
    before = 0
    for epochs in (5, 8, 10):
        resume._finished_runs.cache_clear()
        member = planned(*LONGER[name], f"trainer.max_epochs={epochs}")
        outcome = ends_undisturbed(member)
        assert epochs_in_log(outcome.folder.path) == list(range(before, epochs))
        before = epochs
    assert len(list(tmp_path.iterdir())) == 3
    shortest = planned(*LONGER[name])
    assert_equal(result(tmp_path / shortest.run_id), undisturbed(shortest))


def test_more_epochs_continue_a_run_of_the_shorter_sweep(planned, ends_undisturbed, tmp_path):
    """The folders of two unnamed sweeps of one grid differ in the hash of the epochs."""
    train(planned(), tmp_path / "digits-seed-0a1b2c")
    train(planned("trainer.max_epochs=6"), tmp_path / "digits-seed-mine")
    resume._finished_runs.cache_clear()
    member = planned("trainer.max_epochs=7")
    outcome = ends_undisturbed(member, root=tmp_path / "digits-seed-3d4e5f")
    assert epochs_in_log(outcome.folder.path) == [5, 6]


def test_a_run_of_another_version_is_not_continued(planned, tmp_path, monkeypatch):
    """The first epochs may differ from those of this version."""
    train(planned(), tmp_path)
    resume._finished_runs.cache_clear()
    for module in (identity, planned_run, run_folder):
        monkeypatch.setattr(module, "SEMANTICS", identity.SEMANTICS + 1)
    outcome = train(planned("trainer.max_epochs=6"), tmp_path)
    assert epochs_in_log(outcome.folder.path) == list(range(6))


def test_a_longer_run_that_is_interrupted_resumes(
    planned, ends_undisturbed, tmp_path, at, interrupt
):
    train(planned(), tmp_path)
    member = planned("trainer.max_epochs=8")
    for step in (2, 5):
        resume._finished_runs.cache_clear()
        interrupt(member, at("on_train_batch_end", step))
    outcome = ends_undisturbed(member)
    assert epochs_in_log(outcome.folder.path) == [5, 6, 7]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("damaged", ["last.ckpt", "best.ckpt", "metrics.csv"])
def test_more_epochs_of_a_damaged_run_start_again(planned, ends_undisturbed, tmp_path, damaged):
    shorter = train(planned(), tmp_path).folder.path
    (path,) = shorter.rglob(damaged)
    path.write_bytes(path.read_bytes()[:-10])
    resume._finished_runs.cache_clear()
    member = planned("trainer.max_epochs=6")
    ends_undisturbed(member)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "other", ["seed=1", "data.batch_size=6", "optimizer.lr=0.01", "data.source.seed=1"]
)
def test_a_run_of_another_config_is_not_continued(planned, tmp_path, other):
    train(planned(), tmp_path)
    resume._finished_runs.cache_clear()
    outcome = train(planned(other, "trainer.max_epochs=6"), tmp_path)
    assert epochs_in_log(outcome.folder.path) == list(range(6))


def test_a_run_that_stopped_early_is_not_the_beginning_of_a_longer_one(
    planned, ends_undisturbed, tmp_path
):
    train(planned(*EARLY), tmp_path)
    resume._finished_runs.cache_clear()
    member = planned(*EARLY, "trainer.max_epochs=30")
    ends_undisturbed(member)


def test_a_scheduler_laid_out_over_the_epochs_starts_again_and_says_so(
    planned, ends_undisturbed, tmp_path
):
    shorter = train(planned("scheduler=cosine"), tmp_path).folder.path
    resume._finished_runs.cache_clear()
    member = planned("scheduler=cosine", "trainer.max_epochs=7")
    outcome = ends_undisturbed(member)
    text = (outcome.folder.path / "train.log").read_text(encoding="utf-8")
    assert f"{shorter} has 5 epochs of this config, but its scheduler depends on" in text
    assert epochs_in_log(outcome.folder.path) == list(range(7))
