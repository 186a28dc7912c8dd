"""SIGINT, SIGTERM and SIGHUP stop the training with a message and do not change the result."""

import fcntl
import functools
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import StartCommand
from terminals import terminal
from waiting import wait_until

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
Undisturbed = Callable[..., dict[str, bytes]]
NETWORK = ("data=digits", "model.hidden_size=8", "model.num_layers=2", "model.dropout=0.2")
RUN = (*NETWORK, "trainer.max_epochs=250")  # seconds, by the native engine
SWEEP = ("-m", *RUN, "seed=0,1", "sweep.name=mine")
# The engine that has DataLoader workers.
LOADED = (*NETWORK, "trainer.max_epochs=10", "engine=autograd")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, seqsweep_in: Command) -> Undisturbed:
    """Returns metrics.csv of each run of an undisturbed command by run_id; trained once."""

    @functools.cache
    def train(*arguments: str) -> dict[str, bytes]:
        folder = tmp_path_factory.mktemp("undisturbed")
        assert seqsweep_in(folder, "train", *arguments).code == 0
        return _metrics(folder)

    return train


def _metrics(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.rglob("metrics.csv")}


@pytest.mark.parametrize(("signum", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize(
    ("arguments", "folder"),
    [(RUN, "runs/default"), (SWEEP, "sweeps/mine")],
    ids=["run", "sweep"],
)
def test_a_signal_stops_the_training_and_the_same_command_resumes_it(
    seqsweep: Command,
    start_command: StartCommand,
    undisturbed: Undisturbed,
    tmp_path: Path,
    arguments: tuple[str, ...],
    folder: str,
    signum: str,
    code: int,
) -> None:
    process = start_command("train", *arguments)
    wait_until(lambda: list(tmp_path.rglob("*.ckpt")), process)
    process.send_signal(signal.Signals[signum])
    out, err = process.communicate(timeout=100)
    assert process.returncode == code, out + err
    assert f"interrupted by {signum}" in out + err
    assert "Traceback" not in out + err
    assert not list(tmp_path.rglob("record.json"))
    assert not list(tmp_path.rglob("lock"))
    status = seqsweep("status", f"outputs/{folder}")
    runs = 1 if folder.startswith("runs") else 2
    assert f"{runs} interrupted" in status.out.splitlines()[-1]
    assert f"interrupted by {signum}" in status.out

    again = seqsweep("train", *arguments)
    assert again.code == 0, again.err
    metrics = _metrics(tmp_path)
    assert len(metrics) == runs
    assert metrics == undisturbed(*arguments)
    (log, *_) = sorted(tmp_path.rglob("train.log"), key=os.path.getmtime)
    assert "checkpoints/last.ckpt" in log.read_text()  # gone on, not begun again
    assert not list(tmp_path.rglob("failure.json"))


def test_after_a_signal_the_runs_outside_the_window_have_not_started(
    start_command: StartCommand, tmp_path: Path
) -> None:
    size = ("data=digits", "model.hidden_size=128", "trainer.max_epochs=1000")
    process = start_command("train", "-m", *size, "seed=range(20)", "sweep.name=mine")
    wait_until(lambda: list(tmp_path.rglob("*.ckpt")), process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, out + err
    begun = len(list(tmp_path.rglob("config.yaml")))
    assert 0 < begun < 20
    assert len(list(tmp_path.rglob("failure.json"))) == begun
    ends = f"({begun} interrupted, {20 - begun} not started)"
    assert f"20 of 20 runs did not complete {ends}" in out, out


@pytest.mark.parametrize(("signum", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_that_also_reaches_the_data_workers_interrupts_the_run(
    seqsweep: Command,
    start_command: StartCommand,
    undisturbed: Undisturbed,
    tmp_path: Path,
    signum: str,
    code: int,
) -> None:
    """Terminals, `timeout` and cluster managers signal the whole group, so workers end too."""
    arguments = ("train", *LOADED, "data.num_workers=2")
    process = start_command(*arguments)
    wait_until(lambda: list(tmp_path.rglob("last.ckpt")), process)
    os.killpg(process.pid, signal.Signals[signum])
    out, err = process.communicate(timeout=100)
    assert process.returncode == code, out + err
    assert f"interrupted by {signum}" in err
    assert len(err.splitlines()) == 1, err
    assert "1 interrupted" in seqsweep("status", "outputs/runs/default").out
    again = seqsweep(*arguments)
    assert again.code == 0, again.err
    assert _metrics(tmp_path) == undisturbed(*LOADED)


@pytest.mark.parametrize(
    ("arguments", "hangs_up", "state"),
    [(RUN, True, "interrupted"), (SWEEP, True, "interrupted"), (SWEEP, False, "complete")],
    ids=["run", "sweep", "sweep-without-signal"],
)
def test_a_closed_terminal_ends_the_command_with_129(
    seqsweep: Command, tmp_path: Path, arguments: tuple[str, ...], hangs_up: bool, state: str
) -> None:
    """The kernel sends SIGHUP to the session of a terminal, and refuses its output from then on."""
    words = [*arguments, "sweep.report=false", *["trainer.max_epochs=100000"] * hangs_up]
    command = [sys.executable, "-m", "seqsweep", "train", *words]

    def begin() -> None:
        os.setsid()
        if hangs_up:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with terminal(command, cwd=tmp_path, preexec_fn=begin, env=environment) as (process, master):
        wait_until(lambda: list(tmp_path.rglob("last.ckpt")))
        os.dup2(os.open(os.devnull, os.O_RDWR), master)  # closes the terminal
        assert process.wait(100) == 129
    folder = "outputs/runs/default" if arguments == RUN else "outputs/sweeps/mine"
    assert f" {state}" in seqsweep("status", folder).out.splitlines()[-1]


def test_a_run_under_nohup_is_not_stopped_by_the_end_of_its_terminal(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        ["nohup", sys.executable, "-m", "seqsweep", "train", *RUN],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            wait_until(lambda: list(tmp_path.rglob("last.ckpt")), process)
            process.send_signal(signal.SIGHUP)
            out, _ = process.communicate(timeout=100)
        finally:
            process.kill()
    assert process.returncode == 0, out
    assert list(tmp_path.rglob("record.json"))
