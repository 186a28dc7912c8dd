"""A lock that another host or a dead process has left is respected while it is fresh."""

import json
import os
import socket
from pathlib import Path

import pytest
from lock_programs import (
    leave_lock_of,
)

from seqsweep.runs.lock import Locked, RunLock, is_locked


@pytest.mark.parametrize("age", [0.0, 50.0])
def test_a_fresh_lock_of_another_host_is_respected(folder: Path, age: float) -> None:
    leave_lock_of("elsewhere", folder, age)
    before = (folder / "lock").stat().st_mtime
    with pytest.raises(Locked, match="process 4711 on elsewhere"), RunLock(folder):
        pass
    assert json.loads((folder / "lock").read_bytes())["host"] == "elsewhere"
    assert (folder / "lock").stat().st_mtime == before


def test_a_fresh_lock_of_another_host_is_seen(folder: Path) -> None:
    """Whoever asks gets the same answer as whoever tries."""
    leave_lock_of("elsewhere", folder, age=0)
    assert is_locked(folder)
    leave_lock_of("elsewhere", folder, age=120)
    assert not is_locked(folder)


def test_a_lock_of_another_host_that_lies_ahead_blocks_nobody(folder: Path) -> None:
    """A clock went back since, or was wrong; a few seconds are two clocks that differ."""
    leave_lock_of("elsewhere", folder, age=-50)
    assert is_locked(folder)
    leave_lock_of("elsewhere", folder, age=-24 * 3600)
    assert not is_locked(folder)
    with RunLock(folder):
        assert json.loads((folder / "lock").read_bytes())["pid"] == os.getpid()


def test_age_is_told_by_the_clock_of_the_file_system(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of this machine may be another one than that of the server of its files."""
    leave_lock_of("elsewhere", folder, age=0)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert is_locked(folder)


@pytest.mark.parametrize(
    ("host", "age"), [("elsewhere", 120.0), (socket.gethostname(), 0.0)], ids=["host", "process"]
)
def test_a_stale_lock_is_taken_over(folder: Path, host: str, age: float) -> None:
    leave_lock_of(host, folder, age)
    with RunLock(folder):
        holder = json.loads((folder / "lock").read_bytes())
        assert (holder["host"], holder["pid"]) == (socket.gethostname(), os.getpid())
    assert not (folder / "lock").exists()
