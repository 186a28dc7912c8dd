"""A run is judged by its best epoch; one that was refused or has lost its files has failed."""

from collections.abc import Callable

import pytest
import torch
from lock_programs import leave_lock_of
from run_files import SMALL
from torch.nn import functional

from seqsweep.config.schema import Config
from seqsweep.models.module import SequenceClassifier
from seqsweep.runs.lock_files import host_name
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.outcome import finished, record_refusal
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.run_data import data_of
from seqsweep.training.train import train

ERROR = OSError(28, "No space left on device")


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_the_test_metrics_are_those_of_the_best_epoch_and_not_of_the_last(
    checked, tmp_path, engine
):
    member = plan(checked(*SMALL, "optimizer.lr=0.1", "trainer.max_epochs=6", f"engine={engine}"))
    outcome = train(member, tmp_path)
    metrics, test = outcome.record.metrics, data_of(member.config["data"]).prepared.test
    assert test is not None and outcome.record.best_epoch in range(5)
    x, lengths, labels = map(torch.from_numpy, (test.x, test.lengths, test.labels))
    losses: list[float] = []
    for name in ("best", "last"):
        checkpoint = outcome.folder.path / "checkpoints" / f"{name}.ckpt"
        network = SequenceClassifier.load_from_checkpoint(checkpoint).network.eval()
        with torch.inference_mode():
            losses.append(functional.cross_entropy(network(x, lengths), labels).item())
    assert metrics["test/loss"] == pytest.approx(losses[0], abs=1e-5)
    assert metrics["test/loss"] != pytest.approx(losses[1], abs=1e-3)


@pytest.fixture
def member(checked: Callable[..., Config]) -> PlannedRun:
    return plan(checked("data=random", "data.source.num_sequences=40", "data.batch_size=8"))


def test_a_refused_run_counts_as_failed_and_is_free(member, tmp_path):
    folder = RunFolder(tmp_path / member.run_id)
    for attempts in (1, 2):
        record_refusal(member, ERROR, tmp_path)
        assert folder.attempts() == attempts
    assert (folder.failure() or {})["error"] == f"OSError: {ERROR}"
    assert {path.name for path in folder.path.iterdir()} == {"config.yaml", "failure.json"}


@pytest.mark.parametrize("name", ["lock", "record.json"])
def test_a_run_that_another_process_trains_or_has_finished_stays_as_it_is(member, tmp_path, name):
    """The run was refused here on a full disk, and another process has begun it since."""
    folder = RunFolder(tmp_path / member.run_id)
    folder.path.mkdir()
    if name == "lock":
        leave_lock_of("elsewhere", folder.path, age=0)
    else:
        folder.finish(member.record("diverged", {"error": "nan", "epoch": 0}))
    record_refusal(member, ERROR, tmp_path)
    assert [path.name for path in folder.path.iterdir()] == [name]


def test_a_finished_run_loses_the_lock_that_its_killed_process_has_left(member, tmp_path):
    folder = train(member, tmp_path).folder.path
    leave_lock_of(host_name(), folder, age=1000)
    done = finished(member, tmp_path)
    assert done is not None and not (folder / "lock").exists()
