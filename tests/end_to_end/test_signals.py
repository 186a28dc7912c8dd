"""Signals and kills stop the training and do not change the result."""

import functools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import SLOWLY
from terminals import terminal
from waiting import wait_until

pytestmark = pytest.mark.slow

NETWORK = ("data=digits", "model.hidden_size=8", "model.num_layers=2", "model.dropout=0.2")
RUN = (*NETWORK, "trainer.max_epochs=100")
SWEEP = ("-m", *RUN, "seed=0,1", "sweep.name=mine")
rarely = pytest.mark.durability


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, seqsweep_in) -> Callable[..., dict[str, bytes]]:
    """Returns metrics.csv of each run of an undisturbed command by run_id; trained once."""

    @functools.cache
    def train(*arguments: str) -> dict[str, bytes]:
        folder = tmp_path_factory.mktemp("undisturbed")
        assert seqsweep_in(folder, "train", *arguments, "sweep.report=false").code == 0
        return _metrics(folder)

    return train


def _metrics(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.rglob("metrics.csv")}


@pytest.mark.parametrize(
    ("arguments", "signum"),
    [
        (RUN, "SIGINT"),
        pytest.param(RUN, "SIGKILL", marks=rarely),
        (SWEEP, "SIGTERM"),
        (SWEEP, "SIGKILL"),
        pytest.param(RUN, "SIGHUP", marks=rarely),
        pytest.param(SWEEP, "SIGHUP", marks=rarely),
    ],
    ids=lambda value: value if isinstance(value, str) else ("sweep" if "-m" in value else "run"),
)
def test_a_signal_stops_the_training_and_the_same_command_resumes_it(
    seqsweep, start_command, undisturbed, tmp_path, arguments, signum
):
    is_kill, is_sweep = signum == "SIGKILL", "-m" in arguments
    code = -9 if is_kill else 128 + signal.Signals[signum]
    is_json = signum in ("SIGINT", "SIGTERM")
    process = start_command("train", *["--json"] * is_json, *arguments, before=SLOWLY)
    wait_until(lambda: list(tmp_path.rglob("last.ckpt")), process)
    process.send_signal(signal.Signals[signum])
    out, err = process.communicate(timeout=180)
    if is_json:
        content = json.loads(out)
        assert content["states"] == {"interrupted": 2} if is_sweep else content["error"] in err
    assert process.returncode == code, out + err
    assert is_kill or f"interrupted by {signum}" in out + err
    assert "Traceback" not in out + err
    assert not list(tmp_path.rglob("record.json"))
    assert is_kill or not list(tmp_path.rglob("lock"))
    folder = tmp_path / ("outputs/sweeps/mine" if is_sweep else "outputs/runs/default")
    runs = 2 if is_sweep else 1
    assert bool(list(folder.glob(".running-*"))) == (is_kill and is_sweep)
    status = seqsweep("status", str(folder)).out
    state = "incomplete" if is_kill else "interrupted"
    assert f"{runs} {state}" in status.splitlines()[-1]
    assert is_kill or f"interrupted by {signum}" in status

    again = seqsweep("train", *arguments)
    assert again.code == 0, again.err
    metrics = _metrics(tmp_path)
    assert len(metrics) == runs
    assert metrics == undisturbed(*arguments)
    logs = [path.read_text() for path in tmp_path.rglob("train.log")]
    assert any("checkpoints/last.ckpt" in log for log in logs)  # gone on, not begun again
    assert not list(tmp_path.rglob("failure.json"))
    assert not list(folder.glob(".running-*"))
    if is_kill and not is_sweep:
        (name,) = metrics
        assert seqsweep("reproduce", str(folder / name)).out == "identical\n"


@pytest.mark.durability
def test_a_signal_may_reach_the_data_workers(seqsweep, start_command, undisturbed, tmp_path):
    """Terminals, `timeout` and cluster managers signal the whole group, so workers end too."""
    loaded = (*NETWORK, "trainer.max_epochs=10", "engine=autograd")
    arguments = ("train", *loaded, "data.num_workers=2")
    process = start_command(*arguments)
    wait_until(lambda: list(tmp_path.rglob("last.ckpt")), process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130, out + err
    assert "interrupted by SIGINT" in err
    assert len(err.splitlines()) == 1, err
    assert "1 interrupted" in seqsweep("status", "outputs/runs/default").out
    again = seqsweep(*arguments)
    assert again.code == 0, again.err
    assert _metrics(tmp_path) == undisturbed(*loaded)


@pytest.mark.durability
@pytest.mark.parametrize(
    ("arguments", "hangs_up", "state"),
    [
        (SWEEP, True, "interrupted"),
        (RUN, True, "interrupted"),
        (SWEEP, False, "complete"),
    ],
    ids=["sweep", "run", "sweep-without-signal"],
)
def test_a_closed_terminal_ends_the_command(
    seqsweep, start_command, tmp_path, arguments, hangs_up, state
):
    """The kernel sends SIGHUP to the session of a terminal, and refuses its output from then on."""
    epochs = "trainer.max_epochs=100000" if hangs_up else "trainer.max_epochs=1000"
    command = ["train", *arguments, "sweep.report=false", epochs]
    own = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)" if hangs_up else ""
    with terminal(*command, start=start_command, before=own) as (process, master):
        wait_until(lambda: list(tmp_path.rglob("last.ckpt")), process)
        os.dup2(os.open(os.devnull, os.O_RDWR), master)  # closes the terminal
        assert process.wait(180) == 129
    folder = "outputs/runs/default" if arguments == RUN else "outputs/sweeps/mine"
    assert f" {state}" in seqsweep("status", folder).out.splitlines()[-1]
