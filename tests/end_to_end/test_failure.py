"""A failed run is recorded and reported, and does not stop the other runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

NETWORK = '''
import os

from torch import nn


class Net(nn.Module):
    """A network that fails with scale 2, and that ends the program with scale 3."""

    def __init__(self, input_size: int, num_classes: int, scale: float = 1.0) -> None:
        super().__init__()
        self.head = nn.Linear(input_size, num_classes)
        self.scale = scale

    def forward(self, x, lengths):
        if self.scale == 3:
            raise SystemExit(7)
        if self.scale == 2:
            os.system("echo from a child")
            raise RuntimeError(f"no training with scale={self.scale}")
        return self.head(self.scale * x.mean(1))
'''
DIVERGES = (
    "data=digits", "trainer.max_epochs=2", "optimizer=sgd", "trainer.gradient_clip_val=null",
    "model.nonlinearity=relu",
)  # fmt: skip


@pytest.fixture
def train(seqsweep: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    (tmp_path / "mine.py").write_text(NETWORK)
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_text("_target_: mine.Net\nscale: 1.0\n")

    def run(*arguments: str) -> Any:
        options = ("model=mine", "data=random", "trainer.max_epochs=1")
        return seqsweep("train", "--config-dir", "conf", *arguments, *options)

    return run


def _found(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.rglob(name))]


def test_members_after_a_failed_one_still_train(train, seqsweep, tmp_path):
    sweep = ("-m", "model.scale=2.0,1.0", "sweep.name=mine")
    first = train(*sweep)
    assert first.code == 1
    assert "Traceback" not in first.out + first.err
    assert "scale=2.0  failed RuntimeError: no training with scale=2.0" in first.out
    (record,) = _found(tmp_path, "record.json")
    assert record["config"]["model.scale"] == 1.0
    assert "1 of 2 runs complete" in first.out
    last = first.out.splitlines()[-4:]
    assert last[0] == "1 of 2 runs did not complete (1 failed); why:"
    assert last[1].strip() == "seqsweep status outputs/sweeps/mine"
    assert last[2] == "this trains what is missing:"
    again = "python -m seqsweep train --config-dir conf -m model.scale=2.0,1.0 sweep.name=mine"
    assert last[3].strip().startswith(again)

    status = seqsweep("status", "outputs/sweeps/mine")
    assert "2 runs, 1 complete, 1 failed" in status.out
    (row,) = [line for line in status.out.splitlines() if "RuntimeError" in line]
    assert "failed RuntimeError: no training with scale=2.0" in row

    again = train(*sweep)
    assert again.code == 1
    assert "1 done, 1 to train" in again.out
    assert [failure["attempts"] for failure in _found(tmp_path, "failure.json")] == [2]


def test_a_users_exit_ends_the_program(train):
    assert train("-m", "model.scale=3.0,1.0").code == 7


def test_a_single_run_that_fails_leaves_failure_json(train, tmp_path):
    result = train("model.scale=2.0", "--json")
    assert result.code == 1
    content = json.loads(result.out)  # and nothing else is on stdout
    assert (content["state"], content["engine"]) == ("failed", "autograd")
    assert content["error"] == "RuntimeError: no training with scale=2.0"
    lines = result.err.splitlines()
    assert "from a child" in lines
    line = lines[-1]
    assert line.startswith("seqsweep: the run failed: RuntimeError: no training with scale=2.0")
    (path,) = tmp_path.rglob("failure.json")
    assert line.endswith(f"(traceback in {path})")


def test_a_run_that_diverges_counts_as_done(seqsweep, tmp_path):
    sweep = ("-m", *DIVERGES, "optimizer.lr=1000,0.01", "sweep.name=mine")
    first = seqsweep("train", *sweep)
    assert first.code == 0, first.err
    assert "1 of 2 runs complete, 1 diverged" in first.out
    assert "did not complete" not in first.out
    states = {record["status"]: record for record in _found(tmp_path, "record.json")}
    assert set(states) == {"complete", "diverged"}
    assert "diverged train/loss is" in first.out
    assert f"in epoch {states['diverged']['epoch']}" in first.out
    assert not _found(tmp_path, "failure.json")
    assert "2 runs, 1 complete, 1 diverged" in seqsweep("status", "outputs/sweeps/mine").out

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = seqsweep("train", *sweep)
    assert again.code == 0, again.err
    assert "0 to train" in again.out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before

    single = seqsweep("train", *DIVERGES, "optimizer.lr=1000")
    assert single.code == 1
    assert "diverged: train/loss is" in single.err
    assert "Traceback" not in single.err


def test_a_pool_has_as_many_runs_as_the_system_allows_open_files(start_command, tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))"
    words = ("data=digits", "trainer.max_epochs=1", "model.hidden_size=2", "sweep.report=false")
    process = start_command("train", "-m", *words, "seed=range(60)", before=limit)
    out, err = process.communicate(timeout=180)
    assert "60 of 60 runs complete" in out, out + err
    assert len([*tmp_path.rglob("record.json")]) == 60
