"""Runs that lose a worker, start again, or have a value that is not finite."""

import multiprocessing
import signal

import pytest
from hooked import train_with
from run_files import SMALL, epochs_in_log

from seqsweep.errors import Interrupted
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.train import train

BASE = (*SMALL, "engine=autograd")


class LostWorker(RuntimeError):
    """The error of torch for a worker that a signal to the process group ended."""

    def __init__(self, _: str) -> None:
        super().__init__("DataLoader worker (pid 1) is killed by signal: Terminated. ")
        signal.raise_signal(signal.SIGTERM)


def test_a_run_whose_worker_a_signal_ended_is_interrupted(column, at):
    runs = column("autograd")
    (outcome,) = runs.train(at("on_train_batch_end", 2, LostWorker))
    assert isinstance(outcome, Interrupted)
    assert (RunFolder(runs.folder).failure() or {})["kind"] == "interrupted"


WORKERS = "ignore:.*(use of fork|DataLoader will create).*"  # Python 3.12; a machine of one core


@pytest.mark.durability
@pytest.mark.filterwarnings(WORKERS)
def test_a_run_with_workers_resumes_and_leaves_none(column, undisturbed, at):
    """The run equals one without workers, because workers are not part of the run_id."""
    transform = ("data.transform.jitter=0.3", "data.transform.time_mask=2")
    augmented = (*transform, "trainer.max_epochs=2")
    runs, alone = (
        column("autograd", *augmented, "data.num_workers=2"),
        column("autograd", *augmented),
    )
    assert runs.runs[0].run_id == alone.runs[0].run_id
    others = set(multiprocessing.active_children())
    runs.kill(at("on_validation_batch_end", 3))
    assert set(multiprocessing.active_children()) <= others  # none is left behind
    runs.resume()
    alone.resume()  # is complete already


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_a_run_with_rerun_starts_again(column, at, engine):
    """Both a complete and an interrupted run start again from the first epoch."""
    column(engine).resume()
    runs = column(engine, "rerun=true")
    hook = ("on_epochs", 2) if engine == "native" else ("on_train_batch_end", 8)
    for _ in range(2):
        runs.kill(at(*hook))
        assert epochs_in_log(runs.folder)[-2:] == [0, 1]
        assert not (runs.folder / "record.json").exists(), "of the first training"
    runs.resume(repeated=None)
    assert epochs_in_log(runs.folder)[-5:] == list(range(5))


def test_a_run_whose_loss_is_nan_has_diverged(planned, tmp_path, at, killed, diverging):
    member = planned(*diverging)
    first = train(member, tmp_path / "undisturbed")
    assert first.trained
    assert first.folder.state() == "diverged"
    epoch = first.record.epoch
    assert epoch is not None and epoch > 0
    assert first.record.status == "diverged"
    assert f"in epoch {epoch}" in str(first.record.error)
    assert epochs_in_log(first.folder.path) == list(range(epoch))
    assert first.folder.failure() is None
    for hook in ("on_train_batch_end", "on_train_epoch_end"):
        with pytest.raises(killed):
            train_with(member, tmp_path, at(hook, epoch))
    notes = tmp_path / member.run_id / "notes.txt"
    notes.write_text("mine")
    assert train(member, tmp_path).record == first.record
    assert notes.read_text() == "mine"


@pytest.mark.parametrize(
    "options",
    [
        ("model.num_layers=3",),  # NaN in test only
        # The loss is 4.7e22 and its gradient's norm too large for float32.
        ("model.num_layers=3", "data.test_fraction=0", "data.batch_size=20",
         "data.source.length=12"),
    ],
    ids=["test", "gradient"],
)  # fmt: skip
def test_a_run_that_breaks_in_its_last_step_has_a_record(planned, tmp_path, options, diverging):
    """Whichever value is not finite, the same command must not train the run again."""
    member = planned(*diverging, *options, "trainer.max_epochs=1")
    outcome = train(member, tmp_path)
    assert outcome.trained
    again = train(member, tmp_path)
    assert not again.trained
    assert again.record.content == again.record.content | outcome.record.content
