"""A sweep from the command line is trained once, prints a line for each run and ranks them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
GRID = ("-m", "data=digits", "trainer.max_epochs=2", "model.hidden_size=4,8", "seed=0,1")


def _records(folder: Path) -> dict[str, Any]:
    paths = folder.glob("outputs/sweeps/*/*/record.json")
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def _folder(folder: Path) -> Path:
    """Returns the folder of the only sweep, whose name was made from the swept keys."""
    (found,) = folder.glob("outputs/sweeps/*")
    return found


def test_a_sweep_is_trained_once_and_extended(seqsweep: Command, tmp_path: Path) -> None:
    first = seqsweep("train", *GRID, "sweep.report=true")
    assert first.code == 0, first.err
    assert first.err == ""
    assert "sweep of 4 runs" in first.out
    assert "[4/4] hidden_size=8 seed=1  val/acc 0." in first.out
    assert "seqsweep tensorboard " in first.out
    folder = _folder(tmp_path)
    beside = {"report.html", "report.csv", "report.json", "baselines.json", "names.json"}
    beside |= {"sweep.json", ".tensorboard"}
    assert beside == {path.name for path in folder.iterdir()} - _records(tmp_path).keys()
    before = _records(tmp_path)
    assert len(before) == 4

    same = seqsweep("train", *GRID, "model.num_layers=1")
    assert "4 done, 0 to train" in same.out
    more = seqsweep("train", *GRID[:-1], "seed=0,1,2")
    assert "4 done, 2 to train" in more.out
    assert "earlier" not in more.out
    assert seqsweep("leaderboard", str(folder)).out in more.out
    after = _records(tmp_path)
    assert len(after) == 6
    assert {name: after[name] for name in before} == before

    board = seqsweep("leaderboard", str(_folder(tmp_path)))
    assert "±" in board.out  # three seeds of each config in one row
    assert len([line for line in board.out.splitlines() if " 3 " in line]) == 2
    status = seqsweep("status", str(_folder(tmp_path)))
    assert "6 runs, 6 complete" in status.out


def test_a_member_has_the_same_result_as_a_single_run(seqsweep: Command, tmp_path: Path) -> None:
    assert seqsweep("train", *GRID).code == 0
    single = [option.replace("4,8", "8").replace("0,1", "1") for option in GRID if option != "-m"]
    assert seqsweep("train", *single).code == 0
    (alone,) = tmp_path.glob("outputs/runs/*/*/metrics.csv")
    member = _folder(tmp_path) / alone.parent.name / "metrics.csv"
    pairs = zip(_rows(member), _rows(alone), strict=True)
    for one, other in pairs:  # to float32 rounding; hydra/launcher=basic: to the last bit
        assert one == pytest.approx(other, abs=1e-5)
    others = ("hydra/launcher=basic", "sweep.name=basic")
    assert seqsweep("train", *GRID, *others).code == 0
    basic = tmp_path / "outputs/sweeps/basic" / alone.parent.name / "metrics.csv"
    assert basic.read_bytes() == alone.read_bytes()
    beside = {path.name for path in basic.parents[1].iterdir()} - _records(tmp_path).keys()
    assert beside == {"sweep.json", "names.json"}


def _rows(path: Path) -> list[list[float]]:
    lines = path.read_text().splitlines()[1:]
    return [[float(value) for value in line.split(",")] for line in lines]


def test_members_with_equal_configs_are_one_run(seqsweep: Command, tmp_path: Path) -> None:
    lr = "optimizer.lr=0.01,1e-2,0.010"
    result = seqsweep("train", "-m", "data=digits", "trainer.max_epochs=1", lr)
    assert result.code == 0, result.err
    assert "sweep of 1 run in" in result.out
    assert "2 given twice" in result.out
    assert len(_records(tmp_path)) == 1


def test_hydras_sweeper_and_launcher_train_the_same_sweep(
    seqsweep: Command, tmp_path: Path
) -> None:
    """They train in the folder that seqsweep's sweeper would make for the same grid."""
    result = seqsweep("train", *GRID, "hydra/sweeper=basic", "hydra/launcher=basic")
    assert result.code == 0, result.err
    assert len(_records(tmp_path)) == 4
    assert ": 4 done, 0 to train" in seqsweep("train", *GRID).out


def test_hydras_sweeper_ends_with_the_leaderboard(seqsweep: Command) -> None:
    done = seqsweep("train", *GRID, "hydra/sweeper=basic", "sweep.name=a")
    assert done.code == 0, done.err
    board = seqsweep("leaderboard", "outputs/sweeps/a")
    assert "±" in board.out
    assert done.out.endswith(board.out)


def test_rerun_trains_each_member_once_more(seqsweep: Command, tmp_path: Path) -> None:
    assert seqsweep("train", *GRID).code == 0
    again = seqsweep("train", *GRID, "rerun=true")
    assert again.code == 0, again.err
    for log in tmp_path.rglob("train.log"):
        assert log.read_text().count(" INFO done: ") == 2


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "report"])
def test_the_lock_of_a_killed_sweep_is_removed_by_the_next_command(
    seqsweep: Command, tmp_path: Path, command: str
) -> None:
    sweep = ("train", "-m", "data=digits", "trainer.max_epochs=1", "seed=0,1", "sweep.name=mine")
    assert seqsweep(*sweep).code == 0
    folder = tmp_path / "outputs/sweeps/mine"
    hold = (
        "import os, sys, pathlib; from seqsweep.runs.sweepfile import sweep_lock;"
        "sweep_lock(pathlib.Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", hold, str(folder)], check=False)
    assert list(folder.glob(".running-*"))
    assert seqsweep(*(sweep if command == "train" else ("report", str(folder)))).code == 0
    assert not list(folder.glob(".running-*"))
