"""A lock dies with its process, and a process that looks at it does not disturb it."""

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest
from lock_programs import (
    HOLD,
    HOLD_WITH_CHILDREN,
    RACE,
    TAKE,
    TRY,
    Start,
    leave_lock_of,
    line,
    tell,
)

from seqsweep.errors import RunLocked
from seqsweep.runs.lock import RunLock, holder_of, is_locked
from seqsweep.runs.run_folder import RunFolder


@pytest.mark.slow
def test_a_killed_holder_frees_the_lock_at_once(folder: Path, start: Start) -> None:
    holder = start(HOLD, folder)
    assert line(holder) == "held"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (folder / "lock").exists()
    assert not is_locked(folder)
    assert (folder / "lock").exists()  # looking removes nothing
    with RunLock(folder) as lock:
        assert lock.taken_from is not None and lock.taken_from.pid == holder.pid
        found = holder_of(folder)
        assert found is not None and found.pid == os.getpid()
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_looking_from_the_holder_does_not_drop_the_lock(folder, start, monkeypatch):
    """Closing any descriptor of a file drops the process's POSIX locks on it."""
    monkeypatch.chdir(folder.parent)
    with RunLock(folder):
        assert is_locked(folder)
        assert is_locked(Path(folder.name))
        assert RunFolder(folder).state() == "running"
        with suppress(RunLocked):
            RunLock(folder).__enter__()
        other = start(TRY, folder)
        assert line(other) == "True"
        assert f"process {os.getpid()} on" in line(other)
        assert is_locked(folder)


@pytest.mark.slow
def test_another_path_to_the_folder_is_the_same_lock(folder: Path, start: Start) -> None:
    (folder.parent / "link").symlink_to(folder.parent)
    path = folder.parent / "link" / folder.name / ".." / folder.name
    with RunLock(folder):
        assert is_locked(path)
        with pytest.raises(RunLocked), RunLock(path):
            pass
        other = start(TRY, folder)
        assert line(other) == "True"
        assert "process" in line(other)


@pytest.mark.slow
def test_forked_children_neither_drop_nor_keep_the_lock(folder: Path, start: Start) -> None:
    """The children behave as DataLoader workers: one ends first, and one outlives the parent."""
    holder = start(HOLD_WITH_CHILDREN, folder)
    child = int(line(holder))
    assert is_locked(folder)
    try:
        holder.kill()
        holder.wait()
        assert not is_locked(folder)
        with RunLock(folder):
            pass
        os.kill(child, 0)  # it is there still
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.slow
def test_of_two_that_race_for_a_stale_lock_one_gets_it(tmp_path: Path, start: Start) -> None:
    folders = [tmp_path / f"{index:02}" for index in range(20)]
    for path in folders:
        path.mkdir()
        leave_lock_of(socket.gethostname(), path, age=0)
    racers = [start(RACE, tmp_path), start(RACE, tmp_path)]
    assert [line(racer) for racer in racers] == ["ready", "ready"]
    for path in folders:
        moment = time.time() + 0.02
        for racer in racers:
            tell(racer, str(moment))
        assert sorted(line(racer) for racer in racers) == [path.name, "locked"]
        assert is_locked(path)
    for racer in racers:
        tell(racer)
        assert racer.wait(10) == 0
    assert [path for path in folders if (path / "lock").exists()] == []


@pytest.mark.slow
def test_a_process_that_looks_at_a_lock_does_not_hold_it(folder: Path, start: Start) -> None:
    """A lock must not be refused because somebody asks just then whether it is held."""
    taker = start(TAKE, folder, 300)
    while taker.poll() is None:
        is_locked(folder)
    assert line(taker) == "0"
