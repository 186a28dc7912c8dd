"""`seqsweep work FOLDER`: a worker, which trains the runs that a sweep has left.

Any number of workers may train in one folder, on any hosts that see it. They need no connection:
sweep.json lists the runs, locks show which runs are trained now, and records show which are done.
"""

import argparse
import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqsweep.arguments import add_allow, folder_parser, whole_number
from seqsweep.console import PlainConsole, place, print_notes, say, say_error
from seqsweep.errors import Interrupted, RunLocked
from seqsweep.importing import keep_folder_of_modules, without_collections
from seqsweep.runs.files import check_no_link, stat_of, version_of
from seqsweep.runs.identity import CODE, nested
from seqsweep.runs.ledger import check_folder, read_folder
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import (
    NAME,
    SweepFile,
    is_sweep_running,
    lock_notes,
    remove_leftovers,
    sweep_lock,
)
from seqsweep.signals import ENDING
from seqsweep.sweeping.baselines import write_baselines
from seqsweep.sweeping.planned_sweep import STARTED
from seqsweep.sweeping.processes import MOST_PROCESSES, cores, run_workers
from seqsweep.sweeping.queue import AT_ONCE, Queue, SweepMember
from seqsweep.sweeping.sweep_end import write_summary
from seqsweep.text import count, duration
from seqsweep.training.engine import engine_of
from seqsweep.training.limits import Limits
from seqsweep.training.outcome import interruptible, is_final
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.saved_config import member_of, own_targets, refuse_foreign_targets
from seqsweep.training.user_code import code_of

_LOOK_SECONDS = 0.5
"""The time between two looks for runs that a search adds."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SECONDS = 3650 * 86400.0


def work_command(arguments: Sequence[str]) -> int:
    """Runs the command `work`; returns its exit code.

    The code is 0 if no run is left for this worker, even if runs have failed; 1 if another worker
    has the same name; and 128 plus the number of a signal. After SIGTERM and --stop-after the code
    is 0, or --code-if-left if runs are left. Of several processes the highest code counts.

    Raises:
        ValueError, TypeError, OSError: the folder or a config in it is refused.
    """
    options = _parser().parse(arguments)
    folder: Path = options.folder
    read_sweep(folder)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder}: the folder cannot be written, so no run can train there")
    # Child processes must import nothing from their current folder, which sweep.json chooses.
    os.environ["PYTHONSAFEPATH"] = "1"
    if options.processes > 1:
        # If an option is given twice, the last one counts.
        command = [sys.executable, "-m", "seqsweep", "work", *arguments, "--processes", "1"]
        return max(run_workers(command, options.processes, options.threads)[0], default=0)
    threads = options.threads or cores()
    worker = Worker(folder.resolve(), threads, options.allow)
    begun = time.monotonic()
    try:
        with interruptible(ENDING), _time_limit(options.stop_after):
            worker.run(options.idle)
    except Interrupted as error:
        is_over = options.stop_after and time.monotonic() - begun >= options.stop_after
        why = "the time of --stop-after is over" if is_over else str(error)
        left, total = worker.left(), count(len(worker.sweep.current().configs), "run")
        say(f"{why}: {left} of {total} left; any worker resumes them")
        if error.exit_code != 128 + signal.SIGTERM:
            return error.exit_code
        return options.code_if_left if left else 0
    except RunLocked:  # containers may share host names and process numbers
        say_error(f"{folder}: a worker of this name is at work; set SEQSWEEP_HOST to another name")
        return 1
    worker.conclude()
    return 0


def _parser() -> Any:
    text = "Trains what a sweep has left, beside any number of other workers on any host."
    parser = folder_parser("work", text, "the folder of a planned sweep")
    limit = "end after this time: 90s, 55m, 2h"
    parser.add_argument("--stop-after", type=seconds, metavar="TIME", help=limit)
    words = "wait this long while others train all that is left (10m)"
    parser.add_argument("--idle", type=seconds, default=600.0, metavar="TIME", help=words)
    words = "worker processes on this machine, which share its cores and GPUs (1)"
    processes = whole_number(1, MOST_PROCESSES)
    parser.add_argument("--processes", type=processes, default=1, metavar="N", help=words)
    words = "runs that train side by side in a process (one for each core)"
    threads = whole_number(1, max(4, 2 * (os.cpu_count() or 1)))  # as in the local launcher
    parser.add_argument("--threads", type=threads, metavar="N", help=words)
    words = "the exit code if runs are left at the end of --stop-after or at SIGTERM (0)"
    parser.add_argument(
        "--code-if-left", type=whole_number(0, 255), default=0, metavar="N", help=words
    )
    add_allow(parser)
    return parser


def seconds(text: str) -> float:
    """Converts an option such as `90`, `90s`, `55m`, `2h` or `1d` into seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"={text}: must be a time, such as 90s, 55m or 2h")
    number = float(match[1]) * _UNITS[match[2] or "s"]
    if number > _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"={text}: must be at most 3650d")
    return number


def read_sweep(folder: Path) -> SweepFile:
    """Returns the sweep of a folder.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder, or no sweep of this version
            was planned in it.
    """
    check_folder(folder)
    sweep = SweepFile.read(folder)
    if sweep is None:
        raise FileNotFoundError(
            f"{folder}: no {NAME} of this version in it; `seqsweep train -m ... --plan-only` plans"
            " a sweep"
        )
    return sweep


class Worker:
    """Trains the runs that sweep.json lists, a few at a time.

    A worker changes into the folder in which the sweep was planned.

    Args:
        threads: the number of runs that train side by side.
        allowed: the targets outside seqsweep that the configs may build.
    """

    def __init__(self, folder: Path, threads: int, allowed: Sequence[str]) -> None:
        self.folder = folder
        self.threads = threads
        self.allowed = allowed
        self._done: set[str] = set()
        # The version is read first, so that a later change is noticed.
        self._version = version_of(f"{self.folder}/{NAME}")
        self.sweep = read_sweep(folder)
        _enter(self.sweep.directory)

    def run(self, idle: float) -> None:
        """Trains until no run is left, or until a wait has been too long.

        Args:
            idle: the longest wait in seconds, while others train the rest or a search may add runs.

        Raises:
            Interrupted: a signal came.
            RunLocked: another worker has the same name.
            ValueError, TypeError, OSError: a config or its data are refused.
        """
        with sweep_lock(self.folder):
            print_notes(lock_notes(self.folder), PlainConsole())
            while True:
                queue = Queue(self._queued(), self.folder, AT_ONCE)
                while taken := pool_or_first(queue.take(idle, self._is_outdated)):
                    queue.settle(taken, self._train(taken))
                # Another command may have added runs meanwhile, and a search may add runs soon.
                if not (self._is_outdated() or (self.sweep.open and self._wait_for_runs(idle))):
                    return
                self._version = version_of(f"{self.folder}/{NAME}")
                self.sweep = read_sweep(self.folder)

    def _wait_for_runs(self, idle: float) -> bool:
        """Waits up to `idle` seconds; returns whether sweep.json has changed."""
        deadline = time.monotonic() + idle
        while not self._is_outdated() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return self._is_outdated()

    def _is_outdated(self) -> bool:
        """Returns whether sweep.json has changed since it was read."""
        return self._version != version_of(f"{self.folder}/{NAME}")

    def left(self) -> int:
        """Returns how many runs are left to train."""
        return sum(not run.is_over() for run in self._queued())

    def conclude(self) -> None:
        """Prints what is left; the last worker writes the report."""
        left, total = self.left(), len(self.sweep.current().configs)
        if left:
            why = "other processes train them, or an error stopped them"
            say(f"{left} of {count(total, 'run')} left: {why}")
            return
        say(f"nothing of {count(total, 'run')} is left in {place(self.folder)}")
        if not self.sweep.open:
            (self.folder / STARTED).unlink(missing_ok=True)
        remove_leftovers(self.folder)
        if not is_sweep_running(self.folder):
            self.sweep.end(self.folder, time.time())
            if any(config.get("sweep.report") for config in self.sweep.configs.values()):
                for problem in write_summary(self._write_baselines, self.folder):
                    say_error(problem)

    def _write_baselines(self) -> None:
        write_baselines(self.folder, read_folder(self.folder), self.allowed)

    def _queued(self) -> list[SweepMember]:
        """Returns the runs of sweep.json that are not done.

        Raises:
            ValueError: a run's folder is a link, or a target of a config is not allowed.
        """
        sweep = self.sweep
        members = (
            SweepMember(
                config=nested(config),
                run_id=run_id,
                data_fingerprint=None,
                limits=Limits.from_plain(sweep.limits.get(run_id)),
                folder=RunFolder(self.folder / run_id),
                epoch_seconds=sweep.costs.get(run_id, 0.0),
                failures_before=sweep.failures.get(run_id, 0),
            )
            for run_id, config in sweep.current().configs.items()
        )
        left = [member for member in members if not self._is_done(member)]
        permitted = [*own_targets(), *self.allowed] if left else []
        for member in left:
            check_no_link(member.folder.path)
            # The choice of an engine may import a cell, so this comes before it.
            refuse_foreign_targets(dict(member.config), permitted, str(self.folder / NAME))
        return left

    def _is_done(self, run: SweepMember) -> bool:
        """Returns whether a run is done; reads a done run's record only once."""
        if run.run_id in self._done:
            return stat_of(f"{run.folder.path}/record.json") is not None
        record = run.folder.record()
        if record is None or not is_final(record.status, run.limits):
            return False
        self._done.add(run.run_id)
        return True

    def _train(self, runs: Sequence[SweepMember]) -> Mapping[str, object]:
        planned = [self._plan(run) for run in runs]
        say(f"training {count(len(planned), 'run')}")
        begun = time.monotonic()
        # Imported here, because a worker that finds nothing to do needs no torch.
        with without_collections():
            from seqsweep.sweeping.train_groups import train_groups

        outcomes = train_groups(planned, self.folder, threads=self.threads)
        for outcome in outcomes.values():
            if isinstance(outcome, Exception) and not isinstance(outcome, RunLocked):
                say_error(str(outcome))  # also in failure.json; the other runs continue
        done = sum(run.is_done() for run in runs)
        say(f"  {done} of {len(runs)} done after {duration(time.monotonic() - begun)}")
        return outcomes

    def _plan(self, run: SweepMember) -> PlannedRun:
        """Plans a run of sweep.json.

        Raises:
            ValueError, TypeError, OSError: the config is refused, or its data or code have changed.
        """
        planned = member_of(dict(run.config), self.allowed, self.folder / NAME)
        if planned.run_id != run.run_id:
            then, now = run.config.get(CODE), planned.config.get(CODE)
            other = "data" if then == now else f"code ({', '.join(code_of(planned.config))})"
            raise ValueError(
                f"{self.folder / NAME}: run {run.run_id} has other {other} here; plan the sweep"
                " again"
            )
        return replace(planned, limits=run.limits)


def _enter(directory: str) -> None:
    """Changes into the folder in which the sweep was planned.

    Relative paths of data begin there. No modules are imported from there, because anyone who can
    write sweep.json can choose the folder. Modules of allowed targets are found in the folder in
    which `work` was typed. If this host does not have the planned folder, the current one stays.
    """
    keep_folder_of_modules()
    # Python has made a relative PYTHONPATH absolute for this process, but not for its children.
    if folders := os.environ.get("PYTHONPATH"):
        names = folders.split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, names))
    if directory and Path(directory).is_dir():
        os.chdir(directory)


def pool_or_first(runs: Sequence[SweepMember]) -> Sequence[SweepMember]:
    """Returns the runs of native, or else the first run.

    Runs of autograd train one at a time, and another worker may end or fail the next one meanwhile.
    """
    pool = [run for run in runs if engine_of(run.config) == "native"]
    return pool or runs[:1]


@contextlib.contextmanager
def _time_limit(seconds: float | None) -> Generator[None]:
    """Sends this process a SIGTERM after this time; None sets no limit."""
    timer = threading.Timer(seconds or 0.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
