"""The window of trials of a search that have no result yet."""

import os
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from hydra.errors import HydraException

from seqsweep.console import say_error
from seqsweep.results.search.trials import Result, owners_of, result_of
from seqsweep.runs.lock_files import file_of, generations
from seqsweep.runs.searchfile import NAME, SearchFile, Trial
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.members import SweepMember, labelled
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.search.planning import TrialPlanner
from seqsweep.sweeping.search.session import LOCK, Search
from seqsweep.sweeping.search.settings import Settings
from seqsweep.sweeping.search.study import SearchStudy
from seqsweep.training.limits import Limits


class Window(Search):
    """The trials of a search, of which at most `parallel` have no result yet.

    Args:
        settings: of the search.
        planner: plans the runs of the trials.

    Attributes:
        results: of all trials that have ended, by number. The study knows the first ones of them.

    Raises:
        ValueError: the folder holds another search, or the data have changed.
    """

    def __init__(self, settings: Settings, planner: TrialPlanner) -> None:
        self.seeds = range(planner.seed, planner.seed + settings.seeds)
        fresh = range(self.seeds.stop, self.seeds.stop + settings.confirm["seeds"])
        new = settings.search_file(planner.space)
        super().__init__(planner, new, settings.confirm["top"], fresh)
        self.settings = settings
        self._minutes_before = minutes_before(self.folder)
        # Monotonic, because the clock of the machine may be set while a search trains for hours.
        self._started = time.monotonic()
        self.study = SearchStudy(settings, planner.space, self.before)
        self.results: dict[int, Result] = {}
        self._members: dict[str, SweepMember] = {}
        self._queued: dict[str, QueuedRun] = {}
        for trial in self.before:
            self._take_up(trial)

    @property
    def trials(self) -> list[Trial]:
        return self.study.trials

    def members(self) -> list[SweepMember]:
        return list(self._members.values())

    def is_over(self) -> bool:
        return not self.pending() and not self.is_stopped()

    def is_stopped(self) -> bool:
        """Returns whether a run has failed whose failure ends the search."""
        left = (run_id for trial in self._running() for run_id in trial.run_ids)
        return any(self._queued[run_id].ends_sweep() for run_id in left)

    def lost(self) -> Collection[str]:
        decided = self.trials[: max(0, len(self.trials) - self.settings.parallel)]
        run_ids = {run_id for trial in decided for run_id in trial.run_ids}
        return [run_id for run_id in run_ids if not self._members[run_id].is_done()]

    def file(self) -> SearchFile:
        return replace(super().file(), minutes=self.minutes())

    def minutes(self) -> float:
        """Returns the minutes that all commands of the search have taken."""
        return self._minutes_before + (time.monotonic() - self._started) / 60

    def spent(self) -> str:
        used = {
            "trials": len(self.trials),
            "epochs": sum(result.epochs for result in self.results.values()),
            "minutes": self.minutes(),
        }
        limits = {"trials": None, "epochs": None, **self.settings.budget}
        parts = [
            f"{used[unit]:,.4g}{'' if limit is None else f' of {limit:,g}'} {unit}"
            for unit, limit in limits.items()
        ]
        return f"search by {self.settings.sampler}: {', '.join(parts)}"

    def advance(self) -> None:
        """Reads results and chooses trials until only a trained run can lead further."""
        before: tuple[int, int] | None = None
        # A trial whose runs are done already, as those of an equal trial, has its result at once.
        while before != (now := (len(self.trials), len(self.results))):
            before = now
            self.look()
            while self._may_choose() and self._tell_before(len(self.trials)):
                self._choose_one()

    def look(self) -> None:
        """Reads the results of the trials that have ended since the last look."""
        for trial in self._running():
            if all(self._is_over(run_id) for run_id in trial.run_ids):
                self.results[trial.number] = self._result_of(trial)

    def pending(self) -> list[SweepMember]:
        """Returns the runs to train now, of the trials without a result."""
        left = {run_id for trial in self._running() for run_id in trial.run_ids}
        planned = {
            run_id: (member.overrides, member.planned)
            for run_id, member in self._members.items()
            if run_id in left and not self._queued[run_id].is_over()
        }
        # Each is called after the keys in which it differs from the others of now.
        return labelled(planned, self.folder)

    def _running(self) -> Iterator[Trial]:
        return (trial for trial in list(self.trials) if trial.number not in self.results)

    def _may_choose(self) -> bool:
        results = [self.results.get(trial.number) for trial in self.trials]
        return self.settings.allows(results, self.minutes())

    def _tell_before(self, number: int) -> bool:
        """Tells the results that a choice depends on; returns whether all are known."""
        while (told := len(self.study.results)) <= number - self.settings.parallel:
            if told not in self.results:
                return False
            self.study.tell(self.results[told])
        return True

    def _choose_one(self) -> None:
        chosen = self.study.choose()
        members, refusal = list[SweepMember](), None
        try:
            members = self.planner.plan(chosen.params, self.seeds)
        except (HydraException, ValueError, TypeError) as error:
            refusal = " ".join(str(error).split())
            say_error(f"trial {chosen.number} is refused: {refusal}")
        run_ids = [member.folder.run_id for member in members]
        trial = replace(chosen, run_ids=run_ids, refusal=refusal)
        self.study.trials.append(trial)
        self._add(trial, members)

    def _take_up(self, trial: Trial) -> None:
        """Plans a trial again that an earlier command has chosen, and reads its result.

        Raises:
            ValueError: the config or the data have changed since.
        """
        members: list[SweepMember] = []
        if trial.refusal is None:
            members = self.planner.plan(trial.params, self.seeds)
        if list(trial.run_ids) != [member.folder.run_id for member in members]:
            self._refuse()
        self._add(trial, members)
        # A later choice depends on these results, so their failures are final. Those of the others
        # are tried again.
        if trial.number < len(self.before) - self.settings.parallel:
            result = self._result_of(trial)
            if result.state != "running":
                self.results[trial.number] = result

    def _add(self, trial: Trial, members: list[SweepMember]) -> None:
        for member in members:
            run_id = member.folder.run_id
            if run_id in self._members:
                continue
            if self.settings.rule is not None:
                limits = Limits(trial.thresholds)
                member = replace(member, planned=replace(member.planned, limits=limits))
            self._members[run_id] = member
            self._queued[run_id] = member.queued()

    def _result_of(self, trial: Trial) -> Result:
        return result_of(trial, self.folder, self.settings.monitor, owners_of(self.trials))

    def _is_over(self, run_id: str) -> bool:
        """Returns whether a run has a result that may be told."""
        run = self._queued[run_id]
        # With `on_error=stop` the next command tries a failed trial again.
        return run.is_over() and not run.ends_sweep()


def minutes_before(folder: Path) -> float:
    """Returns the minutes that earlier commands have searched; this process holds the lock.

    A killed command has written them when it began to train. Its lock shows how long it lived
    after that, because a process touches its lock every few seconds.
    """
    search, sweep = SearchFile.read(folder), SweepFile.read(folder)
    if search is None:
        return 0.0
    if sweep is None or sweep.ended is not None:
        return search.minutes
    path = f"{folder}/{LOCK}"
    # The last file is that of this process. Those before it stay until it releases the lock.
    alive = [os.stat(file_of(path, number)).st_mtime for number in generations(path)[:-1]]
    written = (folder / NAME).stat().st_mtime
    return search.minutes + max([0.0, *(when - written for when in alive)]) / 60
