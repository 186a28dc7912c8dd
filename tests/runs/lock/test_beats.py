"""A lock's file is touched while its process lives, by one thread for all locks."""

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from lock_programs import FORK_INSIDE, line, tell

from seqsweep.runs.lock import RunLock, is_locked


def beaten(folder: Path, seconds: float = 180) -> bool:
    """Returns whether the lock's file, made old, is touched within some time."""
    os.utime(folder / "lock", (1, 1))
    ends = time.monotonic() + seconds
    while (folder / "lock").stat().st_mtime == 1 and time.monotonic() < ends:
        time.sleep(0.01)
    return (folder / "lock").stat().st_mtime != 1


def beating() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.endswith("(_beat)")}


def test_one_thread_beats_for_all_locks_while_there_are_any(tmp_path, lock_times):
    lock_times(beat=0.02)
    before = beating()  # those of earlier tests may be about to end
    folders = [tmp_path / name for name in "abcd"]
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(RunLock(folder))
        (thread,) = beating() - before
        assert thread.daemon
        assert all(beaten(folder) for folder in folders)
        (folders[0] / "lock").unlink()  # some process removes it: the others continue
        with RunLock(tmp_path / "e"):
            assert all(beaten(folder) for folder in (*folders[1:], tmp_path / "e"))
        assert beating() - before == {thread}
    thread.join(180)
    assert not thread.is_alive()
    with RunLock(folders[0]):  # and again
        assert beaten(folders[0])


@pytest.mark.slow
def test_a_forked_child_leaves_its_parents_lock_and_beats_for_its_own(tmp_path, start):
    parent = start(FORK_INSIDE, tmp_path)
    assert line(parent) == "the parent's is locked by its parent, its own is taken and beaten"
    assert line(parent) == "ended"
    assert is_locked(tmp_path / "parent")
    tell(parent)
    assert line(parent) == "released"
    assert not (tmp_path / "parent" / "lock").exists()
