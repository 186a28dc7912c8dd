"""The display of a sweep while it trains, and the terminal that it shares with other output."""

import contextlib
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from rich.console import Console

from seqsweep.live import display
from seqsweep.live.display import Display, LiveView
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile


def run_folders(root: Path, count: int) -> list[RunFolder]:
    return [RunFolder(root / f"run{index}") for index in range(count)]


def finish(run: RunFolder) -> None:
    run.start({}, {}, sync=False)
    metrics = {"val/acc": 0.9, "test/acc": 0.8}
    run.finish({"config": {}, "metrics": metrics, "train_seconds": 1.5}, synced=True)


def test_without_a_terminal_the_display_prints_a_line_for_each_run(tmp_path: Path) -> None:
    out = io.StringIO()
    runs = run_folders(tmp_path, 2)
    with Display(runs, Console(file=out, width=200)):
        finish(runs[0])
        runs[1].refuse({}, ValueError("no luck"))
    assert out.getvalue().splitlines() == [
        "[1/2] run0  val/acc 0.9000  test/acc 0.8000  1.5 s  0:00 left",
        "[2/2] run1  failed ValueError: no luck",
    ]


def test_the_lines_of_the_display_count_the_runs_to_train(tmp_path: Path) -> None:
    out = io.StringIO()
    runs = run_folders(tmp_path, 3)
    finish(runs[0])
    configs = {run.run_id: {"h": n} for n, run in enumerate(runs)}
    SweepFile(("x",), time.time(), configs, frozenset(["run0"])).write(tmp_path)
    with Display(runs[1:], Console(file=out, width=200)):
        finish(runs[2])
    assert out.getvalue().startswith("[1/2] h=2  val/acc 0.9000  test/acc 0.8000  1.5 s")


def test_a_reader_that_has_gone_is_not_an_error_of_the_display(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(self: LiveView) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(LiveView, "draw", gone)
    with Display(run_folders(tmp_path, 1), Console(file=io.StringIO())):
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["start", "look", "draw", "stop"])
def test_an_error_of_the_display_is_reported_and_does_not_stop_the_training(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: LiveView) -> None:
        raise OSError("no\nterminal")

    monkeypatch.setattr(LiveView, name, broken)
    runs = run_folders(tmp_path, 1)
    SweepFile(("x",), time.time(), {"run0": {}}).write(tmp_path)
    with Display(runs, Console(file=io.StringIO())):
        time.sleep(0.1)
    said = "seqsweep: the sweep's progress could not be shown: OSError: no terminal\n"
    assert capsys.readouterr() == ("", said)
    with pytest.raises(KeyboardInterrupt), Display(runs, Console(file=io.StringIO())):
        raise KeyboardInterrupt


def test_the_display_replaces_characters_that_the_encoding_lacks(tmp_path: Path) -> None:
    raw = io.BytesIO()
    runs = run_folders(tmp_path, 1)
    with io.TextIOWrapper(raw, "latin-1") as file:
        with Display(runs, Console(file=file, width=200)):
            runs[0].refuse({}, ValueError("no …"))
        file.flush()
        assert raw.getvalue().decode("latin-1").strip() == "[1/1] run0  failed ValueError: no ?"


def test_no_process_is_forked_while_the_display_draws() -> None:
    drawn, begun = threading.Event(), threading.Event()

    def draw() -> None:
        with display._drawing:
            begun.set()
            time.sleep(0.1)
            drawn.set()

    thread = threading.Thread(target=draw)
    thread.start()
    begun.wait()
    with warnings.catch_warnings():
        # Forking beside a thread is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        os._exit(0 if drawn.is_set() and display._drawing.acquire(blocking=False) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    thread.join()


PROGRAM = """
import logging, os, sys, time, warnings
from pathlib import Path
from rich.console import Console
from seqsweep.live.display import Display
from test_display import finish, run_folders

logging.basicConfig(stream=sys.stdout, format="%(message)s")
runs = run_folders(Path(sys.argv[1]), 2)
console = Console()
with Display(runs, console):
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
def test_on_a_terminal_all_output_comes_above_the_table(tmp_path: Path) -> None:
    printed, code = on_terminal(PROGRAM, tmp_path)
    assert code == 0, printed
    shown = lines_of(printed)
    for line in (
        "printed by the parent",
        "by its console",
        "logged to an old stream",
        "by another program",
        "printed by child 0",
        "printed by child 1",
        "no end of line",
    ):
        assert line in shown, line
    assert "UserWarning: warned by child 1" in printed
    assert "Traceback" not in printed
    last = printed.splitlines()
    assert last[-1].endswith("afterwards")
    assert "╰" in last[-2]
    assert "2 done   0 running" in text_of(printed[printed.rindex("╭") :])
    assert leaves_a_cursor(printed)


BEGINNING = """
import ctypes, faulthandler, os, signal, sys, threading, time
from pathlib import Path
from rich.console import Console
from seqsweep.live.display import Display
from test_display import finish, run_folders

runs = run_folders(Path(sys.argv[1]), 1)
"""
DEATHS = {
    "a crash": ("faulthandler.enable(); print('before'); ctypes.string_at(0)", "Fatal Python error",
                -signal.SIGSEGV),
    "an abort": ("os.write(2, b'terminate called'); print('before'); os.abort()",
                 "terminate called", -signal.SIGABRT),
    "a kill": ("os.write(2, b'half a line'); print('before'); os.kill(os.getpid(), 9)",
               "half a line", -signal.SIGKILL),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("death", DEATHS)
def test_the_last_output_of_a_sweep_that_dies_is_shown(tmp_path: Path, death: str) -> None:
    dying, said, code = DEATHS[death]
    program = f"{BEGINNING}\nwith Display(runs, Console()):\n    {dying}\n"
    printed, ended = on_terminal(program, tmp_path, COLUMNS="")  # The terminal has no size.
    assert ended == code
    assert said in text_of(printed)
    assert any(line.endswith("before") for line in lines_of(printed))
    assert leaves_a_cursor(printed)


@pytest.mark.slow
def test_a_print_does_not_wait_for_the_gil_nor_the_table_for_a_child(tmp_path: Path) -> None:
    """C code that holds the GIL prints more than a pipe holds; a process that outlives the table
    prints; the relay is killed."""
    program = f"""{BEGINNING}
printf = ctypes.PyDLL(None).printf
with Display(runs, Console()):
    for _ in range(3000):
        printf(b"%s\\n", b"x" * 79)
    ctypes.PyDLL(None).fflush(None)
    if not os.fork():
        time.sleep(0.5)
        print("outlives it")
        os._exit(0)
    finish(runs[0])
print("the table has ended")
os.wait()
runs = run_folders(Path(sys.argv[1]) / "more", 1)
watcher = Display(runs, Console())
with watcher:
    os.kill(watcher._screen._relay.pid, signal.SIGKILL)
    print("x" * 9 + "\\n" + 99999 * "y")
    time.sleep(0.5)
    print("goes on")
print("to its end")
"""
    printed, code = on_terminal(program, tmp_path)
    assert code == 0, printed[-2000:]
    shown = lines_of(printed)
    assert shown.count("x" * 79) == 3000
    assert shown.index("the table has ended") < shown.index("outlives it")
    assert printed.index("y" * 9999) < printed.index("goes on") < printed.index("to its end")
    assert "the sweep's progress could not be shown: BrokenPipeError" in printed
    assert leaves_a_cursor(printed)


@pytest.mark.slow
def test_a_terminal_that_takes_no_output_does_not_stop_the_training(tmp_path: Path) -> None:
    """It draws more frames than all pipes hold, while the terminal is not read."""
    program = f"""{BEGINNING}
from rich.text import Text
from seqsweep.live.terminal import Screen
screen = Screen()
screen.start()
for number in range(600):
    screen.update(Text("\\n".join([f"{{number}} " + "x" * 70] * 20)))
Path(sys.argv[1], "all drawn").touch()
screen.stop()
print("to its end")
"""
    printed, code = on_terminal(program, tmp_path, wait_for=tmp_path / "all drawn")
    assert code == 0, printed[-2000:]
    assert "599 x" in printed
    assert lines_of(printed)[-1] == "to its end"


@pytest.mark.slow
def test_a_narrow_terminal_without_unicode_shows_a_table(tmp_path: Path) -> None:
    program = f"{BEGINNING}\nwith Display(runs, Console()):\n    finish(runs[0])\nprint('on')\n"
    printed, code = on_terminal(program, tmp_path, COLUMNS="30", PYTHONIOENCODING="latin-1")
    assert code == 0, printed
    *_, last, end = [text_of(line) for line in printed.splitlines()]
    assert (last, end) == ("+" + "-" * 28 + "+", "on")
    assert "~" in printed
    assert "could not be shown" not in printed


def text_of(printed: str) -> str:
    """Returns the text without cursor movements and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)


def lines_of(printed: str) -> list[str]:
    """Returns the lines of all frames."""
    frames = printed.split("\x1b[1A")  # A new frame begins above the last one.
    return [text_of(line).lstrip("\r") for frame in frames for line in frame.splitlines()]


def leaves_a_cursor(printed: str) -> bool:
    return printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")


def on_terminal(
    program: str, folder: Path, wait_for: Path | None = None, **more: str
) -> tuple[str, int]:
    """Returns what a Python program prints on a terminal of 80 x 24, and its exit code.

    Args:
        wait_for: a file; before it exists, the terminal is not read.
    """
    master, slave = pty.openpty()
    here = str(Path(__file__).parent)
    environment = {**os.environ, "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    # An empty PYTHONUNBUFFERED is none: a stream has its buffer, as usual.
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": here, "PYTHONUNBUFFERED": "", **more}
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(
        command, env=environment, stdin=slave, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        data = b""
        deadline = time.monotonic() + 60
        while wait_for is not None and not wait_for.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if wait_for is not None and not wait_for.exists():
            process.kill()
            pytest.fail(f"{wait_for} does not exist: the process waits for the terminal")
        with contextlib.suppress(OSError):  # The other side has closed.
            while select.select([master], [], [], 60)[0]:
                data += os.read(master, 65536)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()  # It may hang.
    os.close(master)
    return data.decode(errors="replace"), process.returncode
