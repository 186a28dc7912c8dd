"""`seqsweep plan` and what it promises: a sweep trains what is missing, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
SWEEP = ("data=digits", "trainer.max_epochs=2", "model.hidden_size=4,8")
LONGER = (*SWEEP[:-1], "model.hidden_size=4,8,12,16")


@pytest.fixture
def without_torch(seqsweep: Command, tmp_path: Path) -> Command:
    """A command in whose process torch cannot be imported."""
    folder = tmp_path / "no_torch"
    folder.mkdir()
    (folder / "torch.py").write_text("raise ImportError('torch was imported')")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return lambda *arguments: seqsweep(*arguments, PYTHONPATH=path)


def _states(out: str) -> dict[str, str]:
    """Of each member, by the last word of its name."""
    rows = [line.split(maxsplit=1)[1] for line in out.splitlines() if "hidden_size=" in line]
    return {row.rpartition("=")[2].strip(): row.partition("  ")[0].strip() for row in rows}


def _records(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("record.json")}


def test_a_plan_before_and_after(seqsweep: Command, without_torch: Command, tmp_path: Path) -> None:
    before = without_torch("plan", *SWEEP)
    assert before.code == 0, before.err
    assert _states(before.out) == {"4": "to train", "8": "to train"}
    assert "sweep of 2 runs" in before.out
    assert "no finished run yet to estimate their time from" in before.out
    assert not (tmp_path / "outputs").exists()

    assert seqsweep("train", "-m", *SWEEP).code == 0
    trained = _records(tmp_path)
    assert len(trained) == 2
    done = without_torch("plan", *SWEEP)
    assert _states(done.out) == {"4": "complete", "8": "complete"}
    assert done.out.splitlines()[-1] == "nothing to train"

    longer = without_torch("plan", *LONGER)
    new = {"12": "to train", "16": "to train"}
    assert _states(longer.out) == {"4": "complete", "8": "complete", **new}
    estimate = longer.out.splitlines()[-1]
    assert estimate.startswith("2 to train, about 0:0")
    assert estimate.endswith(" MiB")
    assert without_torch("plan", "-m", *LONGER).out == longer.out
    assert _records(tmp_path) == trained

    assert seqsweep("train", "-m", *LONGER).code == 0
    extended = _records(tmp_path)
    assert len(extended) == 4
    assert {path: extended[path] for path in trained} == trained


def test_a_changed_value_is_said_and_the_old_runs_stay(
    seqsweep: Command, without_torch: Command, tmp_path: Path
) -> None:
    assert seqsweep("train", "-m", *SWEEP).code == 0
    (tmp_path / "mine/optimizer").mkdir(parents=True)
    own = "defaults: [adam]\nlr: 0.02\n"
    (tmp_path / "mine/optimizer/fast.yaml").write_text(own)
    for changed in (
        ("plan", "--config-dir", "mine", *SWEEP, "optimizer=fast"),
        ("plan", *SWEEP, "optimizer.lr=0.02"),
    ):
        plan = without_torch(*changed)
        assert plan.code == 0, plan.err
        assert "2 other runs lie in this folder and stay apart" in plan.out
        assert "not of this sweep by optimizer.lr (0.003 there)" in plan.out
        assert _states(plan.out) == {"4": "to train", "8": "to train"}

    trained = _records(tmp_path)
    result = seqsweep("train", "-m", *SWEEP, "optimizer.lr=0.02")
    assert result.code == 0, result.err
    assert "2 other runs lie in this folder and stay apart" in result.out
    assert "2 of 2 runs complete" in result.out
    after = _records(tmp_path)
    assert len(after) == 4
    assert {path: after[path] for path in trained} == trained


def test_a_run_that_was_begun_is_said_to_go_on(without_torch: Command, tmp_path: Path) -> None:
    """A folder with a config and no record is what a killed run leaves."""
    name = without_torch("plan", *SWEEP).out.split()[0]
    run = tmp_path / "outputs/sweeps/default" / name
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("model: {hidden_size: 4}\n")
    plan = without_torch("plan", *SWEEP)
    assert _states(plan.out) == {"4": "incomplete, to go on", "8": "to train"}


def test_the_current_folder_does_not_matter(seqsweep: Command, tmp_path: Path) -> None:
    sweep = ("train", "-m", *SWEEP, f"output_dir={tmp_path}/out")
    assert seqsweep(*sweep).code == 0
    trained = _records(tmp_path)
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "seqsweep", *sweep],
        cwd=elsewhere,
        text=True,
        capture_output=True,
        timeout=100,
        check=True,
    )
    assert ", 0 to train" in done.stdout
    assert _records(tmp_path) == trained
    assert not list(elsewhere.iterdir())
