"""A sweep from the command line is trained once, prints a line for each run and ranks them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

GRID = ("-m", "data=digits", "trainer.max_epochs=2", "model.hidden_size=4,8", "seed=0,1")
DATA = ("data=digits", "trainer.max_epochs=1", "diagnostics=false")


def _records(folder: Path) -> dict[str, Any]:
    paths = folder.glob("outputs/sweeps/*/*/record.json")
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def _folder(folder: Path) -> Path:
    """Returns the folder of the only sweep, whose name was made from the swept keys."""
    (found,) = folder.glob("outputs/sweeps/*")
    return found


def test_a_sweep_is_trained_once_and_extended_and_its_members_can_be_reproduced(seqsweep, tmp_path):
    first = seqsweep("train", *GRID, "sweep.report=true")
    assert first.code == 0, first.err
    assert first.err == ""
    assert "sweep of 4 runs" in first.out
    assert "[4/4] hidden_size=" in first.out  # two threads train, so the order may differ
    assert first.out.count("  val/acc 0.") >= 4
    assert "seqsweep tensorboard " in first.out
    folder = _folder(tmp_path)
    beside = {"report.html", "report.csv", "report.json", "baselines.json", "sweep.json"}
    assert beside == {path.name for path in folder.iterdir()} - _records(tmp_path).keys()
    before = _records(tmp_path)
    assert len(before) == 4

    same = seqsweep("train", *GRID, "model.num_layers=1")
    assert "4 done, 0 to train" in same.out
    more = seqsweep("train", *GRID[:-1], "seed=0,1,2")
    assert "4 done, 2 to train" in more.out
    assert "earlier" not in more.out
    board = seqsweep("leaderboard", str(folder)).out
    assert board in more.out
    assert "±" in board  # three seeds of each config in one row
    assert len([line for line in board.splitlines() if re.match(r" [12] .* 3 ", line)]) == 2
    fewer = (seqsweep("plan", *GRID[1:]), seqsweep("train", *GRID))
    others = "2 more runs of earlier commands are in this folder; leaderboard and report show"
    assert all(others in done.out for done in fewer) and board in fewer[1].out
    after = _records(tmp_path)
    assert len(after) == 6
    assert {name: after[name] for name in before} == before
    assert "6 runs, 6 complete" in seqsweep("status", str(folder)).out

    single = [option.replace("4,8", "8").replace("0,1", "1") for option in GRID if option != "-m"]
    assert seqsweep("train", *single).code == 0
    (alone,) = tmp_path.glob("outputs/runs/*/*/metrics.csv")
    member = folder / alone.parent.name
    assert (member / "metrics.csv").read_bytes() == alone.read_bytes()
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = seqsweep("reproduce", str(member))
    assert (again.code, again.out, again.err) == (0, "identical\n", "")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_hydras_sweeper_and_launcher_train_the_same_sweep(seqsweep, tmp_path):
    """The runs train in the folder that seqsweep's sweeper would make for the same grid."""
    result = seqsweep("train", *GRID, "hydra/sweeper=basic", "hydra/launcher=basic")
    assert result.code == 0, result.err
    assert len(_records(tmp_path)) == 4
    assert ": 4 done, 0 to train" in seqsweep("train", *GRID).out
    again = seqsweep("train", *GRID, "hydra/sweeper=basic", "rerun=true")
    assert again.code == 0, again.err
    assert again.out.endswith(seqsweep("leaderboard", str(_folder(tmp_path))).out)
    for log in tmp_path.rglob("train.log"):
        assert log.read_text().count(" INFO done: ") == 2


def test_a_cross_validation_is_one_row_for_each_config(seqsweep, tmp_path):
    command = ("train", "-m", *DATA, "sweep=cross_validation", "data.folds=3")
    first = seqsweep(*command, "model.hidden_size=4,8")
    assert first.code == 0, first.err
    assert "sweep of 6 runs" in first.out
    assert "over the replicates (3 folds, each with its own seed)" in first.out
    assert "corrected resampled t-test" in first.out
    before = _records(tmp_path)
    sizes = [record["splits"]["test"]["sequences"] for record in before.values()]
    assert sum(sizes) == 2 * 1797
    # The same command repeats nothing, and more values train only the new ones.
    more = seqsweep(*command, "model.hidden_size=4,8,12")
    assert "6 done, 3 to train" in more.out
    after = _records(tmp_path)
    assert len(after) == 9 and before.items() <= after.items()
