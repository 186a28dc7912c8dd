"""The window of trials of a search that have no result yet."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.errors import HydraException

from seqsweep.config.schema import Config
from seqsweep.console import place, say_error
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import Trial
from seqsweep.sweeping.members import SweepMember
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.search.planning import Planned, TrialPlanner, members_of
from seqsweep.sweeping.search.samplers import grid_size
from seqsweep.sweeping.search.settings import Settings
from seqsweep.sweeping.search.study import Chosen, SearchStudy
from seqsweep.sweeping.search.trials import Result, TrialRun, result_of


class Window:
    """The trials of a search, of which at most `parallel` have no result yet.

    Args:
        settings: of the search.
        planner: plans the runs of the trials.
        config: a config of the search, for the values that all trials share.
        folder: the sweep's folder.

    Attributes:
        results: of all trials that have ended, by number. The study knows the first ones of them.

    Raises:
        ValueError: the folder holds another search, or the data have changed.
    """

    def __init__(
        self, settings: Settings, planner: TrialPlanner, config: Config, folder: Path
    ) -> None:
        self.settings = settings
        self.planner = planner
        self.config = config
        self.folder = folder
        self.study = SearchStudy.in_folder(settings, planner.space, folder)
        self.results = dict(enumerate(self.study.results))
        self._most = grid_size(planner.space) if settings.sampler == "grid" else None
        self._planned: Planned = {}
        self._queued: dict[str, QueuedRun] = {}
        # A run may belong to several trials; its epochs and thresholds are those of the first.
        self._owners: dict[str, Chosen] = {}
        for chosen in self.study.chosen:
            self._own(chosen)
        try:
            for chosen in self._running():
                self._plan_again(chosen)
        except (HydraException, ValueError, TypeError, OSError):
            self.study.put_back()
            raise

    @property
    def chosen(self) -> Sequence[Chosen]:
        """All trials that were chosen."""
        return self.study.chosen

    @property
    def cost(self) -> int:
        """The most epochs of a trial, of all its runs together."""
        return self.config["trainer"]["max_epochs"] * self.settings.seeds

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
        while before != (now := (len(self.chosen), len(self.results))):
            before = now
            self.look()
            while self._may_choose(minutes) and self._tell_before(len(self.chosen)):
                self._choose_one()

    def look(self) -> None:
        """Reads the results of the trials that have ended since the last look."""
        for chosen in self._running():
            if chosen.refusal is not None:
                self.results[chosen.number] = Result("failed")
            elif all(self._is_over(run_id) for run_id in chosen.run_ids):
                self.results[chosen.number] = self._result(chosen)

    def pending(self) -> list[SweepMember]:
        """Returns the runs to train now, of the trials without a result."""
        left = [run_id for chosen in self._running() for run_id in chosen.run_ids]
        planned = {
            run_id: self._planned[run_id] for run_id in left if not self._queued[run_id].is_over()
        }
        return self._members(planned)

    def is_stopped(self) -> bool:
        """Returns whether a run has failed whose failure ends the search."""
        left = (run_id for chosen in self._running() for run_id in chosen.run_ids)
        return any(self._queued[run_id].ends_sweep() for run_id in left)

    def tell_all(self) -> None:
        """Tells the results of the last trials, of which no further choice depends."""
        while len(self.study.results) in self.results:
            self.study.tell(self.results[len(self.study.results)])

    def trials(self) -> list[Trial]:
        """Returns the trials as search.json has them."""
        return [self._trial(chosen) for chosen in self.chosen]

    def _running(self) -> Iterator[Chosen]:
        return (chosen for chosen in list(self.chosen) if chosen.number not in self.results)

    def _may_choose(self, minutes: float) -> bool:
        number = len(self.chosen)
        if self._most is not None and number >= self._most:
            return False
        taken = [self.results[i].epochs if i in self.results else None for i in range(number)]
        return self.settings.budget.allows(taken, self.cost, minutes)

    def _tell_before(self, number: int) -> bool:
        """Tells the results that a choice depends on; returns whether all are known."""
        while len(self.study.results) <= number - self.settings.parallel:
            if len(self.study.results) not in self.results:
                return False
            self.study.tell(self.results[len(self.study.results)])
        return True

    def _choose_one(self) -> None:
        sampled = self.study.sample()
        planned, refusal = Planned(), None
        try:
            planned = self.planner.plan(sampled.params, self.seeds)
        except (HydraException, ValueError, TypeError) as error:
            refusal = " ".join(str(error).split())
            say_error(f"trial {sampled.number} is refused: {refusal}")
        chosen = Chosen(sampled.number, sampled.params, list(planned), sampled.thresholds, refusal)
        self.study.accept(chosen)
        self._own(chosen)
        self._add(planned)

    def _plan_again(self, chosen: Chosen) -> None:
        """Plans the runs of a trial that an earlier command has chosen.

        Raises:
            ValueError: the config or the data have changed since.
        """
        if chosen.refusal is not None:
            return
        planned = self.planner.plan(chosen.params, self.seeds)
        if list(planned) != list(chosen.run_ids):
            raise ValueError(
                f"{place(self.folder)}: holds a search with another config or other data; give "
                "another sweep.name"
            )
        self._add(planned)

    def _own(self, chosen: Chosen) -> None:
        for run_id in chosen.run_ids:
            self._owners.setdefault(run_id, chosen)

    def _add(self, planned: Planned) -> None:
        self._planned.update(planned)
        for member in self._members(planned):
            self._queued.setdefault(member.folder.run_id, member.queued())

    def _members(self, planned: Planned) -> list[SweepMember]:
        """Returns planned runs with the thresholds of the trials that they belong to."""
        thresholds = {
            run_id: self._owners[run_id].thresholds
            for run_id in planned
            if self.settings.pruner is not None
        }
        return members_of(planned, thresholds, self.folder)

    def _is_over(self, run_id: str) -> bool:
        """Returns whether a run has a result that may be told."""
        run = self._queued[run_id]
        # With `on_error=stop` the next command tries a failed trial again.
        return run.is_over() and not run.ends_sweep()

    def _result(self, chosen: Chosen) -> Result:
        runs = [
            TrialRun(
                RunFolder(self.folder / run_id),
                self._owners[run_id].thresholds,
                self._owners[run_id].number == chosen.number,
            )
            for run_id in chosen.run_ids
        ]
        return result_of(runs, self.settings, self.config["monitor"])

    def _trial(self, chosen: Chosen) -> Trial:
        params = self.planner.values(chosen.params)
        result = self.results.get(chosen.number)
        if result is None:
            return Trial(chosen.number, params, chosen.run_ids)
        return Trial(
            chosen.number,
            params,
            chosen.run_ids,
            result.state,
            result.values,
            result.epochs,
            result.seconds,
        )
