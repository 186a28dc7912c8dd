"""Programs that hold, ask for or race for the lock of a run, and what tests say to them."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from seqsweep.runs.lock_files import boot_id

Start = Callable[..., "subprocess.Popen[str]"]
LockTimes = Callable[..., None]

IMPORTS = """
import contextlib, errno, fcntl, json, os, socket, sys, time
from pathlib import Path
from seqsweep.errors import LockLost, RunLocked
from seqsweep.runs import lock_files
from seqsweep.runs.lock import RunLock, check_held, is_locked
from seqsweep.runs.lock_files import boot_id
"""

HOLD = IMPORTS + """
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
print("released", flush=True)
sys.stdin.readline()
"""  # fmt: skip

HOLD_WITH_CHILDREN = IMPORTS + """
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
"""  # fmt: skip

# A child of a fork that ends by way of the block in which its parent holds the lock.
FORK_INSIDE = IMPORTS + """
root = Path(sys.argv[1])
lock_files.BEAT_SECONDS = 0.02
class Child(Exception): pass
def child():
    said = f"the parent's is {'locked' if is_locked(root / 'parent') else 'free'} by "
    try:
        RunLock(root / "parent").__enter__()
    except RunLocked as error:
        said += "its parent" if f"process {os.getppid()} " in str(error) else str(error)
    with RunLock(root / "child"):
        os.utime(root / "child/lock", (1, 1))
        ends = time.monotonic() + 180
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
"""  # fmt: skip

TRY = IMPORTS + """
print(is_locked(Path(sys.argv[1])), flush=True)
try:
    with RunLock(Path(sys.argv[1])):
        print("taken", flush=True)
except RunLocked as error:
    print(error, flush=True)
"""  # fmt: skip

# Takes the lock of each folder at the moment it is told; keeps what it got until all are done.
RACE = IMPORTS + """
print("ready", flush=True)
with contextlib.ExitStack() as stack:
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        moment = float(sys.stdin.readline())
        while time.time() < moment:
            pass
        try:
            stack.enter_context(RunLock(folder))
            print(folder.name, flush=True)
        except RunLocked:
            print("locked", flush=True)
    sys.stdin.readline()
"""  # fmt: skip

# Takes and gives back one lock again and again: how often does it find another at work?
TAKE = IMPORTS + """
folder, refused = Path(sys.argv[1]), 0
for _ in range(int(sys.argv[2])):
    dead = {"host": socket.gethostname(), "pid": 1, "boot": boot_id()}
    (folder / "lock").write_text(json.dumps(dead))
    try:
        with RunLock(folder):
            pass
    except RunLocked:
        refused += 1
print(refused, flush=True)
"""  # fmt: skip

# Makes this process one on a host of its own, with a file system that does not share POSIX locks.
ELSEWHERE = IMPORTS + """
name, links = sys.argv[1:3]
def refused(*_):
    raise OSError(errno.ENOLCK, "no locks")
fcntl.lockf = fcntl.fcntl = refused
socket.gethostname = lambda: name
lock_files.boot_id = lambda: f"boot of {name}"
if links == "nolinks":
    def unlinked(*_):
        raise OSError(errno.EPERM, "no links")
    os.link = unlinked
"""  # fmt: skip

# Tries to take the lock of each folder at the same moments as others; names those that it got.
RACE_OF_HOSTS = ELSEWHERE + """
lock_files.BEAT_SECONDS = 0.002
def try_to_take(folder):
    while True:
        try:
            return stack.enter_context(RunLock(folder)) is not None
        except RunLocked as error:
            if "elsewhere" not in str(error):
                return False
            time.sleep(0.001)
print("ready", flush=True)
start = float(sys.stdin.readline())
with contextlib.ExitStack() as stack:
    won = []
    for index, folder in enumerate(sorted(Path(sys.argv[3]).iterdir())):
        moment = start + index * 0.01
        time.sleep(max(0.0, moment - time.time() - 0.001))
        while time.time() < moment:
            pass
        if try_to_take(folder):
            won.append(folder.name)
    print(" ".join(won), flush=True)
    sys.stdin.readline()
"""  # fmt: skip

# Takes a lock, and says on each line of input whether it still may write.
CHECK = ELSEWHERE + """
lock_files.BEAT_SECONDS, lock_files.STALE_SECONDS = 0.05, 0.5
folder = Path(sys.argv[3])
with RunLock(folder):
    print("held", flush=True)
    for line in sys.stdin:
        try:
            check_held(folder)
            print("may write", flush=True)
        except LockLost as error:
            print(error, flush=True)
            break
print("released", flush=True)
sys.stdin.readline()
"""  # fmt: skip


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: "subprocess.Popen[str]", text: str = "") -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


def leave_lock_of(host: str, folder: Path, age: float) -> None:
    """The lock file of a process that is not there, beaten `age` seconds ago."""
    content = {"host": host, "pid": 4711, "since": time.time() - 1000, "boot": boot_id()}
    (folder / "lock").write_text(json.dumps(content), encoding="utf-8")
    then = time.time() - age
    os.utime(folder / "lock", (then, then))
