"""A lock that another host or a dead process has left is respected while it is fresh."""

import json
import os
import socket
import time
from pathlib import Path

import pytest
from lock_programs import leave_lock_of

from seqsweep.errors import RunLocked
from seqsweep.runs import lock_files
from seqsweep.runs.lock import (
    RunLock,
    holder_of,
    is_locked,
    remove_lock_of_finished_run,
    wait_until_certain,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("age", [0.0, 50.0])
def test_a_fresh_lock_of_another_host_is_respected(folder: Path, age: float) -> None:
    leave_lock_of("elsewhere", folder, age)
    before = (folder / "lock").stat().st_mtime
    with pytest.raises(RunLocked, match="process 4711 on elsewhere"), RunLock(folder):
        pass
    assert json.loads((folder / "lock").read_bytes())["host"] == "elsewhere"
    assert (folder / "lock").stat().st_mtime == before


def test_a_lock_of_another_host_that_lies_ahead_blocks_nobody(folder: Path) -> None:
    """A clock went back since, or was wrong; a few seconds are two clocks that differ."""
    for age in (0, -50):
        leave_lock_of("elsewhere", folder, age=age)
        assert is_locked(folder)
    leave_lock_of("elsewhere", folder, age=-24 * 3600)
    assert not is_locked(folder)


@pytest.mark.parametrize(("age", "left"), [(0.0, True), (120.0, False)])
def test_a_reader_removes_the_old_lock_of_a_finished_run(folder, age, left):
    """A process of another host was killed between its record and the end of its lock."""
    leave_lock_of("elsewhere", folder, age)
    (folder / "lock").rename(folder / "lock.2")
    leave_lock_of("elsewhere", folder, age=300)
    remove_lock_of_finished_run(folder)
    assert (folder / "lock.2").exists() is left
    assert (folder / "lock").exists() is left


def test_age_is_measured_by_the_clock_of_the_file_system(folder, monkeypatch):
    """The clock of this machine may differ from the clock of the file server."""
    leave_lock_of("elsewhere", folder, age=0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert is_locked(folder)


def test_the_lock_of_a_dead_process_of_this_host_is_taken_over_at_once(folder: Path) -> None:
    leave_lock_of(socket.gethostname(), folder, age=0)
    with RunLock(folder) as lock:
        assert lock.taken_from is not None and lock.taken_from.pid == 4711
        found = holder_of(folder)
        assert found is not None and found.pid == os.getpid()
        assert (folder / "lock").exists()  # whoever looks for this name alone is right
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("age", [120.0, -120.0, 5 * 3600, -5 * 3600])
def test_a_lock_that_only_a_clock_calls_dead_is_watched_first(folder, lock_times, age):
    lock_times(beat=0.05)
    leave_lock_of("elsewhere", folder, age)
    assert not is_locked(folder)  # a first look believes the clock
    with pytest.raises(RunLocked, match="process 4711 on elsewhere"), RunLock(folder):
        pass
    assert is_locked(folder)  # so that nobody tries again and again
    assert wait_until_certain([folder])
    assert not is_locked(folder)
    with RunLock(folder) as lock:
        assert lock.taken_from is not None and lock.taken_from.host == "elsewhere"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("age", [0.0, 5 * 3600, -5 * 3600])
def test_a_lock_that_is_touched_is_never_taken_over(folder, lock_times, age):
    """The clock of the other host may be hours off, and each touch may show another time."""
    lock_times(beat=0.02, stale=0.2)
    leave_lock_of("elsewhere", folder, age)
    ends, touches = time.monotonic() + 1, 0
    while time.monotonic() < ends:
        touches += 1
        os.utime(folder / "lock", (0, time.time() - age + (touches % 2) * 7200))
        with pytest.raises(RunLocked), RunLock(folder):
            pass
        time.sleep(0.01)
    assert json.loads((folder / "lock").read_bytes())["host"] == "elsewhere"


def test_an_untouched_lock_is_taken_over_whatever_the_clock_says(folder, monkeypatch, lock_times):
    monkeypatch.setattr(lock_files, "time_in", lambda _: (folder / "lock").stat().st_mtime)
    lock_times(stale=0.3)
    leave_lock_of("elsewhere", folder, age=0)
    assert is_locked(folder)
    time.sleep(0.1)
    with pytest.raises(RunLocked), RunLock(folder):
        pass
    time.sleep(0.25)
    assert not is_locked(folder)
    with RunLock(folder):
        pass
