"""The stacks of a sweep, trained one after another or side by side in processes.

The processes are forked, on Linux and for one thread each: they need neither import torch again
nor read the data again. A process takes the next stack when it has finished one; how its runs
ended stands in their folders.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from seqsweep.console import say_error
from seqsweep.runs.record import RunFolder
from seqsweep.training.planning import STOP_FILE, Interrupted, Outcome, stop_if_asked
from seqsweep.training.stacks.forming import PlannedStack
from seqsweep.training.stacks.run import train_stack

_PR_SET_PDEATHSIG = 1
_INDEX = struct.Struct("<i")


def launch_stacks(stacks: Sequence[PlannedStack], root: Path, processes: int) -> None:
    """Trains the stacks, each in `root`; what becomes of a run stands in its folder.

    Args:
        stacks: longest first.
        root: the folder of the runs.
        processes: how many train side by side; one is this process itself.

    Raises:
        Interrupted: a signal came; every run goes on from its last epoch next time.
    """
    torch.set_num_threads(1)
    _allow_many_files()
    threads = max((stack.members[0].config["threads"] for stack in stacks), default=1)
    if processes == 1 or threads > 1 or sys.platform != "linux":
        for stack in stacks:
            _train(stack, root)
        return
    _Workers(lambda index: _train(stacks[index], root), len(stacks), processes).run()


def _train(stack: PlannedStack, root: Path) -> None:
    if (root / STOP_FILE).exists():
        return
    try:
        outcomes = train_stack(stack.members, root, hidden=stack.hidden)
    except OSError as error:  # a full disk, for instance; other stacks may have more luck
        say_error(str(error))
        return
    for member, outcome in zip(stack.members, outcomes, strict=True):
        if isinstance(outcome, Interrupted):
            raise outcome
        if isinstance(outcome, (ValueError, TypeError, OSError)):
            with contextlib.suppress(OSError):  # a folder that cannot be written says nothing
                RunFolder(root / member.run_id).refuse(member.config, outcome)
        if isinstance(outcome, Exception):
            stop_if_asked(member, root)
    for outcome in outcomes:
        if isinstance(outcome, Outcome) and outcome.signum is not None:
            raise Interrupted(outcome.signum)


def _allow_many_files() -> None:
    """A stack holds a lock, so an open file, for each of its members."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096 and (hard == resource.RLIM_INFINITY or hard > soft):
        most = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Workers:
    """Forked processes that take tasks from a pipe until it is empty.

    A pipe, because it outlives a process that is killed: no lock is left held. The workers have
    process groups of their own, so that a Ctrl-C reaches them once, through us; they end with us.
    """

    def __init__(self, work: Callable[[int], None], tasks: int, processes: int) -> None:
        self.work = work
        self.received: int | None = None
        self.reader, writer = os.pipe()
        os.write(writer, b"".join(_INDEX.pack(index) for index in range(tasks)))
        os.close(writer)
        self.pids = [self._fork() for _ in range(processes)]

    def run(self) -> None:
        """Waits for all. Raises Interrupted where a signal came to us or to a worker."""
        heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        heard = [s for s in heard if signal.getsignal(s) is not signal.SIG_IGN]
        before = {signum: signal.signal(signum, self._pass_on) for signum in heard}
        try:
            codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in self.pids]
        finally:
            self.pids.clear()
            os.close(self.reader)
            for signum, handler in before.items():
                signal.signal(signum, handler)
        if self.received is None:
            self.received = next((code - 128 for code in codes if code > 128), None)
        if self.received is not None:
            raise Interrupted(self.received)

    def _pass_on(self, signum: int, frame: object) -> None:
        self.received = signum
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    def _fork(self) -> int:
        parent = os.getpid()
        with warnings.catch_warnings():
            # The thread that prints finished runs holds no lock that a worker takes.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            os.setpgid(0, 0)
            _end_with(parent)
            code = self._work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _work(self) -> int:
        try:
            while task := os.read(self.reader, _INDEX.size):
                self.work(*_INDEX.unpack(task))
        except Interrupted as error:
            return error.exit_code
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        return 0


def _end_with(parent: int) -> None:
    """The system kills this process when its parent ends, however that comes about."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before we asked
        os._exit(1)
