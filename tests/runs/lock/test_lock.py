"""One writer: a lock that goes with its holder, whatever lies in its place."""

import json
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lock_programs import HOLD, TRY, leave_lock_of, line

from seqsweep.errors import RunLocked
from seqsweep.runs import lock
from seqsweep.runs.ledger import read_run
from seqsweep.runs.lock import RunLock, is_locked
from seqsweep.runs.run_folder import RunFolder


def test_a_lock_names_its_holder_and_goes_with_it(folder: Path) -> None:
    assert not is_locked(folder)
    assert not (folder / "lock").exists()
    before = time.time()
    with RunLock(folder):
        assert is_locked(folder)
        holder = json.loads((folder / "lock").read_bytes())  # ours is dropped by this reading
    assert (holder["host"], holder["pid"]) == (socket.gethostname(), os.getpid())
    assert before <= holder["since"] <= time.time()
    with pytest.raises(RuntimeError, match="inside"), RunLock(folder):
        raise RuntimeError("inside")
    assert not is_locked(folder)
    assert list(folder.iterdir()) == []


def test_a_process_does_not_lock_a_run_twice(folder: Path) -> None:
    with RunLock(folder):
        for _ in range(2):
            with pytest.raises(RunLocked, match=r"0123456789abcdef is .* by this process"):
                RunLock(folder).__enter__()
        assert is_locked(folder)
    with RunLock(folder):
        pass


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
def test_a_lock_that_is_not_a_file_is_named(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "lock")
    assert not is_locked(folder)
    with pytest.raises(OSError, match=str(folder / "lock")), RunLock(folder):
        pass


def test_the_dead_lock_of_a_complete_run_goes_and_a_living_one_stays(folder, start):
    run = RunFolder(folder)
    run.start({}, {})
    run.finish({"config": {}, "metrics": {}})
    leave_lock_of(socket.gethostname(), folder, age=0)
    assert read_run(run).state == "complete"
    assert not (folder / "lock").exists()
    holder = start(HOLD, folder)
    assert line(holder) == "held"
    assert read_run(run).state == "complete"
    assert is_locked(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\0", b"[1]", b'"text"', b"7", b"null", b"{}"])
def test_a_lock_file_that_says_nothing_holds_nothing(folder: Path, content: bytes) -> None:
    (folder / "lock").write_bytes(content)
    os.utime(folder / "lock", (1, 1))
    with RunLock(folder):
        assert is_locked(folder)
    assert not (folder / "lock").exists()


def test_descriptors_of_removed_and_refused_locks_are_closed(tmp_path: Path) -> None:
    """A sweep of thousands must not run out of them."""
    refused = tmp_path / "refused"
    refused.mkdir()
    leave_lock_of("elsewhere", refused, age=0)
    before = len(os.listdir("/dev/fd"))
    with RunLock(tmp_path / "held"):
        for index in range(200):
            with RunLock(tmp_path / str(index)):
                pass
        with pytest.raises(RunLocked), RunLock(refused):
            pass
    assert len(os.listdir("/dev/fd")) <= before


def test_blocks_with_the_same_lock_do_not_overlap(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_PAUSE_SECONDS", 0.001)
    path = tmp_path / "made" / "count"

    def add(_: int) -> None:
        with RunLock(path.parent, ".lock", waits=True):
            before = int(path.read_text()) if path.exists() else 0
            time.sleep(0.005)
            path.write_text(str(before + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert path.read_text() == "8"
    assert [each.name for each in path.parent.iterdir()] == ["count"]


@pytest.mark.parametrize("name", ["run", "run/checkpoints"])
@pytest.mark.parametrize("target", ["outside", "nowhere"])
def test_a_run_behind_a_link_cannot_be_locked(tmp_path, name, target):
    """The holder of a run's lock writes and deletes in its folder; other folders may be links."""
    outside, link = tmp_path / "outside", tmp_path / name
    outside.mkdir()
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / target)
    with pytest.raises(OSError, match="must be a folder, but is a symbolic link"):
        RunLock(tmp_path / "run").__enter__()
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "sweep").symlink_to(outside)
    for held in (RunLock(tmp_path / "sweep", ".changing"), RunLock(tmp_path / "sweep" / "run")):
        with held:
            pass


@pytest.mark.slow
def test_a_lock_that_cannot_be_written_holds_nothing(folder, start, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        with pytest.raises(OSError, match="No space"), RunLock(folder):
            pass
    other = start(TRY, folder)
    assert [line(other), line(other)] == ["False", "taken"]
