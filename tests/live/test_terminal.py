"""A terminal belongs to the live table, and all other output goes to sweep.log."""

import os
import sys
from pathlib import Path

import pytest
from terminals import hides_the_cursor, read_until, terminal, text_of
from waiting import wait_until

BEGINNING = """
import ctypes, faulthandler, logging, os, signal, sys, threading, time, warnings
from pathlib import Path
from rich.text import Text
from seqsweep.console import PlainConsole, say, say_error
from seqsweep.live.display import show_progress
from seqsweep.live.display import Screen
from live_sweeps import finish, run_folders

logging.basicConfig(stream=sys.stdout, format="%(message)s")
folder = Path(sys.argv[1])
runs = run_folders(folder, 2)
console = PlainConsole()
"""
PRINTING = """
    print("printed by the parent")
    console.print("by its console")
    logging.getLogger().warning("logged to an old stream")
    os.system("echo by another program")
    ctypes.CDLL(None).printf(b"printed from C\\n")
    os.write(2, b"\\x1b[31mto the descriptor\\x1b[0m\\n")
    with show_progress(runs, PlainConsole()):
        print("in a nested display")
    for n, run in enumerate(runs):
        time.sleep(0.3)
        say_error(f"run {n} begins")
        pid = os.fork()
        if not pid:
            print(f"printed by child {n}")
            warnings.warn(f"warned by child {n}")
            say_error(f"said by child {n}")
            finish(run) if n < int(sys.argv[2]) else None
            os._exit(0)
        os.waitpid(pid, 0)
"""
PRINTED = (
    "printed by the parent", "by its console", "logged to an old stream", "by another program",
    "printed from C", "to the descriptor", "in a nested display", "printed by child 0",
    "UserWarning: warned by child 1", "seqsweep: said by child 1",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("finished", [2, 1])
def test_all_output_goes_to_the_log_and_is_shown_after_a_failure(tmp_path, finished) -> None:
    shown = f"with show_progress(runs, console):{PRINTING}"
    program = f"{BEGINNING}\nprint('before')\n{shown}\nsay('after')"
    printed, code = on_terminal(program, tmp_path, str(finished))
    assert code == 0, printed
    log = (tmp_path / "sweep.log").read_text()
    assert [line for line in PRINTED if line not in log] == []
    above, below = printed[: printed.rindex("╭")], text_of(printed[printed.rindex("╭") :])
    assert above.startswith("before\r\n")
    assert "seqsweep: run 0 begins\r\n" in above and "seqsweep: run 1 begins\r\n" in above
    assert "begins" not in log
    assert f"{finished} done   0 running" in below
    assert below.endswith("after\r\n")
    shown = [line for line in PRINTED if line in printed]
    assert shown == ([] if finished == 2 else list(PRINTED))
    assert finished == 2 or f"printed meanwhile, in {tmp_path}/sweep.log:" in below
    assert not hides_the_cursor(printed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("raise ValueError('no luck')", 1),
        pytest.param("os.kill(os.getpid(), signal.SIGINT)", 130, marks=pytest.mark.durability),
    ],
)
def test_an_early_end_leads_the_output_to_the_terminal_again(tmp_path, ending, code) -> None:
    """The last 50 lines of the log that were printed meanwhile are shown."""
    program = f"""{BEGINNING}
for n in range(99):
    (folder / "sweep.log").open("a").write(f"before {{n}}\\n")
try:
    with show_progress(runs, console):
        os.write(1, b"".join(b"%d meanwhile\\n" % n for n in range(60)))
        time.sleep(0.3)
        {ending}
except KeyboardInterrupt:
    sys.exit(130)
finally:
    print("finally")
"""
    printed, ended = on_terminal(program, tmp_path)
    assert ended == code, printed
    text = text_of(printed[printed.rindex("╰") :])
    assert "\r\n10 meanwhile\r\n" in text and "59 meanwhile\r\nfinally\r\n" in text
    assert "\n9 meanwhile" not in text and "before" not in text
    assert not hides_the_cursor(printed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "death",
    [
        "os.kill(os.getpid(), 9)",
        pytest.param("faulthandler.enable(); ctypes.string_at(0)", marks=pytest.mark.durability),
    ],
    ids=["a kill", "a crash"],
)
def test_after_a_death_the_prompt_stands_behind_the_last_frame(tmp_path: Path, death: str) -> None:
    program = f"""{BEGINNING}
if not os.fork():
    with show_progress(runs, console):
        os.write(2, b"before the end\\n")
        time.sleep(0.5)
        {death}
os.wait()
os.write(1, b"prompt $ ")
"""
    printed, code = on_terminal(program, tmp_path, COLUMNS="")  # The terminal has no size.
    assert code == 0
    assert text_of(printed).endswith("╯prompt $ ")
    assert not hides_the_cursor(printed)
    assert "before the end" in (tmp_path / "sweep.log").read_text()


@pytest.mark.slow
def test_processes_are_forked_while_a_terminal_takes_no_output(tmp_path: Path) -> None:
    """Each child prints and warns; a lock that it inherited would stop it for ever.

    The thread draws more frames than the terminal takes, and nothing reads the terminal before all
    children have ended.
    """
    program = f"""{BEGINNING}
screen = Screen(folder / "sweep.log")
def draw():
    for number in range(600):
        screen.update(Text("\\n".join([f"{{number}} " + "x" * 70] * 20)))
screen.start()
thread = threading.Thread(target=draw)
thread.start()
for n in range(20):
    time.sleep(0.02)
    say_error(f"fork {{n}}")
    pid = os.fork()
    if not pid:
        warnings.warn(f"warned by child {{n}}")
        print(f"printed by child {{n}}", flush=True)
        say_error(f"said by child {{n}}")
        os._exit(0)
    os.waitpid(pid, 0)
(folder / "trained").touch()
thread.join()
screen.stop()
screen.close(False)
print("to its end")
"""
    printed, code = on_terminal(program, tmp_path, wait_for=tmp_path / "trained")
    assert code == 0, printed[-2000:]
    log = (tmp_path / "sweep.log").read_text()
    assert all(f"UserWarning: warned by child {n}\n" in log for n in range(20))
    assert all(f"seqsweep: said by child {n}\n" in log for n in range(20))
    assert all(f"seqsweep: fork {n}\r\n" in printed for n in range(20))
    assert "599 x" in printed and text_of(printed).endswith("to its end\r\n")


def on_terminal(
    program: str, folder: Path, *arguments: str, wait_for: Path | None = None, **more: str
) -> tuple[str, int]:
    """Returns what a Python program prints on a terminal of 24 x 80, and its exit code.

    Args:
        wait_for: a file; before it exists, the terminal is not read.
    """
    support = str(Path(__file__).parents[1] / "support")
    environment = {**os.environ, "COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    # An empty PYTHONUNBUFFERED does not count: a stream has its buffer, as usual.
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": support, "PYTHONUNBUFFERED": "", **more}
    command = [sys.executable, "-c", program, str(folder), *arguments]
    with terminal(*command, env=environment) as (process, master):
        if wait_for is not None:
            wait_until(wait_for.exists)
        printed = read_until(master)
        process.wait(180)
    return printed, process.returncode
