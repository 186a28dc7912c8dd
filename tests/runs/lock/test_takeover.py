"""One holder without POSIX locks, and none that has stood still."""

import json
import os
import signal
import socket
import time

import pytest
from lock_programs import CHECK, RACE_OF_HOSTS, leave_lock_of, line, tell
from waiting import wait_until

from seqsweep.errors import LockLost, RunLocked
from seqsweep.runs import lock_files
from seqsweep.runs.lock import RunLock, check_held, holder_of, is_locked

ROUNDS = 60


@pytest.mark.slow
@pytest.mark.sampled(2, 2)
@pytest.mark.parametrize("stale", [False, True], ids=["free", "stale"])
@pytest.mark.parametrize("links", ["links", "nolinks"])
def test_of_two_hosts_exactly_one_gets_each_lock(tmp_path, start, stale, links):
    folders = [tmp_path / f"{index:03}" for index in range(ROUNDS)]
    for folder in folders:
        folder.mkdir()
        if stale:
            leave_lock_of("elsewhere", folder, age=1000)
    racers = [start(RACE_OF_HOSTS, host, links, tmp_path) for host in ("one", "two")]
    assert [line(racer) for racer in racers] == ["ready", "ready"]
    for racer in racers:
        tell(racer, str(time.time() + 0.2))
    won = [line(racer).split() for racer in racers]
    assert sorted(won[0] + won[1]) == [folder.name for folder in folders]
    for host, names in zip(("one", "two"), won, strict=True):
        for name in names:
            holder = holder_of(tmp_path / name)
            assert holder is not None and holder.host == host
    for racer in racers:
        tell(racer)
        assert racer.wait(180) == 0
    assert [path for folder in folders for path in folder.iterdir()] == []


@pytest.mark.slow
def test_a_frozen_holder_without_posix_locks_loses_its_lock(folder, start, lock_times):
    lock_times(beat=0.05, stale=0.5)
    holder = start(CHECK, "another", "nolinks", folder)
    assert line(holder) == "held"
    assert json.loads((folder / "lock").read_bytes())["posix"] is False
    time.sleep(0.7)
    with pytest.raises(RunLocked, match="on another"), RunLock(folder):
        pass
    tell(holder)
    assert line(holder) == "may write"
    os.kill(holder.pid, signal.SIGSTOP)
    wait_until(lambda: not is_locked(folder))
    with RunLock(folder) as lock:
        assert lock.taken_from is not None and lock.taken_from.host == "another"
        os.kill(holder.pid, signal.SIGCONT)
        tell(holder)
        assert "is trained by another process now" in line(holder)
        assert line(holder) == "released"
        check_held(folder)
        found = holder_of(folder)
        assert found is not None and found.pid == os.getpid()
    assert list(folder.iterdir()) == []


def test_a_lost_lock_stays_lost_when_the_new_holder_is_gone(folder, lock_times):
    """A lock with the same name and number follows."""
    lock_times(beat=0.01)
    with RunLock(folder):
        (folder / "lock").unlink()
        leave_lock_of("elsewhere", folder, age=0)
        time.sleep(0.05)
        with pytest.raises(LockLost, match="stood still"):
            check_held(folder)
        with pytest.raises(LockLost):
            check_held(folder.parent / "." / folder.name / ".." / folder.name)
    assert json.loads((folder / "lock").read_bytes())["host"] == "elsewhere"


@pytest.mark.parametrize("name", ["lock", ".running-a.b-7"])
@pytest.mark.parametrize("numbers", [(1, 2, 4), (2, 3), (4,)])
def test_a_dead_chain_of_generations_is_taken_over_and_removed(folder, name, numbers):
    for number in numbers:
        content = {"host": socket.gethostname(), "pid": number, "boot": lock_files.boot_id()}
        file = folder / (name if number == 1 else f"{name}.{number}")
        file.write_text(json.dumps(content))
    (folder / f"{name}.txt").touch()
    assert not is_locked(folder, name)
    with RunLock(folder, name) as lock:
        assert lock.taken_from is not None and lock.taken_from.pid == numbers[-1]
        assert (folder / f"{name}.{numbers[-1] + 1}").exists()
        assert is_locked(folder, name)
    assert [path.name for path in folder.iterdir()] == [f"{name}.txt"]
