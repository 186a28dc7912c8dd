"""The window of trials of a search that have no result yet."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hydra.errors import HydraException

from seqsweep.console import say_error
from seqsweep.results.search.trials import Result, TrialReader, Tried
from seqsweep.runs.searchfile import SearchFile, Trial
from seqsweep.sweeping.members import SweepMember, labelled
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.search.planning import TrialPlanner
from seqsweep.sweeping.search.session import OTHER_RUNS, refuse_other_search
from seqsweep.sweeping.search.settings import Settings
from seqsweep.sweeping.search.study import SearchStudy
from seqsweep.training.limits import Limits


class Window:
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
        self.settings = settings
        self.planner = planner
        self.folder = planner.folder
        before = SearchFile.read(self.folder)
        trials: Sequence[Trial] = ()
        if before is not None:
            ours = settings.search_file(planner.space)
            refuse_other_search(before.differences(ours), self.folder)
            trials = before.trials
        self.study = SearchStudy(settings, planner.space, trials)
        self.results: dict[int, Result] = {}
        self._reader = TrialReader(self.folder, settings.monitor)
        self._members: dict[str, SweepMember] = {}
        self._queued: dict[str, QueuedRun] = {}
        for trial in trials:
            self._reader.own(trial)
            self._take_up(trial, len(trials) - settings.parallel)

    @property
    def trials(self) -> list[Trial]:
        """All trials that were chosen."""
        return self.study.trials

    @property
    def seeds(self) -> range:
        """The seeds of a trial's runs."""
        return range(self.planner.seed, self.planner.seed + self.settings.seeds)

    def advance(self, minutes: float) -> None:
        """Reads results and chooses trials until only a trained run can lead further.

        Args:
            minutes: the minutes that the search has taken.
        """
        before: tuple[int, int] | None = None
        # A trial whose runs are done already, as those of an equal trial, has its result at once.
        while before != (now := (len(self.trials), len(self.results))):
            before = now
            self.look()
            while self._may_choose(minutes) and self._tell_before(len(self.trials)):
                self._choose_one()

    def look(self) -> None:
        """Reads the results of the trials that have ended since the last look."""
        for trial in self._running():
            if all(self._is_over(run_id) for run_id in trial.run_ids):
                self.results[trial.number] = self._reader.result_of(trial)

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

    def is_stopped(self) -> bool:
        """Returns whether a run has failed whose failure ends the search."""
        left = (run_id for trial in self._running() for run_id in trial.run_ids)
        return any(self._queued[run_id].ends_sweep() for run_id in left)

    def tried(self) -> list[Tried]:
        """Returns the trials with their results; those without one are running."""
        return [Tried(trial, self.results.get(trial.number, Result())) for trial in self.trials]

    def _running(self) -> Iterator[Trial]:
        return (trial for trial in list(self.trials) if trial.number not in self.results)

    def _may_choose(self, minutes: float) -> bool:
        results = [self.results.get(trial.number) for trial in self.trials]
        return self.settings.allows(results, minutes)

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
        self.study.accept(trial)
        self._reader.own(trial)
        self._add(members)

    def _take_up(self, trial: Trial, decided: int) -> None:
        """Reads the result of a trial that an earlier command has chosen, or plans it again.

        Args:
            decided: the number of trials whose results a later choice depends on. Their failures
                are final; those of the others are tried again.

        Raises:
            ValueError: the config or the data have changed since.
        """
        if trial.number < decided or trial.refusal is not None:
            result = self._reader.result_of(trial)
            if result.state != "running":
                self.results[trial.number] = result
                return
        members = self.planner.plan(trial.params, self.seeds)
        if list(trial.run_ids) != [member.folder.run_id for member in members]:
            refuse_other_search(OTHER_RUNS, self.folder)
        self._add(members)

    def _add(self, members: list[SweepMember]) -> None:
        for member in members:
            run_id = member.folder.run_id
            if run_id in self._members:
                continue
            if self.settings.rule is not None:
                limits = Limits(self._reader.owners[run_id].thresholds)
                member = replace(member, planned=replace(member.planned, limits=limits))
            self._members[run_id] = member
            self._queued[run_id] = member.queued()

    def _is_over(self, run_id: str) -> bool:
        """Returns whether a run has a result that may be told."""
        run = self._queued[run_id]
        # With `on_error=stop` the next command tries a failed trial again.
        return run.is_over() and not run.ends_sweep()
