"""The thread that shows a sweep while it trains, and the terminal that it shares with others."""

import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from seqsweep.results.live_view import LiveView
from seqsweep.runs.record import RunFolder
from seqsweep.runs.sweepfile import NAME, SweepFile
from seqsweep.training import watcher
from seqsweep.training.watcher import Watcher


@dataclass(frozen=True)
class Member:
    """What a watcher knows of a run."""

    folder: RunFolder
    label: str


def members(root: Path, count: int) -> list[Member]:
    return [Member(RunFolder(root / f"run{n}"), f"label {n}") for n in range(count)]


def finish(member: Member) -> None:
    member.folder.start({}, {}, sync=False)
    metrics = {"val/acc": 0.9, "test/acc": 0.8}
    member.folder.finish({"metrics": metrics, "train_seconds": 1.5}, synced=True)


def test_elsewhere_than_on_a_terminal_each_run_has_a_line(tmp_path: Path) -> None:
    out = io.StringIO()
    runs = members(tmp_path, 2)
    with Watcher(runs, Console(file=out, width=200)):
        finish(runs[0])
        runs[1].folder.refuse({}, ValueError("no luck"))
    assert out.getvalue().splitlines() == [
        "[1/2] label 0  val/acc 0.9000  test/acc 0.8000  1.5 s  0:00 left",
        "[2/2] label 1  failed ValueError: no luck",
    ]


def test_the_lines_count_what_the_sweep_has_to_do(tmp_path: Path) -> None:
    out = io.StringIO()
    runs = members(tmp_path, 3)
    finish(runs[0])
    configs = {run.folder.run_id: {"trainer.max_epochs": 5} for run in runs}
    SweepFile(("x",), time.time(), configs, frozenset(["run0"])).write(tmp_path)
    with Watcher(runs[1:], Console(file=out, width=200)):
        finish(runs[2])
    assert out.getvalue().startswith("[1/2] label 2  val/acc 0.9000  test/acc 0.8000  1.5 s")


def test_it_shows_others_that_the_sweep_is_alive(tmp_path: Path) -> None:
    runs = members(tmp_path, 1)
    SweepFile(("x",), time.time(), {"run0": {}}).write(tmp_path)
    os.utime(tmp_path / NAME, (0, 0))
    begun = time.time()
    with Watcher(runs, Console(file=io.StringIO())):
        finish(runs[0])
    assert (tmp_path / NAME).stat().st_mtime >= begun - 1


def test_the_training_goes_on_when_nothing_can_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: LiveView) -> None:
        raise OSError("no terminal")

    monkeypatch.setattr(LiveView, "draw", broken)
    runs = members(tmp_path, 1)
    with pytest.raises(OSError, match="no terminal"), Watcher(runs, Console(file=io.StringIO())):
        finish(runs[0])
    assert runs[0].folder.state() == "complete"
    with pytest.raises(KeyboardInterrupt), Watcher(runs, Console(file=io.StringIO())):
        raise KeyboardInterrupt


def test_no_process_is_forked_while_something_is_drawn() -> None:
    drawn, begun = threading.Event(), threading.Event()

    def draw() -> None:
        with watcher._drawing:
            begun.set()
            time.sleep(0.1)
            drawn.set()

    thread = threading.Thread(target=draw)
    thread.start()
    begun.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside a thread
        pid = os.fork()
    if not pid:
        os._exit(0 if drawn.is_set() and watcher._drawing.acquire(blocking=False) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    thread.join()


PROGRAM = """
import logging, os, sys, time, warnings
from pathlib import Path
from rich.console import Console
from seqsweep.training.watcher import Watcher
from test_watcher import finish, members

logging.basicConfig(stream=sys.stdout, format="%(message)s")
runs = members(Path(sys.argv[1]), 2)
console = Console()
with Watcher(runs, console):
    print("printed by the parent")
    console.print("by its console")
    logging.getLogger().warning("logged to an old stream")
    os.system("echo by another program")
    for n, run in enumerate(runs):
        time.sleep(0.3)
        pid = os.fork()
        if not pid:
            print(f"printed by child {n}")
            warnings.warn(f"warned by child {n}")
            finish(run)
            print("no end of line", end="\\n" if n == 0 else "", flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
print("afterwards")
"""


@pytest.mark.slow
def test_on_a_terminal_all_that_is_printed_comes_above_the_table(tmp_path: Path) -> None:
    printed = on_terminal([sys.executable, "-c", PROGRAM, str(tmp_path)])
    frames = printed.split("\x1b[1A")  # a new frame begins above the last one
    lines = [line for frame in frames for line in frame.replace("\x1b[2K", "").splitlines()]
    for line in (
        "printed by the parent",
        "by its console",
        "logged to an old stream",
        "by another program",
        "printed by child 0",
        "printed by child 1",
        "no end of line",
    ):
        assert line in [shown.lstrip("\r") for shown in lines], line
    assert "UserWarning: warned by child 1" in printed
    assert "Traceback" not in printed
    last = printed.splitlines()
    assert last[-1].endswith("afterwards")
    assert "╰" in last[-2]
    assert "2 done   0 running" in re.sub(r"\x1b\[[0-9;]*m", "", printed[printed.rindex("╭") :])
    assert printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")


def on_terminal(command: list[str]) -> str:
    """What a program prints on a terminal of 80 columns and 24 lines; it must end with 0."""
    master, slave = pty.openpty()
    here = str(Path(__file__).parent)
    environment = {**os.environ, "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": here}
    with subprocess.Popen(
        command, env=environment, stdin=slave, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        data = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other side has closed
                break
            data += part
        assert process.wait(60) == 0, data.decode()
    os.close(master)
    return data.decode()
