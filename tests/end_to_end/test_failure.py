"""A failed run is recorded and reported, and does not stop the other runs."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import StartCommand
from waiting import wait_until

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
NETWORK = '''
from pathlib import Path

from torch import nn


class Net(nn.Module):
    """A network that always fails with scale 2, and with scale 3 only at the first attempt."""

    def __init__(self, input_size: int, num_classes: int, scale: float = 1.0) -> None:
        super().__init__()
        self.head = nn.Linear(input_size, num_classes)
        self.scale = scale

    def forward(self, x, lengths):
        if self.scale == 2 or (self.scale == 3 and not Path("tried").exists()):
            Path("tried").touch()
            raise RuntimeError(f"no training with scale={self.scale}")
        return self.head(self.scale * x.mean(1))
'''
DIVERGES = ("optimizer=sgd", "trainer.gradient_clip_val=null", "model.nonlinearity=relu")


@pytest.fixture
def train(seqsweep: Command, tmp_path: Path) -> Command:
    """Trains the network above; with -m, sweeps it."""
    (tmp_path / "mine.py").write_text(NETWORK)
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_text("_target_: mine.Net\nscale: 1.0\n")

    def run(*arguments: str) -> Any:
        options = ("model=mine", "data=digits", "trainer.max_epochs=2")
        return seqsweep("train", "--config-dir", "conf", *arguments, *options)

    return run


def _found(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.rglob(name))]


def _trained_scales(folder: Path) -> set[float]:
    return {record["config"]["model.scale"] for record in _found(folder, "record.json")}


def test_members_after_a_failed_one_still_train(
    train: Command, seqsweep: Command, tmp_path: Path
) -> None:
    sweep = ("-m", "model.scale=2.0,1.0,0.5", "sweep.name=mine")
    first = train(*sweep)
    assert first.code == 1
    assert "Traceback" not in first.out + first.err
    assert "scale=2.0  failed RuntimeError: no training with scale=2.0" in first.out
    assert _trained_scales(tmp_path) == {1.0, 0.5}
    (failure,) = _found(tmp_path, "failure.json")
    assert failure["kind"] == "failed"
    assert failure["attempts"] == 1
    assert failure["error"] == "RuntimeError: no training with scale=2.0"
    assert 'raise RuntimeError(f"no training' in failure["traceback"]
    assert "2 of 3 runs complete" in first.out
    last = first.out.splitlines()[-4:]
    assert last[0] == "1 of 3 runs did not complete (1 failed); why:"
    assert last[1].strip() == "seqsweep status outputs/sweeps/mine"
    assert last[2] == "this trains what is missing:"
    sweep_again = (
        "python -m seqsweep train --config-dir conf -m model.scale=2.0,1.0,0.5 sweep.name=mine"
    )
    assert last[3].strip().startswith(sweep_again)

    status = seqsweep("status", "outputs/sweeps/mine")
    assert "3 runs, 2 complete, 1 failed" in status.out
    (row,) = [line for line in status.out.splitlines() if "RuntimeError" in line]
    assert "failed RuntimeError: no training with scale=2.0" in row

    again = train(*sweep)
    assert again.code == 1
    assert "2 done, 1 to train" in again.out
    assert [failure["attempts"] for failure in _found(tmp_path, "failure.json")] == [2]


def test_with_on_error_stop_the_first_failure_stops_the_sweep(
    train: Command, tmp_path: Path
) -> None:
    result = train("-m", "model.scale=0.5,2.0,1.0,1.5,1.6,1.7", "sweep.on_error=stop")
    assert result.code == 1
    assert len(_found(tmp_path, "failure.json")) == 1
    assert _trained_scales(tmp_path) == {0.5}
    assert "5 of 6 runs did not complete (1 failed, 4 not started)" in result.out
    assert not list(tmp_path.rglob(".stop"))


def test_with_on_error_retry_a_failed_run_is_trained_again(train: Command, tmp_path: Path) -> None:
    result = train("-m", "model.scale=3.0,1.0", "sweep.on_error=retry")
    assert result.code == 0, result.out
    assert "2 of 2 runs complete" in result.out
    assert _trained_scales(tmp_path) == {3.0, 1.0}
    assert not _found(tmp_path, "failure.json")


def test_a_single_run_that_fails_leaves_failure_json(train: Command, tmp_path: Path) -> None:
    result = train("model.scale=2.0")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("seqsweep: the run failed: RuntimeError: no training with scale=2.0")
    (path,) = tmp_path.rglob("failure.json")
    assert line.endswith(f"(traceback in {path})")


def test_a_run_that_diverges_counts_as_done(seqsweep: Command, tmp_path: Path) -> None:
    grid = (*DIVERGES, "optimizer.lr=1000,0.01")
    sweep = ("-m", "data=digits", "trainer.max_epochs=2", *grid, "sweep.name=mine")
    first = seqsweep("train", *sweep)
    assert first.code == 0, first.err
    assert "1 of 2 runs complete, 1 diverged" in first.out
    assert "did not complete" not in first.out
    states = {record["status"]: record for record in _found(tmp_path, "record.json")}
    assert set(states) == {"complete", "diverged"}
    assert states["diverged"]["epoch"] in (0, 1)
    assert "loss is" in states["diverged"]["error"]
    assert f"diverged in epoch {states['diverged']['epoch']}" in first.out
    assert not _found(tmp_path, "failure.json")
    status = seqsweep("status", "outputs/sweeps/mine")
    assert "2 runs, 1 complete, 1 diverged" in status.out

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = seqsweep("train", *sweep)
    assert again.code == 0, again.err
    assert "0 to train" in again.out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
def test_an_output_folder_that_cannot_be_written_is_refused(
    seqsweep: Command, tmp_path: Path, sweep: tuple[str, ...]
) -> None:
    (tmp_path / "afile").write_text("")
    options = ("data=digits", "trainer.max_epochs=1", "output_dir=afile/x")
    result = seqsweep("train", *sweep, *options)
    assert result.code == 2, result.out + result.err
    (line,) = result.err.splitlines()
    assert line.startswith("seqsweep: ")
    assert "afile" in line
    assert "Traceback" not in result.out
    assert [path.name for path in tmp_path.iterdir()] == ["afile"]


def test_a_killed_sweep_is_incomplete_and_not_running(
    seqsweep: Command, start_command: StartCommand, tmp_path: Path
) -> None:
    options = ("data=digits", "trainer.max_epochs=100000", "seed=0,1", "sweep.name=mine")
    process = start_command("train", "-m", *options)
    try:
        wait_until(lambda: list(tmp_path.rglob("*.ckpt")), process)
        assert " running" in seqsweep("status", "outputs/sweeps/mine").out.splitlines()[-1]
    finally:
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    time.sleep(1)  # the system ends its processes after it
    status = seqsweep("status", "outputs/sweeps/mine")
    assert "2 runs, 2 incomplete" in status.out
    assert "running" not in status.out
