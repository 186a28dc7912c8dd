"""A running sweep shows a live table, in `train -m` and in `watch` of another process."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from terminals import hides_the_cursor, read_until, terminal, text_of
from waiting import wait_until

SEQSWEEP = Path(sys.executable).with_name("seqsweep")
ENDLESS = ("train", "-m", "data=digits", "sweep.report=false", "sweep.name=mine",
           "optimizer.lr=0.01,0.02", "trainer.max_epochs=100000")  # fmt: skip
SWEEP = (*ENDLESS[:-1], "trainer.max_epochs=2")


def on_terminal(folder: Path, *arguments: str) -> Any:
    """Runs a command on a terminal of 30 x 80; yields the process and the terminal."""
    unsized = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment = {**unsized, "OMP_NUM_THREADS": "1", "TERM": "xterm"}
    return terminal([SEQSWEEP, *arguments], (30, 80), cwd=folder, env=environment)


@pytest.mark.slow
# Takes some 10 s, since two new processes of Python must start.
@pytest.mark.durability
def test_a_sweep_shows_its_table_on_a_terminal_and_watch_ends_with_the_sweep(tmp_path):
    more = ["seed=0,1", "hydra/launcher=local", "hydra.launcher.threads=2"]
    folder = tmp_path / "outputs/sweeps/mine"
    with on_terminal(tmp_path, *SWEEP, *more) as (process, master):
        printed = read_until(master, "waiting")
        with subprocess.Popen(
            [SEQSWEEP, "watch", folder], stdout=subprocess.PIPE, text=True
        ) as watched:
            printed += read_until(master)
            assert process.wait(60) == 0, printed
            said = watched.communicate(timeout=60)[0]
            assert watched.returncode == 0
    assert "[4/4]" in said
    assert "by val/acc of the best epoch" in said
    assert said.splitlines()[-1] == "4 of 4 runs are done"
    text = text_of(printed)
    assert "╭─ mine: 4 runs" in text
    assert "4 running" in text or "waiting" in text
    last = text[text.rindex("╭") :]
    assert "100 %" in last
    assert "4 done   0 running   0 failed   0 waiting" in last
    assert "by val/acc of the best epoch" in last
    assert "[1/4]" not in text
    assert not hides_the_cursor(printed)


@pytest.mark.slow
@pytest.mark.durability
def test_watch_follows_a_sweep_and_reports_that_it_was_killed(tmp_path, seqsweep, start_command):
    folder = tmp_path / "outputs/sweeps/mine"
    trained = start_command(*ENDLESS, stdout=subprocess.DEVNULL)
    wait_until(lambda: list(folder.glob("*/metrics.csv")), trained)
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
