"""Trains the runs that a search chooses, and reads their results.

Optuna's search and halving share this module's checks, lock, fresh seeds and last report. The
module imports no torch.
"""

import abc
import contextlib
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from seqsweep.command import current
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.options import refuse_shape
from seqsweep.console import place, print_lines
from seqsweep.errors import RunLocked
from seqsweep.extras.search.planning import TrialPlanner
from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.trials import different, ranked, read_trials
from seqsweep.runs.lock import RunLock
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.planned_sweep import close_sweep
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep import Rounds, shown, train_sweep
from seqsweep.sweeping.sweep_end import finish_sweep
from seqsweep.text import count
from seqsweep.training.limits import Limits
from seqsweep.training.planned_run import PlannedRun

LOCK = ".searching"
"""The lock file of the process that searches in a sweep's folder."""


def begin(compose: MemberComposer, launcher: RunLauncher, prunes: bool) -> bool:
    """Refuses options that a search cannot use; returns whether to plan only.

    Args:
        prunes: whether the search ends runs early.
    """
    command = current()
    is_plan = command.name == "plan"
    for name in command.options:
        if is_plan or name != "json":
            raise ValueError(f"--{name}: a search chooses its runs while it trains; leave it out")
    refuse_shape(compose.master.sweep)
    if launcher.detach:
        raise ValueError(
            "hydra.launcher.detach=true: must be false; the command of a search must keep running"
        )
    if prunes and not launcher.prunes:
        raise ValueError(
            "hydra/launcher: must be local, slurm or ray, and hydra.callbacks must be empty, for a"
            " search that ends runs early"
        )
    return is_plan


@contextlib.contextmanager
def searching(folder: Path, first: PlannedRun, console: Console) -> Generator[None]:
    """Holds the lock of the search; first waits if another process holds it.

    Raises:
        RunLocked: another process searches here, and the config says `when_locked=skip`.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(RunLock(folder, LOCK))
        except RunLocked:
            if first.config["when_locked"] == "skip":
                raise
            print_lines(console, f"another process searches in {place(folder)}; waiting for it")
            stack.enter_context(RunLock(folder, LOCK, waits=True))
        yield


class Search(abc.ABC):
    """A search in a sweep's folder, which may have been interrupted.

    Args:
        new: the search that the command asks for, without trials.
        top: how many of the best trials are trained again at the end.
        fresh: the seeds of these new runs; the search itself has used none of them.

    Attributes:
        before: the search as earlier commands have left it.
        done_before: how many runs were done when the command began to train.
        limits: the epochs after which runs end early or pause, by run_id.

    Raises:
        ValueError: the folder holds a different search.
    """

    def __init__(
        self, planner: TrialPlanner, new: SearchFile, top: int, fresh: Sequence[int]
    ) -> None:
        self.planner = planner
        self.folder = planner.folder
        self._new, self._top, self._fresh = new, top, fresh
        self.before = SearchFile.read(self.folder) or new
        if differences := self.before.differences(new):
            self._refuse(" and ".join(differences))
        self._confirmed = self.before.confirmed
        self.done_before = 0
        self.limits: dict[str, Limits] = {}
        self._members: dict[str, SweepMember] = {}

    @property
    @abc.abstractmethod
    def trials(self) -> Sequence[Trial]:
        """All trials that were chosen."""

    @abc.abstractmethod
    def next_runs(self) -> Sequence[SweepMember]:
        """Reads results, decides, writes search.json, and returns the runs to train."""

    @abc.abstractmethod
    def rounds(
        self, pending: Sequence[SweepMember], launcher: RunLauncher, console: Console
    ) -> Rounds:
        """Yields the runs to train, or lets workers train them, until nothing changes."""

    def judge(self) -> Mapping[str, Limits]:
        """Returns the limits of all runs; a subclass may decide them again."""
        return self.limits

    @abc.abstractmethod
    def is_over(self) -> bool:
        """Returns whether nothing is left to choose or to train."""

    @abc.abstractmethod
    def lost(self) -> Collection[str]:
        """Returns the run_ids of failed runs that are not tried again."""

    def add(self, members: Sequence[SweepMember]) -> None:
        """Adds the runs of a trial, except runs that an earlier trial has."""
        for member in members:
            self._members.setdefault(member.run_id, member)

    def member(self, run_id: str) -> SweepMember:
        """Returns a run with its present limits."""
        return replace(self._members[run_id], limits=self.limits.get(run_id))

    def members(self) -> list[SweepMember]:
        """Returns the runs of all trials, and the planned runs with fresh seeds."""
        return [self.member(run_id) for run_id in self._members]

    def file(self) -> SearchFile:
        """Returns the present content of search.json."""
        return replace(self._new, trials=self.trials, confirmed=self._confirmed)

    def write(self) -> None:
        """Writes search.json."""
        self.file().write(self.folder)

    def run(self, launcher: RunLauncher, console: Console, started: float) -> int:
        """Trains all trials, then the best ones with fresh seeds; returns the exit code.

        Args:
            started: when the command started, on the clock of `time.monotonic`.
        """
        self.done_before = sum(member.was_done() for member in self.members())
        code = 0
        # `next_runs` writes search.json before any run starts, so no choice is lost.
        if pending := self.next_runs():
            code = train_sweep(
                self.members(), pending, launcher, self.folder, console,
                self.rounds(pending, launcher, console), self.judge, is_open=True,
            )  # fmt: skip
            self.write()
        # The search is not over if it was stopped, or if some trials have no result yet, for
        # example because other processes train them.
        if code == 0 and self.is_over():
            code = self._train_fresh_seeds(launcher, console)
        # Workers wait for the fresh seeds, so the sweep is closed only now.
        close_sweep(self.folder)
        if members := self.members():
            code = finish_sweep(members, self.folder, console, code, started, self.lost())
        return code

    def _train_fresh_seeds(self, launcher: RunLauncher, console: Console) -> int:
        """Trains the best trials again with fresh seeds; returns the exit code."""
        file = self.file()
        best = different(ranked(read_trials(file, self.folder), file.sign))[: self._top]
        planned = {t.number: self.planner.plan(t.params, self._fresh) for t in best}
        run_ids = {n: [m.run_id for m in members] for n, members in planned.items()}
        self._confirmed = {**self._confirmed, **run_ids}
        self.write()
        members = [member for each in planned.values() for member in each]
        self.add(members)
        left = [member for member in members if not member.was_done()]
        if not left:
            return 0
        print_lines(
            console, f"confirming the best configs: {count(len(left), 'run')} with fresh seeds"
        )
        ended = sum(member.was_done() for member in self.members()) - self.done_before
        rounds = shown(left, console, (ended, ended + len(left)))
        return train_sweep(self.members(), left, launcher, self.folder, console, rounds)

    def _refuse(self, difference: str = "another config, other data or other code") -> None:
        """Refuses a folder that holds a different search."""
        raise ValueError(
            f"{place(self.folder)}: holds a search with {difference}; give another sweep.name"
        )
