"""The trials that a halving trains again are those that the report calls the best."""

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from seqsweep.results.search.trials import ranked
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import SearchFile
from seqsweep.sweeping.members import SweepMember
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.search.halving import Halving
from seqsweep.sweeping.search.judging import Candidate
from seqsweep.sweeping.search.searched import Searched
from seqsweep.training.planned_run import PlannedRun


def complete_run(folder: Path, number: int, accuracy: float, loss: float) -> Candidate:
    run = RunFolder(folder / f"run{number}")
    run.path.mkdir()
    rows = [f"{epoch},0.5,{loss},{accuracy}" for epoch in range(4)]
    text = "\n".join(["epoch,train/loss,val/loss,val/acc", *rows, ""])
    (run.path / "metrics.csv").write_text(text)
    record: dict[str, Any] = {"status": "complete", "config": {}, "metrics": {}}
    run.finish({**record, "train_seconds": 30.0}, synced=True)
    planned = PlannedRun({"monitor": "val/acc", "seed": 0}, run.run_id, None)
    member = SweepMember([], planned, run, "")
    return Candidate(number, {"a": f"{number}"}, member, QueuedRun(run))


@pytest.fixture
def searched(tmp_path: Path) -> Searched:
    """Four configs of which two tie at the end; the later one has the lower loss."""
    halving = Halving.of(
        ["a=0,1,2,3"], OverridesParser.create(), population=4, rungs=[2, 4], seed=0, top=1, seeds=1
    )
    values = [(0.1, 0.5), (0.9, 0.5), (0.9, 0.2), (0.2, 0.5)]
    runs = [complete_run(tmp_path, number, *each) for number, each in enumerate(values)]
    return Searched(halving, runs, tmp_path)


def test_of_equal_configs_the_one_that_is_named_is_trained_again(
    searched: Searched, tmp_path: Path
) -> None:
    searched.judge()
    file = SearchFile.read(tmp_path)
    assert file is not None
    assert [trial.number for trial in ranked(file)] == [1, 2]
    assert list(searched.confirming()) == [1]
