"""A longer run continues a shorter run of the same config and equals an undisturbed run."""

import json

import pytest
from run_files import assert_equal, epochs_in_log, result

from seqsweep.runs.identity import SEMANTICS
from seqsweep.training.train import train

pytestmark = pytest.mark.slow

EARLY = (
    "callbacks=early_stopping", "monitor=val/loss", "callbacks.early_stopping.patience=2",
    "data.source.seed=5", "trainer.max_epochs=20",
)  # fmt: skip
LONGER = {
    "step": (
        "scheduler=step", "scheduler.step_size=2", "scheduler.gamma=0.5",
        "model.num_layers=2", "model.dropout=0.4",
    ),
    "plateau": (
        "scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5",
        "trainer.check_val_every_n_epoch=2",
    ),
    "patient": (*EARLY[:2], "callbacks.early_stopping.patience=50"),
}  # fmt: skip


@pytest.mark.parametrize("name", LONGER)
def test_more_epochs_continue_a_finished_run_even_if_interrupted(
    planned, ends_undisturbed, undisturbed, tmp_path, name, at, interrupt
):
    """The longer run trains only its new epochs, and leaves the shorter run as it is."""
    shorter = planned(*LONGER[name])
    train(shorter, tmp_path)
    member = planned(*LONGER[name], "trainer.max_epochs=8")
    for step in (2, 5):
        interrupt(member, at("on_train_batch_end", step))
    outcome = ends_undisturbed(member)
    assert sorted({*epochs_in_log(outcome.folder.path)}) == [5, 6, 7]
    assert_equal(result(tmp_path / shorter.run_id), undisturbed(shorter))


def test_more_epochs_continue_a_run_of_the_shorter_sweep(planned, ends_undisturbed, tmp_path):
    """The folders of two unnamed sweeps of one grid differ in the hash of the epochs."""
    train(planned(), tmp_path / "digits-seed-0a1b2c")
    train(planned("trainer.max_epochs=6"), tmp_path / "digits-seed-mine")
    member = planned("trainer.max_epochs=7")
    outcome = ends_undisturbed(member, root=tmp_path / "digits-seed-3d4e5f")
    assert epochs_in_log(outcome.folder.path) == [5, 6]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("damaged", ["last.ckpt", "best.ckpt", "metrics.csv"])
def test_more_epochs_of_a_damaged_run_start_again(planned, ends_undisturbed, tmp_path, damaged):
    shorter = train(planned(), tmp_path).folder.path
    (path,) = shorter.rglob(damaged)
    path.write_bytes(path.read_bytes()[:-10])
    ends_undisturbed(planned("trainer.max_epochs=6"))


def test_a_run_of_another_config_or_version_is_not_continued(planned, train_anew, tmp_path):
    """The first epochs of another version may differ from those of this version."""
    folder = train(planned(), tmp_path).folder.path
    for other in ("seed=1", "data.batch_size=6", "optimizer.lr=0.01", "data.source.seed=1"):
        outcome = train_anew(planned(other, "trainer.max_epochs=6"), tmp_path)
        assert epochs_in_log(outcome.folder.path) == list(range(6)), other
    path = folder / "record.json"
    record = json.loads(path.read_text()) | {"semantics": SEMANTICS - 1}
    path.write_text(json.dumps(record))
    outcome = train_anew(planned("trainer.max_epochs=6"), tmp_path)
    assert epochs_in_log(outcome.folder.path) == list(range(6))


def test_a_run_that_stopped_early_does_not_begin_a_longer_one(planned, ends_undisturbed, tmp_path):
    train(planned(*EARLY), tmp_path)
    ends_undisturbed(planned(*EARLY, "trainer.max_epochs=30"))


def test_a_scheduler_that_depends_on_the_epochs_starts_again(planned, ends_undisturbed, tmp_path):
    shorter = train(planned("scheduler=cosine"), tmp_path).folder.path
    outcome = ends_undisturbed(planned("scheduler=cosine", "trainer.max_epochs=7"))
    text = (outcome.folder.path / "train.log").read_text(encoding="utf-8")
    assert f"{shorter} has 5 epochs of this config, but its scheduler depends on" in text
    assert epochs_in_log(outcome.folder.path) == list(range(7))
