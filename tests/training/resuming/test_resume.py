"""A run that was interrupted at any moment and resumed equals an undisturbed run to the bit."""

import multiprocessing
import random
import signal

import pytest
from hooked import train_with
from run_files import epochs_in_log

from seqsweep.errors import Interrupted, RunFailed
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.train import train

STEPS_PER_EPOCH, EPOCHS = 3, 5
EARLY = (
    "callbacks=early_stopping", "monitor=val/loss", "callbacks.early_stopping.patience=2",
    "data.source.seed=5", "trainer.max_epochs=20",
)  # fmt: skip
CONFIGS: dict[str, tuple[str, ...]] = {
    "dropout": ("model.num_layers=2", "model.dropout=0.4"),
    "plateau": ("scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5"),
    "cosine": ("scheduler=cosine", "scheduler.warmup_epochs=2", "optimizer=rmsprop",
               "optimizer.momentum=0.9", "model.pooling=attention", "model.bidirectional=true"),
    "step": ("scheduler=step", "scheduler.step_size=2", "scheduler.gamma=0.5",
             "optimizer=sgd", "optimizer.nesterov=true"),
    "seldom validated": ("trainer.check_val_every_n_epoch=2", "model.cell=gru",
                         "model.bidirectional=true", "loss.class_weights=balanced"),
    "never validated": ("data.val_fraction=0", "monitor=train/loss",
                        "model.layer_norm=true", "model.num_layers=3", "model.dropout=0.2"),
    "few batches": ("trainer.limit_train_batches=2", "trainer.limit_val_batches=1",
                    "model.cell=lstm", "model.recurrent_init=orthogonal", "model.forget_bias=1"),
    "one log": ("logger=csv", "data.test_fraction=0"),
    "linear recurrence": ("model.cell=lru", "model.num_layers=2", "model.dropout=0.2"),
    "early stopping": EARLY,
    "augmented": ("data.transform.jitter=0.3", "data.transform.time_mask=2"),
}  # fmt: skip


class Broken(RuntimeError):
    """An error that ends a run."""


@pytest.mark.sampled(3, 6)
@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "dropout"])
def test_interrupted_runs_equal_uninterrupted_ones(planned, ends_undisturbed, name, at, interrupt):
    """The interruption is at a random step of the second to the fourth epoch."""
    member = planned(*CONFIGS[name])
    steps = 2 if name == "few batches" else STEPS_PER_EPOCH
    interrupt(member, at("on_train_batch_end", random.Random(name).randint(steps + 1, 4 * steps)))
    outcome = ends_undisturbed(member)
    if name == "one log":
        assert not list(outcome.folder.path.rglob("events.*"))


HOOKS = [
    *(("on_train_batch_end", step) for step in (1, 3, 5, 10, 15)),  # in and between epochs
    ("on_fit_start", 1), ("on_train_epoch_start", 3), ("on_train_batch_start", 7),
    ("on_validation_batch_end", 6), ("on_validation_end", 5), ("on_train_epoch_end", 3),
    ("on_fit_end", 1), ("on_test_batch_end", 2), ("teardown", 2),
]  # fmt: skip


@pytest.mark.sampled(5, 9)
@pytest.mark.parametrize(("hook", "n"), HOOKS, ids=[f"{hook} {n}" for hook, n in HOOKS])
def test_a_run_interrupted_at_any_moment_equals_the_uninterrupted_one(
    planned, ends_undisturbed, tmp_path, hook, n, at, interrupt
):
    member = planned(*CONFIGS["dropout"], *CONFIGS["plateau"])
    interrupt(member, at(hook, n))
    assert not (tmp_path / member.run_id / "record.json").exists()
    outcome = ends_undisturbed(member)
    assert outcome.trained
    if hook == "on_train_batch_end":
        # Whole epochs are kept: none is trained twice but the one that was interrupted.
        whole = (n - 1) // STEPS_PER_EPOCH
        assert epochs_in_log(outcome.folder.path) == [*range(whole), *range(whole, EPOCHS)]


class LostWorker(RuntimeError):
    """The error of torch for a worker that a signal to the process group ended."""

    def __init__(self, _: str) -> None:
        super().__init__("DataLoader worker (pid 1) is killed by signal: Terminated. ")
        signal.raise_signal(signal.SIGTERM)


def test_a_run_whose_worker_a_signal_ended_is_interrupted(planned, tmp_path, at, interrupt):
    member = planned()
    interrupt(member, at("on_train_batch_end", 2, LostWorker), Interrupted)
    assert (RunFolder(tmp_path / member.run_id).failure() or {})["kind"] == "interrupted"


def test_a_failed_run_resumes(planned, ends_undisturbed, tmp_path, at, interrupt):
    member = planned(*CONFIGS["dropout"])
    interrupt(member, at("on_train_batch_end", 7, Broken), RunFailed)
    interrupt(member, at("on_train_batch_end", 1, Broken), RunFailed)
    outcome_of_failure = (tmp_path / member.run_id / "failure.json").read_text(encoding="utf-8")
    assert '"attempts": 2' in outcome_of_failure
    assert "Broken: here" in outcome_of_failure
    ends_undisturbed(member)


@pytest.mark.sampled(1, 3)
@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_validation_batch_start"])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_stopped_by_a_signal_resumes(planned, ends_undisturbed, tmp_path, signum, hook, at):
    member = planned(*CONFIGS["dropout"])
    handlers = [signal.getsignal(number) for number in (2, 15, 1)]
    with pytest.raises(Interrupted, match=signum.name) as stopped:
        train_with(member, tmp_path, at(hook, 5, signum))
    assert stopped.value.exit_code == 128 + signum
    assert [signal.getsignal(number) for number in (2, 15, 1)] == handlers
    folder = tmp_path / member.run_id
    assert '"interrupted"' in (folder / "failure.json").read_text(encoding="utf-8")
    ends_undisturbed(member)


@pytest.mark.durability
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_killed_at_every_rename_equals_the_uninterrupted_one(
    planned, ends_undisturbed, killed_at_every_rename, after
):
    """Every file of seqsweep gets its name by a rename; the process is killed at the n-th."""
    member = planned(*CONFIGS["dropout"], *CONFIGS["step"])
    for root in killed_at_every_rename(lambda root: train(member, root), after, 2 + 3 * EPOCHS):
        ends_undisturbed(member, root=root)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("hook", "then", "every"),
    [
        ("on_train_end", "on_test_start", 1),
        ("on_test_end", "on_test_start", 2),
        # Before the last epoch's checkpoint, so the decision is taken again.
        ("on_validation_end", "on_train_epoch_end", 1),
        ("on_validation_end", "on_train_epoch_end", 2),
    ],
)
def test_early_stopping_that_was_interrupted_around_its_decision_still_stops(
    planned, ends_undisturbed, undisturbed, hook, then, every, at, interrupt
):
    member = planned(*EARLY, f"trainer.check_val_every_n_epoch={every}")
    epochs = undisturbed(member)["record"]["epochs"]
    assert epochs < 20
    interrupt(member, at(hook, epochs // every if hook == "on_validation_end" else 1))
    interrupt(member, at(then, 1))
    ends_undisturbed(member)


WORKERS = "ignore:.*(use of fork|DataLoader will create).*"  # Python 3.12; a machine of one core


@pytest.mark.slow
@pytest.mark.filterwarnings(WORKERS)
def test_a_run_with_workers_resumes_and_leaves_none(planned, ends_undisturbed, at, interrupt):
    """The run equals one without workers, because workers are not part of the run_id."""
    member = planned(*CONFIGS["augmented"], "data.num_workers=2")
    alone = planned(*CONFIGS["augmented"])
    assert member.run_id == alone.run_id
    others = set(multiprocessing.active_children())
    for hook, n in (("on_train_epoch_start", 2), ("on_validation_batch_end", 3)):
        interrupt(member, at(hook, n))
        assert set(multiprocessing.active_children()) <= others  # none is left behind
    ends_undisturbed(member, like=alone)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt", "metrics.csv", "events*[0-9].rows"])
def test_a_damaged_file_costs_only_time(planned, ends_undisturbed, tmp_path, name, at, interrupt):
    member = planned(*CONFIGS["dropout"])
    interrupt(member, at("on_train_batch_end", 11))
    (path,) = (tmp_path / member.run_id).rglob(f"{name}*")
    path.write_bytes(path.read_bytes()[:-40])
    outcome = ends_undisturbed(member)
    again = 2 if name == "last.ckpt" else 0
    assert epochs_in_log(outcome.folder.path)[-EPOCHS + again :] == list(range(again, EPOCHS))


def test_a_run_with_rerun_starts_again(planned, ends_undisturbed, tmp_path, at, interrupt):
    """Both a complete and an interrupted run start again from the first epoch."""
    train(planned(), tmp_path)
    again = planned("rerun=true")
    assert again.run_id == planned().run_id
    for _ in range(2):
        interrupt(again, at("on_train_batch_end", 8))
        assert epochs_in_log(tmp_path / again.run_id)[-2:] == [0, 1]
        assert not (tmp_path / again.run_id / "record.json").exists(), "of the first training"
    outcome = ends_undisturbed(again)
    assert outcome.trained
    assert epochs_in_log(outcome.folder.path)[-EPOCHS:] == list(range(EPOCHS))


def test_a_run_whose_loss_is_nan_has_diverged(planned, tmp_path, at, interrupt, diverging):
    member = planned(*diverging)
    first = train(member, tmp_path / "undisturbed")
    assert first.trained
    assert first.folder.state() == "diverged"
    epoch = first.record.epoch
    assert epoch is not None and epoch > 0
    assert first.record.status == "diverged"
    assert f"in epoch {epoch}" in str(first.record.error)
    assert epochs_in_log(first.folder.path) == list(range(epoch))
    names = {path.name for path in first.folder.path.iterdir()}
    assert names >= {"record.json", "config.yaml", "provenance.json"}
    assert "failure.json" not in names
    interrupt(member, at("on_train_batch_end", epoch))
    interrupt(member, at("on_train_epoch_end", epoch))
    assert train(member, tmp_path).record == first.record


@pytest.mark.parametrize(
    "options",
    [
        ("model.num_layers=3",),  # NaN in test only
        ("model.num_layers=3", "data.val_fraction=0.2", "data.test_fraction=0"),
        # The loss is 4.7e22 and its gradient's norm too large for float32.
        ("model.num_layers=3", "data.test_fraction=0", "data.batch_size=20",
         "data.source.length=12"),
    ],
    ids=["test", "val", "gradient"],
)  # fmt: skip
def test_a_run_that_breaks_in_its_last_step_has_a_record(planned, tmp_path, options, diverging):
    """Whichever value is not finite, the same command must not train the run again."""
    member = planned(*diverging, *options, "trainer.max_epochs=1")
    outcome = train(member, tmp_path)
    assert outcome.trained
    again = train(member, tmp_path)
    assert not again.trained
    assert again.record.content == again.record.content | outcome.record.content
