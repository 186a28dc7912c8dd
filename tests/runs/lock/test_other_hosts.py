"""A lock that another host or a dead process has left is respected while it is fresh."""

import json
import os
import time
from pathlib import Path

import pytest
from lock_programs import leave_lock_of

from seqsweep.errors import RunLocked
from seqsweep.runs.lock import (
    RunLock,
    is_locked,
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


def test_age_is_measured_by_the_clock_of_the_file_system(folder, monkeypatch):
    """The clock of this machine may differ from the clock of the file server."""
    leave_lock_of("elsewhere", folder, age=0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert is_locked(folder)


@pytest.mark.parametrize("age", [120.0, -5 * 3600])
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


def test_a_lock_that_is_touched_is_never_taken_over(folder, lock_times):
    """The clock of the other host may be hours off, and each touch may show another time."""
    age = 5 * 3600
    lock_times(beat=0.02, stale=0.2)
    leave_lock_of("elsewhere", folder, age)
    ends, touches = time.monotonic() + 0.6, 0
    while time.monotonic() < ends:
        touches += 1
        os.utime(folder / "lock", (0, time.time() - age + (touches % 2) * 7200))
        with pytest.raises(RunLocked), RunLock(folder):
            pass
        time.sleep(0.01)
    assert json.loads((folder / "lock").read_bytes())["host"] == "elsewhere"
