"""One writer: a lock that dies with its process, and that looking at it does not disturb."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from seqsweep.runs import lock
from seqsweep.runs.ledger import read_run
from seqsweep.runs.lock import Locked, RunLock, is_locked
from seqsweep.runs.run_folder import RunFolder

Start = Callable[..., "subprocess.Popen[str]"]

HOLD = """
import sys
from pathlib import Path
from seqsweep.runs.ledger import read_run
from seqsweep.runs.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
print("released", flush=True)
sys.stdin.readline()
"""

ASK = """
import sys
from pathlib import Path
from seqsweep.runs.ledger import read_run
from seqsweep.runs.lock import is_locked
for line in sys.stdin:
    print(is_locked(Path(line.strip())), flush=True)
"""

HOLD_WITH_CHILDREN = """
import os, sys, time
from pathlib import Path
from seqsweep.runs.ledger import read_run
from seqsweep.runs.lock import RunLock
with RunLock(Path(sys.argv[1])):
    first = os.fork()
    if first == 0:
        os._exit(0)
    os.waitpid(first, 0)
    second = os.fork()
    if second == 0:
        time.sleep(60)
        os._exit(0)
    print(second, flush=True)
    sys.stdin.readline()
"""

# A child of a fork that ends by way of the block in which its parent holds the lock.
FORK_INSIDE = """
import os, sys, time
from pathlib import Path
from seqsweep.runs import lock
from seqsweep.runs.ledger import read_run
from seqsweep.runs.lock import Locked, RunLock, is_locked
root = Path(sys.argv[1])
lock.BEAT_SECONDS = 0.02
class Child(Exception): pass
def child():
    said = f"the parent's is {'locked' if is_locked(root / 'parent') else 'free'} by "
    try:
        RunLock(root / "parent").__enter__()
    except Locked as error:
        said += "its parent" if f"process {os.getppid()} " in str(error) else str(error)
    with RunLock(root / "child"):
        os.utime(root / "child/lock", (1, 1))
        ends = time.monotonic() + 10
        while os.stat(root / "child/lock").st_mtime == 1 and time.monotonic() < ends:
            time.sleep(0.01)
        beaten = os.stat(root / "child/lock").st_mtime != 1
    print(said + ", its own is taken and" + (" beaten" if beaten else " silent"), flush=True)
try:
    with RunLock(root / "parent"):
        if (pid := os.fork()) == 0:
            child()
            raise Child
        os.waitpid(pid, 0)
        print("ended", flush=True)
        sys.stdin.readline()
    print("released", flush=True)
    sys.stdin.readline()
except Child:
    os._exit(0)
"""

TRY = """
import sys
from pathlib import Path
from seqsweep.runs.ledger import read_run
from seqsweep.runs.lock import Locked, RunLock, is_locked
print(is_locked(Path(sys.argv[1])), flush=True)
try:
    with RunLock(Path(sys.argv[1])):
        print("taken", flush=True)
except Locked as error:
    print(error, flush=True)
"""

# Takes the lock of each folder at the moment it is told; keeps what it got until all are done.
RACE = """
import contextlib, sys, time
from pathlib import Path
from seqsweep.runs.ledger import read_run
from seqsweep.runs.lock import Locked, RunLock
print("ready", flush=True)
with contextlib.ExitStack() as stack:
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        moment = float(sys.stdin.readline())
        while time.time() < moment:
            pass
        try:
            stack.enter_context(RunLock(folder))
            print(folder.name, flush=True)
        except Locked:
            print("locked", flush=True)
    sys.stdin.readline()
"""

# Takes and gives back one lock again and again: how often does it find another at work?
TAKE = """
import os, sys
from pathlib import Path
from seqsweep.runs.ledger import read_run
from seqsweep.runs.lock import Locked, RunLock
folder, refused = Path(sys.argv[1]), 0
for _ in range(int(sys.argv[2])):
    (folder / "lock").write_text('{"host": "gone", "pid": 1}')
    os.utime(folder / "lock", (1, 1))
    try:
        with RunLock(folder):
            pass
    except Locked:
        refused += 1
print(refused, flush=True)
"""


@pytest.fixture
def start() -> Generator[Start]:
    """Starts a program with arguments as a process of its own; all are ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "0123456789abcdef"
    folder.mkdir()
    return folder


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: "subprocess.Popen[str]", text: str = "") -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


def leave_lock_of(host: str, folder: Path, age: float) -> None:
    """The lock file of a process that is not there, beaten `age` seconds ago."""
    content = {"host": host, "pid": 4711, "since": time.time() - 1000}
    (folder / "lock").write_text(json.dumps(content), encoding="utf-8")
    then = time.time() - age
    os.utime(folder / "lock", (then, then))


def test_a_lock_names_its_holder_and_goes_with_it(folder: Path) -> None:
    assert not is_locked(folder)
    assert not (folder / "lock").exists()
    before = time.time()
    with RunLock(folder):
        assert is_locked(folder)
        holder = json.loads((folder / "lock").read_bytes())  # ours is dropped by this reading
    assert (holder["host"], holder["pid"]) == (socket.gethostname(), os.getpid())
    assert before <= holder["since"] <= time.time()
    assert not is_locked(folder)
    assert list(folder.iterdir()) == []


def test_a_lock_makes_the_folder_of_its_run(tmp_path: Path) -> None:
    with RunLock(tmp_path / "a" / "b"):
        assert is_locked(tmp_path / "a" / "b")


def test_an_error_inside_the_block_releases_the_lock(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="inside"), RunLock(folder):
        raise RuntimeError("inside")
    assert not (folder / "lock").exists()
    with RunLock(folder):
        pass


def test_a_process_does_not_lock_a_run_twice(folder: Path) -> None:
    with RunLock(folder):
        for _ in range(2):
            with pytest.raises(Locked, match=r"0123456789abcdef is .* by this process"):
                RunLock(folder).__enter__()
        assert is_locked(folder)
    with RunLock(folder):
        pass


def test_the_holder_of_a_lock_touches_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.02)
    with RunLock(folder):
        os.utime(folder / "lock", (1, 1))
        ends = time.monotonic() + 10
        while (folder / "lock").stat().st_mtime == 1 and time.monotonic() < ends:
            time.sleep(0.01)
        assert time.time() - (folder / "lock").stat().st_mtime < 60


def beaten(folder: Path, seconds: float = 10) -> bool:
    """Whether the lock's file, made old, is touched within some time."""
    os.utime(folder / "lock", (1, 1))
    ends = time.monotonic() + seconds
    while (folder / "lock").stat().st_mtime == 1 and time.monotonic() < ends:
        time.sleep(0.01)
    return (folder / "lock").stat().st_mtime != 1


def beating() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.endswith("(_beat)")}


def test_one_thread_beats_for_all_locks_while_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.02)
    before = beating()  # those of earlier tests may be about to end
    folders = [tmp_path / name for name in "abcd"]
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(RunLock(folder))
        (thread,) = beating() - before
        assert thread.daemon
        assert all(beaten(folder) for folder in folders)
        (folders[0] / "lock").unlink()  # by whomever: the others go on
        with RunLock(tmp_path / "e"):
            assert all(beaten(folder) for folder in (*folders[1:], tmp_path / "e"))
        assert beating() - before == {thread}
    thread.join(10)
    assert not thread.is_alive()
    with RunLock(folders[0]):  # and again
        assert beaten(folders[0])


def test_locks_of_many_threads_are_all_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of them is the first, and though others give theirs back."""
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.02)

    def take(name: str) -> None:
        for _ in range(50):
            with RunLock(tmp_path / name):
                pass
        with RunLock(tmp_path / name):
            results.append(beaten(tmp_path / name))

    results: list[bool] = []
    threads = [threading.Thread(target=take, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * len(threads)


@pytest.mark.slow
def test_a_forked_child_leaves_its_parents_lock_and_beats_for_its_own(
    tmp_path: Path, start: Start
) -> None:
    parent = start(FORK_INSIDE, tmp_path)
    assert line(parent) == "the parent's is locked by its parent, its own is taken and beaten"
    assert line(parent) == "ended"
    assert is_locked(tmp_path / "parent")
    tell(parent)
    assert line(parent) == "released"
    assert not (tmp_path / "parent" / "lock").exists()


@pytest.mark.slow
def test_a_program_ends_with_its_locks_held(folder: Path, start: Start) -> None:
    """The thread does not keep the interpreter alive, nor print anything at its end."""
    program = "lock = RunLock(Path(sys.argv[1])).__enter__()\n"
    holder = start(HOLD.split("with ")[0] + program, folder)
    assert holder.wait(60) == 0
    assert not is_locked(folder)


@pytest.mark.slow
def test_a_second_process_is_told_who_holds_the_lock(folder: Path, start: Start) -> None:
    holder = start(HOLD, folder)
    assert line(holder) == "held"
    assert is_locked(folder)
    assert RunFolder(folder).state() == "running"
    who = rf"0123456789abcdef is .* process {holder.pid} on {socket.gethostname()}"
    with pytest.raises(Locked, match=who), RunLock(folder):
        pass
    assert is_locked(folder)  # the attempt has not disturbed it
    tell(holder)
    assert line(holder) == "released"
    assert not is_locked(folder)
    assert not (folder / "lock").exists()
    with RunLock(folder):
        pass


@pytest.mark.slow
def test_a_killed_holder_frees_the_lock_at_once(folder: Path, start: Start) -> None:
    holder = start(HOLD, folder)
    assert line(holder) == "held"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (folder / "lock").exists()
    assert not is_locked(folder)
    assert (folder / "lock").exists()  # looking removes nothing
    with RunLock(folder):
        assert json.loads((folder / "lock").read_bytes())["pid"] == os.getpid()
    assert not (folder / "lock").exists()


@pytest.mark.slow
def test_looking_from_the_holder_does_not_drop_the_lock(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To close any descriptor of a file drops the process's POSIX locks on it."""
    monkeypatch.chdir(folder.parent)
    with RunLock(folder):
        assert is_locked(folder)
        assert is_locked(Path(folder.name))
        assert RunFolder(folder).state() == "running"
        with suppress(Locked):
            RunLock(folder).__enter__()
        other = start(TRY, folder)
        assert line(other) == "True"
        assert f"process {os.getpid()} on" in line(other)
        assert is_locked(folder)


@pytest.mark.slow
def test_a_thread_that_looks_meanwhile_does_not_drop_the_lock(tmp_path: Path, start: Start) -> None:
    """It closes the file that it has looked at, which drops the process's own lock on it."""
    asked, stopped = start(ASK), threading.Event()
    folders = [tmp_path / f"{number:016x}" for number in range(60)]

    def look() -> None:
        while not stopped.is_set():
            for folder in folders:
                is_locked(folder)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        with ExitStack() as held:
            for folder in folders:
                held.enter_context(RunLock(folder))
            for folder in folders:
                tell(asked, str(folder))
                assert line(asked) == "True"
    finally:
        stopped.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["link", "0123456789abcdef/../0123456789abcdef"])
def test_another_path_to_the_folder_is_the_same_lock(folder: Path, start: Start, path: str) -> None:
    (folder.parent / "link").symlink_to(folder)
    with RunLock(folder):
        assert is_locked(folder.parent / path)
        with pytest.raises(Locked), RunLock(folder.parent / path):
            pass
        other = start(TRY, folder)
        assert line(other) == "True"
        assert "process" in line(other)


@pytest.mark.slow
def test_forked_children_neither_drop_nor_keep_the_lock(folder: Path, start: Start) -> None:
    """As DataLoader workers: one ends while its parent holds the lock, one outlives the parent."""
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
    taker = start(TAKE, folder, 1500)
    while taker.poll() is None:
        is_locked(folder)
    assert line(taker) == "0"


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


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
def test_a_lock_that_is_not_a_file_is_named(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "lock")
    assert not is_locked(folder)
    with pytest.raises(OSError, match=str(folder / "lock")), RunLock(folder):
        pass


def test_a_folder_that_cannot_be_changed_any_more_ends_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        with RunLock(folder):
            patch.setattr(Path, "unlink", refused)
        assert (folder / "lock").exists()
        assert not is_locked(folder)


def test_the_dead_lock_of_a_complete_run_goes_and_a_living_one_stays(
    folder: Path, start: Start
) -> None:
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


@pytest.mark.parametrize(
    ("host", "age"), [("elsewhere", 120.0), (socket.gethostname(), 0.0)], ids=["host", "process"]
)
def test_a_stale_lock_is_taken_over(folder: Path, host: str, age: float) -> None:
    leave_lock_of(host, folder, age)
    with RunLock(folder):
        holder = json.loads((folder / "lock").read_bytes())
        assert (holder["host"], holder["pid"]) == (socket.gethostname(), os.getpid())
    assert not (folder / "lock").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\0", b"[1]", b'"text"', b"7", b"null", b"{}"])
def test_a_lock_file_that_says_nothing_holds_nothing(folder: Path, content: bytes) -> None:
    (folder / "lock").write_bytes(content)
    os.utime(folder / "lock", (1, 1))
    with RunLock(folder):
        assert is_locked(folder)
    assert not (folder / "lock").exists()


@pytest.mark.slow
def test_a_lock_that_cannot_be_written_holds_nothing(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        with pytest.raises(OSError, match="No space"), RunLock(folder):
            pass
    other = start(TRY, folder)
    assert [line(other), line(other)] == ["False", "taken"]


def test_descriptors_of_removed_locks_are_closed(tmp_path: Path) -> None:
    """A sweep of thousands must not run out of them."""
    before = len(os.listdir("/dev/fd"))
    with RunLock(tmp_path / "held"):
        for index in range(3 * lock._MOST_REMOVED):
            with RunLock(tmp_path / str(index)):
                pass
        assert len(lock._removed) < lock._MOST_REMOVED
    ends = time.monotonic() + 30
    while len(os.listdir("/dev/fd")) > before and time.monotonic() < ends:
        time.sleep(0.01)
    assert len(os.listdir("/dev/fd")) <= before
