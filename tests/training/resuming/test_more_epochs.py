"""A longer run continues a shorter run of the same config and equals an undisturbed run."""

import pytest

from seqsweep.runs import identity
from seqsweep.runs.identity import run_id
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training import resume
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
    planned, undisturbed, tmp_path, name, result, assert_equal, epochs_in_log
):
    """Runs of 5, 8 and 10 epochs train only their new epochs and equal undisturbed runs."""
    before = 0
    for epochs in (5, 8, 10):
        resume._finished_runs.cache_clear()
        member = planned(*LONGER[name], f"trainer.max_epochs={epochs}")
        outcome = train(member, tmp_path)
        assert epochs_in_log(outcome.folder.path) == list(range(before, epochs))
        assert_equal(result(outcome.folder.path), undisturbed(member))
        before = epochs
    assert len(list(tmp_path.iterdir())) == 3
    assert_equal(
        result(tmp_path / planned(*LONGER[name]).run_id), undisturbed(planned(*LONGER[name]))
    )


def test_more_epochs_continue_a_run_of_the_shorter_sweep(
    planned, undisturbed, tmp_path, result, assert_equal, epochs_in_log
):
    """The folders of two unnamed sweeps of one grid differ in the hash of the epochs."""
    train(planned(), tmp_path / "digits-seed-0a1b2c")
    train(planned("trainer.max_epochs=6"), tmp_path / "digits-seed-mine")
    resume._finished_runs.cache_clear()
    member = planned("trainer.max_epochs=7")
    outcome = train(member, tmp_path / "digits-seed-3d4e5f")
    assert epochs_in_log(outcome.folder.path) == [5, 6]
    assert_equal(result(outcome.folder.path), undisturbed(member))


def test_a_run_of_another_version_is_not_continued(planned, tmp_path, monkeypatch, epochs_in_log):
    """The first epochs may differ from those of this version."""
    train(planned(), tmp_path)
    resume._finished_runs.cache_clear()
    monkeypatch.setattr(identity, "SEMANTICS", identity.SEMANTICS + 1)
    outcome = train(planned("trainer.max_epochs=6"), tmp_path)
    assert epochs_in_log(outcome.folder.path) == list(range(6))


def test_a_longer_run_that_is_interrupted_resumes(
    planned, undisturbed, tmp_path, at, interrupt, result, assert_equal, epochs_in_log
):
    train(planned(), tmp_path)
    member = planned("trainer.max_epochs=8")
    for step in (2, 5):
        resume._finished_runs.cache_clear()
        interrupt(member, tmp_path, at("on_train_batch_end", step))
    outcome = train(member, tmp_path)
    assert epochs_in_log(outcome.folder.path) == [5, 6, 7]
    assert_equal(result(outcome.folder.path), undisturbed(member))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("damaged", ["last.ckpt", "best.ckpt", "metrics.csv"])
def test_more_epochs_of_a_damaged_run_start_again(
    planned, undisturbed, tmp_path, damaged, result, assert_equal
):
    shorter = train(planned(), tmp_path).folder.path
    (path,) = shorter.rglob(damaged)
    path.write_bytes(path.read_bytes()[:-10])
    resume._finished_runs.cache_clear()
    member = planned("trainer.max_epochs=6")
    outcome = train(member, tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(member))


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "other", ["seed=1", "data.batch_size=6", "optimizer.lr=0.01", "data.source.seed=1"]
)
def test_a_run_of_another_config_is_not_continued(planned, tmp_path, other, epochs_in_log):
    train(planned(), tmp_path)
    resume._finished_runs.cache_clear()
    outcome = train(planned(other, "trainer.max_epochs=6"), tmp_path)
    assert epochs_in_log(outcome.folder.path) == list(range(6))


def test_a_run_that_stopped_early_is_not_the_beginning_of_a_longer_one(
    planned, undisturbed, tmp_path, result, assert_equal
):
    train(planned(*EARLY), tmp_path)
    resume._finished_runs.cache_clear()
    member = planned(*EARLY, "trainer.max_epochs=30")
    outcome = train(member, tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(member))


def test_a_scheduler_laid_out_over_the_epochs_starts_again_and_says_so(
    planned, undisturbed, tmp_path, result, assert_equal, epochs_in_log
):
    shorter = train(planned("scheduler=cosine"), tmp_path).folder.path
    resume._finished_runs.cache_clear()
    member = planned("scheduler=cosine", "trainer.max_epochs=7")
    outcome = train(member, tmp_path)
    text = (outcome.folder.path / "train.log").read_text(encoding="utf-8")
    assert f"{shorter} has 5 epochs of this config, but its scheduler depends on" in text
    assert epochs_in_log(outcome.folder.path) == list(range(7))
    assert_equal(result(outcome.folder.path), undisturbed(member))


def test_only_shorter_runs_are_kept(tmp_path):
    """A worker of a very large sweep would fill its memory with the others."""
    for epochs in (5, 6):
        config = {"seed": 0, "trainer.max_epochs": epochs}
        run = RunFolder(tmp_path / run_id(config, "data"))
        run.start(config, {}, sync=False)
        record = {"config": config, "metrics": {}, "data_fingerprint": "data"}
        run.finish(record, synced=True)
    kept = {longest: resume._finished_runs(tmp_path, longest) for longest in (5, 6, 7)}
    assert {
        longest: sorted(record["config"]["trainer.max_epochs"] for _, record in finished)
        for longest, finished in kept.items()
    } == {5: [], 6: [5], 7: [5, 6]}
    resume._finished_runs.cache_clear()
