"""The state of a successive halving: its population, its limits and its search.json.

Everything follows from the files of the runs. The module imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from seqsweep.results.formatting import count
from seqsweep.runs.searchfile import Trial
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.members import SweepMember, plan_members
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.search.halving import Halving
from seqsweep.sweeping.search.judging import Standing, judge
from seqsweep.sweeping.search.planning import TrialPlanner, check_comparable, check_searchable
from seqsweep.sweeping.search.session import Search
from seqsweep.sweeping.search.space import overrides_of
from seqsweep.training.limits import Limits


def plan_population(
    halving: Halving, planner: TrialPlanner
) -> tuple[list[Trial], list[SweepMember]]:
    """Draws and plans the population; returns a trial and a run for each distinct config.

    Raises:
        ValueError, TypeError, OSError: a config or its data are refused, or cannot be judged.
    """
    drawn = halving.drawn(planner.space)
    jobs = [(*planner.fixed, *overrides_of(planner.space, params)) for params in drawn]
    # Of equal draws, the first one counts.
    numbers = {job: number for number, job in reversed(list(enumerate(jobs)))}
    members = plan_members(jobs, planner.compose, planner.folder)
    trials: list[Trial] = []
    for member in members:
        number = numbers[tuple(member.overrides)]
        trials.append(Trial(number, drawn[number], [member.folder.run_id]))
        check_searchable(member.planned, halving.rungs[0])
    check_comparable(members)
    return trials, members


class Searched(Search):
    """A successive halving, whose limits were decided last by the files of its runs.

    Args:
        halving: the settings.
        planner: plans runs of the search.
        trials: the population, in the order of the draws.
        members: the run of each trial.

    Raises:
        ValueError: the folder holds another search.
    """

    def __init__(
        self,
        halving: Halving,
        planner: TrialPlanner,
        trials: Sequence[Trial],
        members: Sequence[SweepMember],
    ) -> None:
        config = members[0].planned.config
        fresh = [seed for seed in range(halving.seeds + 1) if seed != config["seed"]]
        new = halving.search_file(planner.space, config["monitor"])
        super().__init__(planner, new, halving.top, fresh[: halving.seeds])
        self.halving = halving
        self._monitor = config["monitor"]
        self._trials = trials
        if self.before and [t.run_ids for t in self.before] != [t.run_ids for t in trials]:
            self._refuse()
        self.add(members)
        self.decide()

    @property
    def trials(self) -> list[Trial]:
        ends = [self.limits[trial.run_ids[0]].ends_at for trial in self._trials]
        return [replace(t, ends_at=end) for t, end in zip(self._trials, ends, strict=True)]

    def is_over(self) -> bool:
        self.decide()
        # A run that has paused at a rung is not pending, though the rung is not decided yet.
        is_decided = all(limits.until is None for limits in self.limits.values())
        return is_decided and not self.pending()

    def lost(self) -> list[str]:
        return [run.run_id for run in self._runs() if self._is_lost(run)]

    def spent(self) -> str:
        configs = len(self._trials)
        epochs = sum(len(Standing(run).rows) for run in self._runs())
        full = configs * self.halving.rungs[-1]
        return f"successive halving: {count(configs, 'config')}, {epochs:,} of {full:,} epochs"

    def decide(self) -> None:
        """Brings the limits up to date with the files of the runs; writes nothing."""
        self.limits = judge(self._runs(), self._monitor, self.halving.rungs)

    def judge(self) -> Mapping[str, Limits]:
        """Decides the limits, and writes them for workers and for the report."""
        self.decide()
        limits = {name: each.plain() for name, each in self.limits.items()}
        with SweepFile.changing(self.folder):
            sweep = SweepFile.read(self.folder)
            if sweep is not None and not limits.items() <= sweep.limits.items():
                replace(sweep, limits={**sweep.limits, **limits}).write(self.folder)
        self.write()
        return self.limits

    def pending(self) -> list[QueuedRun]:
        """Returns the runs that have something left to train, as the limits stand."""
        # A run that has lost its place by a failure is not tried again. One that has reached the
        # rung is launched once more, even if it had failed before, and gets its record.
        return [run for run in self._runs() if not self._is_lost(run) and not run.is_over()]

    def _runs(self) -> list[QueuedRun]:
        return [self.queued(trial.run_ids[0]) for trial in self._trials]

    def _is_lost(self, run: QueuedRun) -> bool:
        """Returns whether a run has failed before the rung that was decided without it."""
        standing, ends_at = Standing(run), self.limits[run.run_id].ends_at
        if ends_at is None or standing.record is not None or standing.has_reached(ends_at):
            return False
        return run.folder.attempts() > 0
