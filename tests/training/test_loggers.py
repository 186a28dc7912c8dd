"""The curves of a run are its rows, and no thread of a writer is left."""

import threading

import pytest
from run_files import SMALL, curves, rows

from seqsweep.runs.events import event_files
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_a_whole_run_leaves_its_curves_and_no_thread(tmp_path, checked, engine):
    before = {*threading.enumerate()}
    config = checked(*SMALL, f"engine={engine}", "trainer.max_epochs=2")
    folder = train(plan(config), tmp_path).folder.path
    assert not [t for t in {*threading.enumerate()} - before if "Writer" in type(t).__name__]
    assert len(event_files(folder)) == 1
    written = rows(folder)
    for tag, curve in curves(folder).items():
        assert curve == [(int(row["step"]), pytest.approx(float(row[tag]))) for row in written]
