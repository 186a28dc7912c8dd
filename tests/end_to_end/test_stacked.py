"""Stacks from the command line: planned, trained side by side, verified, killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
GRID = ("data=digits", "trainer.max_epochs=2", "model.hidden_size=4,8,40", "seed=0,1")


def _origins(folder: Path) -> dict[str, Any]:
    paths = folder.glob("outputs/sweeps/*/*/provenance.json")
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def test_plan_shows_the_stacks_and_train_trains_them(seqsweep: Command, tmp_path: Path) -> None:
    planned = seqsweep("plan", *GRID)
    assert "runs: rnn, 1 layer, hidden 4, 8" in planned.out
    assert not list(tmp_path.rglob("config.yaml"))
    result = seqsweep("train", "-m", *GRID)
    assert result.code == 0, result.err
    stacks = {tuple(origin["stack"]["members"]) for origin in _origins(tmp_path).values()}
    assert sum(map(len, stacks)) == 6
    assert len(stacks) == planned.out.count(" runs: rnn") + planned.out.count("1 run: rnn")
    assert not list(tmp_path.rglob(".stacks/*"))


def test_a_network_of_ones_own_trains_beside_the_stacks(seqsweep: Command, tmp_path: Path) -> None:
    (tmp_path / "mine_net.py").write_text(
        "from seqsweep.models.classifier import RNNClassifier\n"
        "class Net(RNNClassifier):\n"
        "    def __init__(self, input_size: int, hidden_size: int, num_classes: int):\n"
        "        super().__init__(input_size, hidden_size, num_classes)\n"
    )
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_text(
        "_target_: mine_net.Net\ninput_size: null\nhidden_size: 6\nnum_classes: null\n"
    )
    grid = ("data=digits", "trainer.max_epochs=1", "model=simple,mine", "seed=0,1")
    result = seqsweep("train", "-m", "--config-dir", "conf", *grid, PYTHONPATH=".")
    assert result.code == 0, result.err
    engines = sorted(origin["engine"] for origin in _origins(tmp_path).values())
    assert engines == ["autograd", "autograd", "stacked", "stacked"]


def test_verify_stack_tells_how_far_they_are_apart(seqsweep: Command, tmp_path: Path) -> None:
    result = seqsweep("verify-stack", "--members", "3", *GRID)
    assert result.code == 0, result.err
    assert "3 of 6 members" in result.out
    assert "in float64 the losses of the first epoch differ by at most" in result.out
    assert "is rounding" in result.out
    assert not (tmp_path / "outputs").exists()


def test_verify_stack_wants_something_to_stack(seqsweep: Command) -> None:
    result = seqsweep("verify-stack", "data=digits", "engine=autograd", "seed=0,1")
    assert result.code == 2
    assert "0 of 2 members can train in a stack" in result.err


def test_a_number_of_processes_that_cannot_be(seqsweep: Command) -> None:
    result = seqsweep("train", "-m", *GRID, "hydra.launcher.processes=0")
    assert result.code == 2
    assert "hydra.launcher.processes=0: must be at least 1, or null" in result.err


LONG = (
    "train", "-m", "data=digits", "data.batch_size=64", "model.num_layers=2", "model.dropout=0.2",
    "trainer.max_epochs=60", "model.hidden_size=16", "seed=range(8)",
)  # fmt: skip


def _results(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.rglob("metrics.csv")}


def test_two_processes_killed_with_their_parent_go_on_to_the_same_bits(
    seqsweep: Command, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "seqsweep", *LONG, "hydra.launcher.processes=2"]
    process = subprocess.Popen(
        [*command, "output_dir=killed"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 100
        while len(list(tmp_path.rglob(".stacks/*[0-9a-f].ckpt"))) < 2:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    time.sleep(1)  # the system ends its processes after it
    status = seqsweep("status", *map(str, tmp_path.glob("killed/sweeps/*")))
    assert "8 runs, 8 incomplete" in status.out
    again = seqsweep(*LONG, "hydra.launcher.processes=2", "output_dir=killed")
    assert again.code == 0, again.err
    assert "8 of 8 runs complete" in again.out
    assert seqsweep(*LONG, "hydra.launcher.processes=2", "output_dir=alone").code == 0
    assert _results(tmp_path / "killed") == _results(tmp_path / "alone")
    for log in (tmp_path / "killed").rglob("train.log"):
        assert "checkpoints/last.ckpt" in log.read_text()  # gone on, not begun again
