"""The window of trials of a search that have no result yet."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from hydra.errors import HydraException
from rich.console import Console

from seqsweep.console import say_error
from seqsweep.extras.search.planning import TrialPlanner
from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.extras.search.session import Search
from seqsweep.extras.search.settings import Settings
from seqsweep.extras.search.study import SearchStudy
from seqsweep.extras.search.trials import Result, owners_of, result_of
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.members import labelled
from seqsweep.sweeping.planned_sweep import write_sweep
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep import Rounds, shown, train_sweep
from seqsweep.training.limits import Limits


class Window(Search):
    """The trials of a search, of which at most `parallel` have no result yet.

    Args:
        seed: the first seed of a trial.

    Attributes:
        results: of all trials that have ended, by number.

    Raises:
        ValueError: the folder holds another search, or the data have changed.
    """

    def __init__(self, settings: Settings, planner: TrialPlanner, seed: int) -> None:
        self.seeds = range(seed, seed + settings.seeds)
        fresh = range(self.seeds.stop, self.seeds.stop + settings.confirm["seeds"])
        new = settings.search_file(planner.space)
        super().__init__(planner, new, settings.confirm["top"], fresh)
        self.settings = settings
        # Monotonic, because the clock of the machine may be set while a search trains for hours.
        self._started = time.monotonic()
        self.study = SearchStudy(settings, planner.space, self.before)
        for trial in self.before:
            planned = self.planner.plan(trial.params, self.seeds) if trial.refusal is None else []
            if list(trial.run_ids) != [member.run_id for member in planned]:
                self._refuse()
            self._add(trial, planned)
        # Later choices depend on these results, so their failures are final. Other runs that have
        # failed are tried again.
        decided = {t.number: self._result_of(t) for t in self.before[: -settings.parallel]}
        self.results = {n: each for n, each in decided.items() if each.state != "running"}

    @property
    def trials(self) -> list[Trial]:
        return self.study.trials

    def is_over(self) -> bool:
        return not self.pending() and not self.is_stopped()

    def is_stopped(self) -> bool:
        """Returns whether a run has failed whose failure ends the search."""
        return any(self.member(run_id).ends_sweep() for run_id in self._left())

    def lost(self) -> Collection[str]:
        decided = self.trials[: -self.settings.parallel]
        run_ids = {run_id for trial in decided for run_id in trial.run_ids}
        return [run_id for run_id in run_ids if not self.member(run_id).was_done()]

    def train(self, launcher: RunLauncher, console: Console) -> int:
        self.advance()
        # Written before the first run starts, so that no choice is lost.
        self.write()
        pending = self.pending()
        if not pending:
            return 0
        rounds = self.rounds(launcher, console)
        try:
            return train_sweep(
                self.members(), pending, launcher, self.folder, console, rounds, is_open=True
            )
        finally:
            self.write()

    def rounds(self, launcher: RunLauncher, console: Console) -> Rounds:
        """Yields the runs of trials, and chooses others from their results."""
        budget, confirm = int(self.settings.budget.get("trials", 0)), self.settings.confirm
        total = budget * self.settings.seeds + confirm["top"] * confirm["seeds"]
        while pending := self.pending():
            known = len(self.results)
            if launcher.workers is None:
                ended = len(self._members) - len(self._left()) - self.done_before
                counted = ended, total - self.done_before if budget else 0
                yield from shown(pending, console, counted)
            else:
                launcher.workers.train(pending, self.folder, is_one_enough=True)
            self.look()
            # Without a new result, another round would end in the same way.
            if len(self.results) == known or self.is_stopped():
                return
            self.advance()
            self.write()
            # Workers and tables read from sweep.json which runs there are.
            write_sweep(self.members(), self.pending(), self.folder, console, is_open=True)

    def file(self) -> SearchFile:
        return replace(super().file(), minutes=self.minutes())

    def minutes(self) -> float:
        """Returns the minutes that all commands of the search have taken."""
        return self.minutes_before + (time.monotonic() - self._started) / 60

    def advance(self) -> None:
        """Reads results and chooses trials until only a trained run can lead further."""
        self.look()
        while self._may_choose():
            # A trial whose runs are done already, as those of an equal trial, has its result.
            self._look_at(self._choose_one())

    def look(self) -> None:
        """Reads the results of the trials that have ended since the last look."""
        for trial in self._running():
            self._look_at(trial)

    def pending(self) -> list[SweepMember]:
        """Returns the runs to train now, of the trials without a result."""
        members = [self.member(run_id) for run_id in self._left()]
        # Each is called after the keys in which it differs from the others of now.
        return labelled([member for member in members if not member.is_over()])

    def _running(self) -> Iterator[Trial]:
        return (trial for trial in list(self.trials) if trial.number not in self.results)

    def _left(self) -> dict[str, None]:
        """Returns the run_ids of the trials without a result, each once."""
        return dict.fromkeys(run_id for trial in self._running() for run_id in trial.run_ids)

    def _look_at(self, trial: Trial) -> None:
        runs = [self.member(run_id) for run_id in trial.run_ids]
        # With `on_error=stop` the next command tries a failed trial again.
        if all(run.is_over() and not run.ends_sweep() for run in runs):
            self.results[trial.number] = self._result_of(trial)

    def _may_choose(self) -> bool:
        if not all(number in self.results for number in self.study.needed()):
            return False
        results = [self.results.get(trial.number) for trial in self.trials]
        return self.settings.allows(results, self.minutes())

    def _choose_one(self) -> Trial:
        chosen = self.study.choose(self.results)
        members, refusal = list[SweepMember](), None
        try:
            members = self.planner.plan(chosen.params, self.seeds)
        except (HydraException, ValueError, TypeError) as error:
            refusal = " ".join(str(error).split())
            say_error(f"trial {chosen.number} is refused: {refusal}")
        run_ids = [member.run_id for member in members]
        trial = replace(chosen, run_ids=run_ids, refusal=refusal)
        self.trials.append(trial)
        self._add(trial, members)
        return trial

    def _add(self, trial: Trial, members: Sequence[SweepMember]) -> None:
        if self.settings.rule is not None:
            # Of equal trials, the thresholds of the first one hold.
            self.limits = dict.fromkeys(trial.run_ids, Limits(trial.thresholds)) | self.limits
        self.add(members)

    def _result_of(self, trial: Trial) -> Result:
        return result_of(trial, self.folder, self.settings.monitor, owners_of(self.trials))
