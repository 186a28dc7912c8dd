"""A run's files for pictures are true to its numbers, and off by a switch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from run_files import SMALL, record

from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train

BASE = (*SMALL, "trainer.max_epochs=2")


@pytest.fixture
def run(planned: Callable[..., PlannedRun], tmp_path: Path) -> Callable[..., RunFolder]:
    return lambda *given, root="runs": train(planned(*given), tmp_path / root).folder


@pytest.mark.parametrize("engine", ["native", "autograd"])
@pytest.mark.parametrize("splits", [["val", "test"], ["test"]], ids=["true", "false"])
def test_the_confusion_is_that_of_the_recorded_metrics(run, engine, splits):
    """A run without diagnostics has no confusion of the validation, which may be older."""
    switch = f"diagnostics={'val' in splits}"
    found = record(run(f"engine={engine}", switch, "optimizer.lr=0.1").path)
    assert found["classes"] == ["0", "1", "2"]
    assert sorted(found["confusion"]) == sorted(splits)
    for split in splits:
        counts = np.array(found["confusion"][split])
        assert counts.trace() / counts.sum() == pytest.approx(found["metrics"][f"{split}/acc"])
        assert counts.sum() > 0 and counts.shape == (3, 3)


def test_a_diagnosis_can_be_switched_off_and_changes_no_number(run):
    on, off = run(root="on"), run("diagnostics=false", root="off")
    assert on.run_id == off.run_id
    assert not (off.path / "diagnostics.json").exists()
    assert "val" not in record(off.path).get("confusion", {})
    assert record(on.path)["metrics"] == record(off.path)["metrics"]
    assert (on.path / "metrics.csv").read_bytes() == (off.path / "metrics.csv").read_bytes()


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_states_that_are_not_finite_end_no_run(run, engine):
    """The run has diverged, which is its end; a picture that failed would be tried for ever."""
    diverging = ("model.nonlinearity=relu", "optimizer=sgd", "optimizer.lr=1000", "seed=4")
    diverging += ("trainer.gradient_clip_val=null", "data.source.length=60")
    one_step = ("data.val_fraction=0", "data.batch_size=32", "trainer.max_epochs=1")
    folder = run(*diverging, *one_step, f"engine={engine}")
    assert record(folder.path)["status"] == "diverged"
    assert folder.failure() is None
