"""The live table shows which processes train a sweep, where several or other hosts do."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from live_sweeps import config, shown

from seqsweep.live.table import worker_lines
from seqsweep.runs.lock import RunLock, holder_of
from seqsweep.runs.lock_files import STALE_SECONDS
from seqsweep.runs.sweepfile import sweep_lock

HOLD = """
import sys
from pathlib import Path
from seqsweep.runs.lock import is_locked
from seqsweep.runs.sweepfile import sweep_lock

folder, run, lock = sys.argv[1:]
with sweep_lock(Path(folder)):
    print(is_locked(Path(run)), is_locked(Path(folder), lock), flush=True)
    sys.stdin.read()
"""


class Host:
    """Lock files as a worker on another host writes them."""

    def __init__(self, folder: Path, name: str, pid: int) -> None:
        self.text = json.dumps({"host": name, "pid": pid, "since": 1.5})
        self.lock = folder / f".running-{name}-{pid}"
        self.lock.write_text(self.text)

    def take(self, run: Path) -> None:
        (run / "lock").write_text(self.text)

    def beat(self, age: float = 0.0) -> None:
        when = time.time() - age
        os.utime(self.lock, (when, when))


def lines(progress: Any) -> list[str]:
    """Returns the lines of the workers after another look."""
    progress.look()
    return [line.plain.rstrip() for line in worker_lines(progress.workers)]


def test_each_worker_has_a_line_with_its_runs(sweep):
    found = sweep(*(config(seed) for seed in range(5)))
    first, second = Host(found.folder, "n2", 12), Host(found.folder, "n10", 7)
    runs = [found.start(index).path for index in range(4)]
    for number, run in enumerate(runs):
        (first if number < 2 else second).take(run)
    progress = found.progress()
    assert lines(progress)[0] == "n2 pid 12              2 running   0 done"
    (runs[1] / "lock").unlink()
    found.finish(1)
    assert lines(progress) == [
        "n2 pid 12              1 running   1 done",
        "n10 pid 7              2 running   0 done",
        "2 workers on 2 hosts   3 running   1 done",
    ]


def test_one_process_of_this_host_is_not_listed(sweep):
    found = sweep(config(0), config(1))
    run = found.start(0).path
    with sweep_lock(found.folder), RunLock(run):
        progress = found.progress()
        progress.look()
        assert progress.counts["running"] == 1
        assert "pid" not in shown(progress)
        holder = holder_of(run)
        assert holder is not None and holder.pid == os.getpid()
    assert holder_of(run) is None


@pytest.mark.slow
def test_another_process_of_this_host_is_listed_and_is_silent_when_frozen_or_dead(sweep):
    """A look does not drop the locks of the process that looks, which trains the sweep."""
    found = sweep(config(0), config(1))
    run = found.start(0).path
    with sweep_lock(found.folder) as lock, RunLock(run):
        found.progress().look()
        # Another process works on the sweep, too; it reports whether two locks are held.
        command = [sys.executable, "-c", HOLD, found.folder, run, Path(lock.path).name]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "True True\n"
            progress = found.progress()
            first = lines(progress)
            assert all(f"pid {pid} " in " ".join(first) for pid in (os.getpid(), process.pid))
            assert len(first) == 3
            found.clock.now += 30.0  # The other process has not touched its lock.
            assert "no sign" not in " ".join(lines(progress))
            found.clock.now += STALE_SECONDS - 25.0
            (line,) = (line for line in lines(progress) if f"pid {process.pid} " in line)
            assert line.endswith("no sign of life for 1:05")


@pytest.mark.slow
def test_a_dead_process_of_this_host_is_silent_at_once(sweep):
    """Its lock shows that it has ended, so nobody waits for a minute."""
    found = sweep(config(0))
    run = found.start(0).path
    with sweep_lock(found.folder) as lock:
        command = [sys.executable, "-c", HOLD, found.folder, run, Path(lock.path).name]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline()
            progress = found.progress()
            lines(progress)
            process.kill()
            process.wait()
        found.clock.now += 12.0
        first, *_ = lines(progress)
        assert "0 done   no sign of life for 0:1" in first and f"pid {process.pid} " in first


def test_a_worker_of_another_host_without_a_beat_shows_no_sign_of_life(sweep):
    found = sweep(config(0), config(1))
    workers = [Host(found.folder, name, 7) for name in ("a", "b")]
    progress = found.progress()
    for _ in range(8):
        found.clock.now += 10.0
        workers[0].beat(age=-found.clock.now)
        progress.look()
    seen = lines(progress)
    assert [line.endswith("no sign of life for 1:10") for line in seen] == [True, False, False]
    assert seen[0].startswith("b pid 7")
    workers[1].beat()
    assert "no sign" not in "".join(lines(progress))


def test_at_most_eight_workers_have_a_line_and_the_silent_ones_come_first(sweep):
    """How old a beat is at the first look is asked of the clock of the folder."""
    found = sweep(config(0))
    for index in range(20):
        Host(found.folder, f"n{index % 5}", index + 1)
    Host(found.folder, "z", 99).beat(age=200)
    found.clock.now += 3600.0 * 5  # The clock of this machine is wrong.
    text = lines(found.progress())
    assert len(text) == 10
    assert text[0].split()[:3] == ["z", "pid", "99"]
    assert text[0].endswith("no sign of life for 3:20")
    assert text[8].startswith("and 13 more on 4 hosts  ")
    assert text[9].startswith("21 workers on 6 hosts   ")


def test_done_runs_count_for_the_process_that_their_event_file_names(sweep):
    """The runs were done before the first look; another process trained the third one."""
    found = sweep(*(config(seed) for seed in range(4)))
    Host(found.folder, "n1.cluster.example", 7)
    for index, name in enumerate(("n1.cluster.example.7", "n1.cluster.example.7", "n1.8")):
        run = found.start(index).path
        (run / f"events.out.tfevents.{1700000000 + index}.{name}.0.rows").touch()
        found.finish(index)
    assert lines(found.progress())[0] == "n1 pid 7             0 running   2 done"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"host": "a", "pid": "b", "since": 3}'])
def test_a_damaged_lock_file_names_nobody(sweep, text):
    found = sweep(config(0))
    (found.start(0).path / "lock").write_text(text)
    (found.folder / ".running-x").write_text(text)
    assert holder_of(found.run(0).path) is None
    progress = found.progress()
    progress.look()
    assert progress.workers.present == []
