"""A running sweep shows a live table, in `train -m` and in `watch` of another process."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from commands import StartCommand

Command = Callable[..., Any]
SEQSWEEP = Path(sys.executable).with_name("seqsweep")
ENDLESS = ("train", "-m", "data=digits", "sweep.report=false", "sweep.name=mine",
           "optimizer.lr=0.01,0.02", "trainer.max_epochs=100000")  # fmt: skip
SWEEP = (*ENDLESS[:-1], "trainer.max_epochs=2")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return {**kept, "OMP_NUM_THREADS": "1", "TERM": "xterm", **more}


@contextlib.contextmanager
def on_terminal(folder: Path, *arguments: str) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """Runs a command on a terminal of 80 x 30; yields the process and the terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
    with subprocess.Popen(
        [SEQSWEEP, *arguments],
        cwd=folder,
        env=environment(),
        stdin=slave,
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        try:
            yield process, master
        finally:
            if process.poll() is None:
                process.kill()
    os.close(master)


def read_until(master: int, *texts: str) -> str:
    """Returns what is printed until all texts have appeared, or until the other side closes."""
    printed, deadline = b"", time.monotonic() + 200
    while not texts or not all(text in words(printed.decode(errors="replace")) for text in texts):
        try:
            assert time.monotonic() < deadline, f"{texts} is not printed: {printed[-4000:]!r}"
            assert select.select([master], [], [], 60)[0], printed
            printed += os.read(master, 65536)
        except OSError:
            break
    return printed.decode(errors="replace")


def words(printed: str) -> str:
    """Returns the text without cursor movements and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)


def hides_the_cursor(printed: str) -> bool:
    return "\x1b[?25" in printed


@pytest.mark.slow
def test_a_sweep_shows_its_table_on_a_terminal_and_watch_ends_with_the_sweep(
    tmp_path: Path,
) -> None:
    more = ["seed=0,1", "hydra/launcher=local", "hydra.launcher.threads=2"]
    folder = tmp_path / "outputs/sweeps/mine"
    with on_terminal(tmp_path, *SWEEP, *more) as (process, master):
        printed = read_until(master, "waiting")
        with subprocess.Popen(
            [SEQSWEEP, "watch", folder], env=environment(), stdout=subprocess.PIPE, text=True
        ) as watched:
            printed += read_until(master)
            assert process.wait(60) == 0, printed
            said = watched.communicate(timeout=60)[0]
            assert watched.returncode == 0
    assert "[4/4]" in said
    assert "by val/acc of the best epoch" in said
    assert said.splitlines()[-1] == "4 of 4 runs are done"
    text = words(printed)
    assert "╭─ mine: 4 runs" in text
    assert "4 running" in text or "waiting" in text
    last = text[text.rindex("╭") :]
    assert "100 %" in last
    assert "4 done   0 running   0 failed   0 waiting" in last
    assert "by val/acc of the best epoch" in last
    assert "[1/4]" not in text
    assert not hides_the_cursor(printed)


@pytest.mark.slow
def test_watch_follows_a_sweep_and_reports_that_it_was_killed(
    tmp_path: Path, seqsweep: Command, start_command: StartCommand
) -> None:
    folder = tmp_path / "outputs/sweeps/mine"
    trained = start_command(*ENDLESS, stdout=subprocess.DEVNULL)
    while not list(folder.glob("*/metrics.csv")):
        assert trained.poll() is None
        time.sleep(0.1)
    with on_terminal(tmp_path, "watch", str(folder)) as (process, master):
        printed = read_until(master, "2 running", "epoch ")
        process.send_signal(signal.SIGINT)
        printed += read_until(master)
        assert process.wait(60) == 130, printed
    trained.kill()
    trained.wait()
    assert not hides_the_cursor(printed)
    assert "Traceback" not in printed
    result = seqsweep("watch", str(folder))
    assert result.code == 1
    assert "2 of 2 runs are not done, and no process is training them" in result.out
    assert f"seqsweep {' '.join(ENDLESS)}" in result.out
