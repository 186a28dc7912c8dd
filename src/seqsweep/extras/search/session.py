"""The policy of a search, and its state: trials (configs), runs, limits, results.

The module imports no torch.
"""

import abc
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from hydra.errors import HydraException
from rich.console import Console

from seqsweep.console import place, print_lines, say_error
from seqsweep.extras.clusters.workers import Workers
from seqsweep.extras.search.planning import TrialPlanner
from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.trials import (
    Result,
    different,
    owners_of,
    ranked,
    read_trials,
    result_of,
)
from seqsweep.live.display import show_progress
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.planned_sweep import close_sweep, write_sweep
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep import Rounds, shown, train_sweep
from seqsweep.sweeping.sweep_end import finish_sweep
from seqsweep.text import count
from seqsweep.training.limits import Limits


@dataclass(frozen=True, kw_only=True)
class Policy(abc.ABC):
    """Chooses the trials of a search, and judges which of their runs continue.

    A policy is a value. What it decides depends only on the search that it is given.

    Attributes:
        planner: plans the runs of a config.
        planned: the planned runs that were checked; they are built before the first run starts.
        new: the search.json of the search before its first trial.
        seeds: the seeds of a trial's runs; None for one run with the config's seed.
        top: how many of the best trials are trained again at the end.
        fresh: the seeds of these new runs; the search itself uses none of them.
    """

    planner: TrialPlanner
    planned: Sequence[SweepMember]
    new: SearchFile
    top: int
    fresh: Sequence[int]
    seeds: Sequence[int] | None = None

    @classmethod
    @abc.abstractmethod
    def plan(cls, options: Mapping[str, Any], planner: TrialPlanner) -> Self:
        """Plans and checks a search with these keys of `hydra.sweeper`, without `params`."""

    @abc.abstractmethod
    def choose(self, search: "Search") -> Trial | None:
        """Returns the next trial; None if the search has all, or must wait for results."""

    @abc.abstractmethod
    def judge(self, search: "Search") -> dict[str, Limits]:
        """Returns the limits of all runs, by run_id."""

    @abc.abstractmethod
    def is_over(self, search: "Search", trial: Trial) -> bool:
        """Returns whether the search has decided without a trial that failed.

        Such a trial is not tried again. Other failed trials are, in the next command.
        """

    @abc.abstractmethod
    def say(self, search: "Search", launcher: RunLauncher, console: Console, is_plan: bool) -> None:
        """Prints what the search will train, with notes."""


class Search:
    """A search in a sweep's folder, which may have been interrupted.

    Attributes:
        before: the search as earlier commands have left it.
        trials: all trials that were chosen.
        limits: the epochs after which runs end early or pause, by run_id.

    Raises:
        ValueError: the folder holds a different search.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.folder = policy.planner.folder
        self.before = SearchFile.read(self.folder) or policy.new
        if differences := self.before.differences(policy.new):
            self._refuse(" and ".join(differences))
        # The clock is monotonic, because the system clock may be changed during a long search.
        self._started = time.monotonic()
        self._confirmed = self.before.confirmed
        self._done_before = 0
        self._members: dict[str, SweepMember] = {}
        self._results: dict[int, Result] = {}
        self.trials: list[Trial] = []
        self.limits: dict[str, Limits] = {}
        for trial in self.before.trials:
            is_refused = trial.refusal is not None
            runs = [] if is_refused else policy.planner.plan(trial.params, policy.seeds)
            if [run.run_id for run in runs] != list(trial.run_ids):
                self._refuse()
            self._add(trial, runs)

    def _refuse(self, difference: str = "another config, other data or other code") -> None:
        """Refuses a folder that holds a different search."""
        raise ValueError(
            f"{place(self.folder)}: holds a search with {difference}; give another sweep.name"
        )

    def _add(self, trial: Trial, runs: Sequence[SweepMember]) -> None:
        """Adds a trial. Equal trials share their runs, so the first trial's thresholds count."""
        self.trials.append(trial)
        for run in runs:
            self._members.setdefault(run.run_id, run)
            if self.policy.new.pruner != "none":
                self.limits.setdefault(run.run_id, Limits(trial.thresholds))

    def decide(self) -> None:
        """Chooses all trials that can be chosen now, and judges all runs; writes nothing."""
        while (trial := self.policy.choose(self)) is not None:
            runs, refusal = list[SweepMember](), None
            try:
                runs = self.policy.planner.plan(trial.params, self.policy.seeds)
            except (HydraException, ValueError, TypeError) as error:
                refusal = " ".join(str(error).split())
                say_error(f"trial {trial.number} is refused: {refusal}")
            run_ids = [run.run_id for run in runs]
            self._add(replace(trial, run_ids=run_ids, refusal=refusal), runs)
        self.limits = self.policy.judge(self)

    def judge(self) -> Mapping[str, Limits]:
        """Decides, and writes the decisions; returns the limits of all runs."""
        self.decide()
        if self.policy.new.rungs:
            # Workers read sweep.json. Without rungs, a run has its limits from the beginning.
            limits = {name: each.plain() for name, each in self.limits.items()}
            with SweepFile.changing(self.folder):
                sweep = SweepFile.read(self.folder)
                if sweep is not None and not limits.items() <= sweep.limits.items():
                    replace(sweep, limits={**sweep.limits, **limits}).write(self.folder)
        self.write()
        return self.limits

    def next_runs(self) -> list[SweepMember]:
        """Decides, and returns the runs to train; none if a failure has ended the search."""
        if any(run.ends_sweep() for run in self._left()):
            return []
        self.judge()
        return self.pending()

    def pending(self) -> list[SweepMember]:
        """Returns the runs that have not been trained up to their limits."""
        return [run for run in self._left() if not run.is_over()]

    def _left(self) -> list[SweepMember]:
        """Returns the runs of the trials without a result."""
        results = self.results()
        return self.runs_of([trial for trial in self.trials if trial.number not in results])

    def results(self) -> Mapping[int, Result]:
        """Returns the results of the trials that have ended, by number. No result changes."""
        owners = owners_of(self.trials)
        for trial in self.trials:
            if trial.number not in self._results and self._has_ended(trial):
                result = result_of(trial, self.folder, self.policy.new.monitor, owners)
                if result.state != "running":
                    self._results[trial.number] = result
        return self._results

    def _has_ended(self, trial: Trial) -> bool:
        # With `on_error=stop` the next command tries a failed trial again.
        runs = self.runs_of([trial])
        is_over = all(run.is_over() and not run.ends_sweep() for run in runs)
        return is_over or self.policy.is_over(self, trial)

    def member(self, run_id: str) -> SweepMember:
        """Returns a run with its present limits."""
        return replace(self._members[run_id], limits=self.limits.get(run_id))

    def runs_of(self, trials: Sequence[Trial]) -> list[SweepMember]:
        """Returns the distinct runs of trials with their present limits."""
        run_ids = dict.fromkeys(run_id for trial in trials for run_id in trial.run_ids)
        return [self.member(run_id) for run_id in run_ids]

    def members(self) -> list[SweepMember]:
        """Returns the runs of all trials, and the planned runs with fresh seeds."""
        return [self.member(run_id) for run_id in self._members]

    def minutes(self) -> float:
        """Returns the minutes that all commands of the search have taken."""
        return self.before.minutes + (time.monotonic() - self._started) / 60

    def file(self) -> SearchFile:
        """Returns the present content of search.json."""
        ends = {run_id: limits.ends_at for run_id, limits in self.limits.items()}
        trials = [
            replace(trial, ends_at=next((ends.get(run_id) for run_id in trial.run_ids), None))
            for trial in self.trials
        ]
        # A search at rungs has no budget of time. So its file depends only on its runs.
        minutes = 0.0 if self.policy.new.rungs else self.minutes()
        return replace(self.policy.new, trials=trials, confirmed=self._confirmed, minutes=minutes)

    def write(self) -> None:
        """Writes search.json."""
        self.file().write(self.folder)

    def run(self, launcher: RunLauncher, console: Console, started: float) -> int:
        """Trains all trials, then the best ones with fresh seeds; returns the exit code.

        Args:
            started: when the command started, on the clock of `time.monotonic`.
        """
        self._done_before = sum(member.was_done() for member in self.members())
        code = 0
        # `next_runs` writes search.json before any run starts, so no choice is lost.
        pending = self.next_runs()
        if first := pending or self._fresh_runs():
            rounds = self._rounds(pending, launcher, console)
            code = train_sweep(
                self.members(), first, launcher, self.folder, console, rounds, self.judge,
                is_open=True,
            )  # fmt: skip
            self.write()
        # Workers wait for the fresh seeds, so the sweep is closed only now.
        close_sweep(self.folder)
        if members := self.members():
            code = finish_sweep(members, self.folder, console, code, started, self._lost())
        return code

    def _rounds(
        self, pending: Sequence[SweepMember], launcher: RunLauncher, console: Console
    ) -> Rounds:
        """Yields the runs to train, or lets workers train them, until nothing changes.

        The fresh seeds of the best trials are the last round.
        """
        folders, rungs, before = [run.folder for run in pending], self.policy.new.rungs, None
        with show_progress(folders, console) if rungs and folders else contextlib.nullcontext():
            # If the same runs have the same limits as before, another round would change nothing:
            # the search was stopped, other processes train the runs, or they cannot be trained.
            while pending and (left := {run.run_id: run.limits for run in pending}) != before:
                before, known = left, len(self._members)
                if rungs:
                    # A pool (runs that train together) calls `judge` itself. Other runs pause at a
                    # rung, and are yielded again when all runs have reached the rung.
                    yield pending
                elif isinstance(launcher, Workers):
                    # The workers get new runs as soon as one run has ended.
                    launcher.wait(pending, self.folder, until_one_ends=True)
                else:
                    yield from shown(pending, console, self._counted())
                pending = self.next_runs()
                if pending and len(self._members) > known:
                    # Workers and tables read the list of runs from sweep.json.
                    write_sweep(self.members(), pending, self.folder, console, is_open=True)
        if fresh := self._fresh_runs():
            write_sweep(self.members(), fresh, self.folder, console, is_open=True)
            print_lines(
                console, f"confirming the best configs: {count(len(fresh), 'run')} with fresh seeds"
            )
            ended = sum(member.was_done() for member in self.members()) - self._done_before
            yield from shown(fresh, console, (ended, ended + len(fresh)))

    def _counted(self) -> tuple[int, int]:
        """Returns how many runs have ended in this command, of how many (0: unknown)."""
        ended = len(self._members) - len(self._left()) - self._done_before
        new, confirmed = self.policy.new, self.policy.top * len(self.policy.fresh)
        if "trials" not in new.budget:
            return ended, 0
        trials = int(new.budget["trials"]) * new.settings["seeds"]
        return ended, trials + confirmed - self._done_before

    def _fresh_runs(self) -> list[SweepMember]:
        """Returns the runs of the best trials with fresh seeds that are left to train.

        There are none before the search is over. It is not over if it was stopped, or if some
        trials have no result yet, for example because other processes train them.
        """
        if len(self.results()) < len(self.trials):
            return []
        file, policy = self.file(), self.policy
        best = different(ranked(read_trials(file, self.folder), file.sign))[: policy.top]
        left: list[SweepMember] = []
        for trial in best:
            runs = policy.planner.plan(trial.params, policy.fresh)
            self._confirmed = {**self._confirmed, trial.number: [run.run_id for run in runs]}
            self._members |= {r.run_id: r for r in runs if r.run_id not in self._members}
            left += [run for run in runs if not run.was_done()]
        self.write()
        return left

    def _lost(self) -> list[str]:
        """Returns the run_ids of failed runs that are not tried again."""
        results = self.results()
        lost = [t for t in self.trials if t.number in results and self.policy.is_over(self, t)]
        return [run.run_id for run in self.runs_of(lost) if not run.was_done()]
