"""The live table shows which processes train a sweep, where several or other hosts do."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from live_sweeps import config, shown, train

from seqsweep.live import worker_state
from seqsweep.live.table import worker_lines
from seqsweep.live.worker_state import Rate
from seqsweep.runs.lock import RunLock, holder_of
from seqsweep.runs.lock_files import STALE_SECONDS
from seqsweep.runs.sweepfile import sweep_lock

HOLD = """
import sys
from pathlib import Path
from seqsweep.runs.sweepfile import sweep_lock

with sweep_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


class Host:
    """Lock files as a worker on another host writes them."""

    def __init__(self, folder: Path, name: str, pid: int) -> None:
        self.folder = folder
        self.text = json.dumps({"host": name, "pid": pid, "since": 1.5})
        self.lock = folder / f".running-{name}-{pid}"
        self.lock.write_text(self.text)

    def take(self, run: Path) -> None:
        (run / "lock").write_text(self.text)

    def beat(self, age: float = 0.0) -> None:
        when = time.time() - age
        os.utime(self.lock, (when, when))


@contextmanager
def another_process(folder: Path) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def lines(progress: Any) -> list[str]:
    return [line.plain.rstrip() for line in worker_lines(progress.workers)]


def test_each_worker_has_a_line_with_its_runs_and_its_rate(sweep):
    found = sweep(*(config(seed) for seed in range(5)))
    first, second = Host(found.folder, "n2", 12), Host(found.folder, "n10", 7)
    runs = [found.start(index).path for index in range(4)]
    for run in runs[:2]:
        first.take(run)
    for run in runs[2:]:
        second.take(run)
    progress = found.progress()
    progress.look()
    assert lines(progress)[0] == "n2 pid 12              2 running   0 done"
    train(runs[0], range(8))
    train(runs[3], range(4))
    found.clock.now += 4.0
    progress.look()
    (runs[1] / "lock").unlink()
    found.finish(1)
    progress.look()
    assert lines(progress) == [
        "n2 pid 12              1 running   1 done   4.5 epochs/s",
        "n10 pid 7              2 running   0 done   1.0 epochs/s",
        "2 workers on 2 hosts   3 running   1 done   5.5 epochs/s",
    ]


def test_one_process_of_this_host_is_not_listed(sweep):
    found = sweep(config(0), config(1))
    with sweep_lock(found.folder), RunLock(found.start(0).path):
        progress = found.progress()
        progress.look()
        assert progress.counts["running"] == 1
        assert "pid" not in shown(progress)


def test_a_look_does_not_drop_the_locks_of_the_process_that_looks(sweep):
    """The display of a sweep runs in the process that trains it."""
    found = sweep(config(0))
    code = """
import sys
from pathlib import Path
from seqsweep.runs.lock import is_locked
print(is_locked(Path(sys.argv[1])), is_locked(Path(sys.argv[2]), sys.argv[3]))
"""
    run = found.start(0).path
    with sweep_lock(found.folder) as lock, RunLock(run):
        Host(found.folder, "n1", 3)
        found.progress().look()
        command = [sys.executable, "-c", code, run, found.folder, Path(lock.path).name]
        asked = subprocess.run(command, capture_output=True, text=True, check=True)
        holder = holder_of(run)
        assert holder is not None and holder.pid == os.getpid()
    assert asked.stdout == "True True\n"
    assert holder_of(run) is None


@pytest.mark.slow
def test_another_process_of_this_host_is_listed_and_a_killed_one_is_dead(sweep):
    found = sweep(config(0), config(1))
    with sweep_lock(found.folder), another_process(found.folder) as process:
        progress = found.progress()
        progress.look()
        text = " ".join(lines(progress))
        assert all(f"pid {pid} " in text for pid in (os.getpid(), process.pid))
        assert len(lines(progress)) == 3
        found.clock.now += 30.0  # The other process has not touched its lock.
        progress.look()
        assert "dead" not in " ".join(lines(progress))
        process.kill()
        process.wait()
        progress.look()
        assert lines(progress)[0].endswith("   0 done   dead")
        assert f"pid {process.pid} " in lines(progress)[0]


@pytest.mark.slow
def test_a_process_of_this_host_that_does_not_beat_is_frozen(sweep):
    found = sweep(config(0))
    with sweep_lock(found.folder), another_process(found.folder) as process:
        progress = found.progress()
        progress.look()
        found.clock.now += STALE_SECONDS + 5
        progress.look()
        line = next(line for line in lines(progress) if f"pid {process.pid} " in line)
        assert line.endswith("frozen for 1:05")


def test_a_worker_of_another_host_without_a_beat_shows_no_sign_of_life(sweep):
    found = sweep(config(0), config(1))
    workers = [Host(found.folder, name, 7) for name in ("a", "b")]
    progress = found.progress()
    progress.look()
    for _ in range(7):
        found.clock.now += 10.0
        workers[0].beat(age=-found.clock.now)
        progress.look()
    assert [line.endswith("no sign of life for 1:10") for line in lines(progress)] == [
        True,
        False,
        False,
    ]
    assert lines(progress)[0].startswith("b pid 7")
    workers[1].beat()
    progress.look()
    assert "no sign" not in "".join(lines(progress))


def test_the_first_look_asks_how_old_a_beat_is_by_the_clock_of_the_folder(sweep, monkeypatch):
    found = sweep(config(0))
    Host(found.folder, "a", 7).beat()
    hours = 3600.0 * 5
    monkeypatch.setattr(worker_state, "time_in", lambda _: time.time() + 90.0)
    found.clock.now += hours  # The clock of this machine is wrong.
    progress = found.progress()
    progress.look()
    assert lines(progress)[0].endswith("no sign of life for 1:30")


def test_at_most_eight_workers_have_a_line_and_the_silent_ones_come_first(sweep):
    found = sweep(config(0))
    for index in range(20):
        Host(found.folder, f"n{index % 5}", index + 1)
    Host(found.folder, "z", 99).beat(age=200)
    progress = found.progress()
    progress.look()
    text = lines(progress)
    assert len(text) == 10
    assert text[0].split()[:3] == ["z", "pid", "99"]
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
    progress = found.progress()
    progress.look()
    assert lines(progress)[0] == "n1 pid 7             0 running   2 done"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"host": "a", "pid": "b", "since": 3}'])
def test_a_damaged_lock_file_names_nobody(sweep, text):
    found = sweep(config(0))
    (found.start(0).path / "lock").write_text(text)
    (found.folder / ".running-x").write_text(text)
    assert holder_of(found.run(0).path) is None
    progress = found.progress()
    progress.look()
    assert progress.workers.present == []


def test_a_rate_is_that_of_the_last_minute():
    rate = Rate()
    assert rate.per_second() is None
    for second in range(100):
        rate.sample(float(second), 5 * second)
    assert rate.per_second() == pytest.approx(5.0)
    for second in range(100, 200):
        rate.sample(float(second), 500)
    assert rate.per_second() == 0.0
