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
from seqsweep.sweeping.search.judging import Candidate, Standing, judge
from seqsweep.sweeping.search.planning import TrialPlanner, check_comparable, check_searchable
from seqsweep.sweeping.search.session import Search
from seqsweep.sweeping.search.space import overrides_of
from seqsweep.training.limits import Limits


def plan_candidates(halving: Halving, planner: TrialPlanner) -> list[Candidate]:
    """Draws and plans the population; equal configs are one candidate.

    Raises:
        ValueError, TypeError, OSError: a config or its data are refused, or cannot be judged.
    """
    drawn = halving.drawn(planner.space)
    jobs = [(*planner.fixed, *overrides_of(planner.space, params)) for params in drawn]
    # Of equal draws, the first one counts.
    numbers = {job: number for number, job in reversed(list(enumerate(jobs)))}
    candidates: list[Candidate] = []
    members = plan_members(jobs, planner.compose, planner.folder)
    for member in members:
        number = numbers[tuple(member.overrides)]
        limited = replace(member, planned=replace(member.planned, limits=Limits()))
        candidates.append(Candidate(number, drawn[number], limited, limited.queued()))
        check_searchable(member.planned, halving.rungs[0])
    check_comparable(members)
    return candidates


class Searched(Search):
    """A search and the limits of its runs.

    Args:
        halving: the settings.
        planner: plans runs of the search.
        candidates: the population, in the order of the draws.

    Attributes:
        limits: the limits of each run by run_id, as decided last.

    Raises:
        ValueError: the folder holds another search.
    """

    def __init__(
        self, halving: Halving, planner: TrialPlanner, candidates: Sequence[Candidate]
    ) -> None:
        config = candidates[0].member.planned.config
        fresh = [seed for seed in range(halving.seeds + 1) if seed != config["seed"]]
        new = halving.search_file(planner.space, config["monitor"])
        super().__init__(planner, new, halving.top, fresh[: halving.seeds])
        self.halving = halving
        self.candidates = candidates
        theirs = [run_id for trial in self.before for run_id in trial.run_ids]
        if self.before and theirs != [candidate.run_id for candidate in candidates]:
            self._refuse()
        self.limits: dict[str, Limits] = {}
        self.decide()

    @property
    def trials(self) -> list[Trial]:
        return [
            Trial(each.number, each.params, [each.run_id], ends_at=self.limits[each.run_id].ends_at)
            for each in self.candidates
        ]

    def members(self) -> list[SweepMember]:
        """Returns the runs with their present limits."""
        return [self.limited(candidate) for candidate in self.candidates]

    def is_over(self) -> bool:
        self.decide()
        # A run that has paused at a rung is not pending, though the rung is not decided yet.
        is_decided = all(limits.until is None for limits in self.limits.values())
        return is_decided and not self.pending()

    def lost(self) -> list[str]:
        return [candidate.run_id for candidate in self.candidates if self._is_lost(candidate)]

    def spent(self) -> str:
        configs = len(self.candidates)
        epochs = sum(len(Standing.of(candidate).rows) for candidate in self.candidates)
        full = configs * self.halving.rungs[-1]
        return f"successive halving: {count(configs, 'config')}, {epochs:,} of {full:,} epochs"

    def decide(self) -> None:
        """Brings the limits up to date with the files of the runs; writes nothing."""
        self.limits = judge(self.candidates, self.halving.rungs)

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

    def pending(self) -> list[Candidate]:
        """Returns the runs that have something left to train, as the limits stand."""
        # A run that has lost its place by a failure is not tried again. One that has reached the
        # rung is launched once more, even if it had failed before, and gets its record.
        return [
            candidate
            for candidate in self.candidates
            if not self._is_lost(candidate) and not self.queued(candidate).is_over()
        ]

    def queued(self, candidate: Candidate) -> QueuedRun:
        """Returns a run for a queue, with its present limits."""
        return replace(candidate.queued, limits=self.limits[candidate.run_id])

    def limited(self, candidate: Candidate) -> SweepMember:
        """Returns a run for a launcher, with its present limits."""
        planned = replace(candidate.member.planned, limits=self.limits[candidate.run_id])
        return replace(candidate.member, planned=planned)

    def _is_lost(self, candidate: Candidate) -> bool:
        """Returns whether a run has failed before the rung that was decided without it."""
        run, ends_at = Standing.of(candidate), self.limits[candidate.run_id].ends_at
        if ends_at is None or run.record is not None or run.has_reached(ends_at):
            return False
        return candidate.member.folder.attempts() > 0
