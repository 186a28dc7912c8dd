"""`watch` shows a sweep from its folder and ends with the sweep."""

import io
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from live_sweeps import Sweep, config
from rich.console import Console

from seqsweep.live.display import is_over, read_progress, watch
from seqsweep.runs.sweepfile import NAME, sweep_lock

pytestmark = pytest.mark.slow


def watched(folder: Path) -> tuple[int, str]:
    out = io.StringIO()
    code = watch(folder, Console(file=out, width=200))
    return code, out.getvalue()


def test_watch_ends_when_all_runs_are_done(sweep):
    """The folder may have sweep.json or not, or belong to a single run."""
    found = sweep(config(0), config(1))
    for index in range(2):
        found.end(index)
    assert watched(found.folder)[1].splitlines()[-1] == "2 of 2 runs done"
    assert watched(found.run(1).path)[1].splitlines()[-1] == "1 of 1 run done"
    found.file().write(found.folder)
    code, text = watched(found.folder)
    assert code == 0
    assert "[2/2] seed=1  val/acc 0.9000" in text
    assert "by val/acc of the best epoch" in text
    assert text.splitlines()[-1] == "2 of 2 runs done"


def test_watch_ends_with_the_sweep_and_prints_the_command_that_finishes_it(sweep):
    found = sweep(config(0), config(1))
    found.end(0)
    found.file().end(found.folder, time.time())
    code, text = watched(found.folder)
    assert code == 1
    assert "1 of 2 runs not done; to see why:" in text
    assert text.splitlines()[-1] == "  seqsweep train -m seed=0,1,2"


def test_a_run_that_was_skipped_is_done(sweep):
    found = sweep(config(0), config(1))
    for index in range(2):
        found.end(index)
    found.file(done_before=["run1"]).end(found.folder, time.time())
    code, text = watched(found.folder)
    assert code == 0 and text.splitlines()[-1] == "2 of 2 runs done"


def test_watch_waits_for_the_first_worker_of_a_planned_sweep(sweep):
    found = sweep(config(0))
    found.file().write(found.folder)
    worker = threading.Timer(0.3, found.end, [0])
    worker.start()
    code, text = watched(found.folder)
    worker.join()
    assert code == 0
    first, second, *_, last = text.splitlines()
    assert first == "no process trains this sweep yet; to start one:"
    assert second.startswith("  seqsweep work /")
    assert last == "1 of 1 run done"


def test_ctrl_c_ends_watch_and_not_the_sweep(sweep):
    found = sweep(config(0))
    found.file().write(found.folder)
    key = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    key.start()
    out = io.StringIO()
    assert watch(found.folder, Console(file=out, width=200, force_terminal=True)) == 130
    key.join()
    assert "stopped watching; the sweep continues" in out.getvalue()


def test_watch_notices_the_end_of_a_sweep_and_a_new_sweep(sweep):
    found = sweep(config(0), config(1))
    with sweep_lock(found.folder):
        found.file().write(found.folder)
        seen = read_progress(found.folder)
        seen.look()
        assert not is_over(seen)
    # The end is written into the same file, so its inode stays.
    with (found.folder / NAME).open("r+") as file:
        text = file.read().replace('"ended": null', f'"ended": {found.clock.now}')
        file.seek(0)
        file.write(text)
    assert seen.renewed() is seen
    assert seen.sweep.ended and is_over(seen)
    more = Sweep(found.folder, [config(seed) for seed in range(3)])
    with sweep_lock(found.folder):
        more.file(started=found.clock.now + 1).write(found.folder)
        new = seen.renewed()
        new.look()
        assert len(new.runs) == 3
        assert not is_over(new)


def test_watch_waits_for_the_next_runs_of_a_search(sweep):
    found = sweep(config(0))
    found.end(0)
    with sweep_lock(found.folder):
        replace(found.file(), open=True).write(found.folder)
        seen = read_progress(found.folder)
        seen.look()
        assert seen.counts == {"complete": 1}
        assert not is_over(seen)
        found.file().write(found.folder)
        assert is_over(seen.renewed())
    replace(found.file(), open=True).write(found.folder)  # its search was killed
    assert is_over(seen.renewed())
