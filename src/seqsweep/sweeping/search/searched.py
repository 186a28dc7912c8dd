"""The state of a successive halving: its population, its limits and its search.json.

Everything follows from the files of the runs. The module imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from seqsweep.results.search.trials import ranked, read_trials
from seqsweep.runs.searchfile import SearchFile, Trial
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.members import SweepMember, plan_members
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.search.halving import Halving
from seqsweep.sweeping.search.judging import Candidate, Standing, judge
from seqsweep.sweeping.search.planning import TrialPlanner, check_comparable, check_searchable
from seqsweep.sweeping.search.session import OTHER_RUNS, refuse_other_search
from seqsweep.sweeping.search.space import overrides_of
from seqsweep.training.limits import Limits
from seqsweep.training.planned_run import PlannedRun


def plan_candidates(halving: Halving, planner: TrialPlanner) -> list[Candidate]:
    """Draws and plans the population; equal configs are one candidate.

    Raises:
        ValueError, TypeError, OSError: a config or its data are refused, or cannot be judged.
    """
    drawn = halving.drawn()
    jobs = [(*planner.fixed, *overrides_of(planner.space, params)) for params in drawn]
    # Of equal draws, the first one counts.
    numbers = {job: number for number, job in reversed(list(enumerate(jobs)))}
    candidates: list[Candidate] = []
    members = plan_members(jobs, planner.compose, planner.folder)
    for member in members:
        number = numbers[tuple(member.overrides)]
        limited = replace(member, planned=replace(member.planned, limits=Limits()))
        candidates.append(Candidate(number, drawn[number], limited, limited.queued()))
        _check(member.planned, halving)
    check_comparable(planner.space, members)
    monitors = sorted({member.planned.config["monitor"] for member in members})
    if len(monitors) > 1:
        raise ValueError(f"monitor={','.join(monitors)}: must be one metric, which ranks the runs")
    return candidates


def _check(run: PlannedRun, halving: Halving) -> None:
    """Refuses a run that cannot be judged at the first rung."""
    check_searchable(run)
    every = run.config["trainer"].get("check_val_every_n_epoch", 1)
    if str(run.config["monitor"]).startswith("val/") and every > halving.rungs[0]:
        raise ValueError(
            f"hydra.sweeper.rungs: the first must be at least {every}, since"
            f" trainer.check_val_every_n_epoch={every} leaves earlier epochs without"
            f" {run.config['monitor']}"
        )


class Searched:
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
        self.halving = halving
        self.planner = planner
        self.candidates = candidates
        self.folder = planner.folder
        self.limits: dict[str, Limits] = {}
        self._new = halving.search_file(candidates[0].member.planned.config["monitor"])
        before = SearchFile.read(self.folder)
        self._confirmed: Mapping[int, Sequence[str]] = {}
        if before is not None:
            self._confirmed = before.confirmed
            refuse_other_search(before.differences(self._new), self.folder)
            theirs = [run_id for trial in before.trials for run_id in trial.run_ids]
            if theirs != [candidate.run_id for candidate in candidates]:
                refuse_other_search(OTHER_RUNS, self.folder)

    def decide(self) -> dict[str, Limits]:
        """Brings the limits up to date with the files of the runs; writes nothing."""
        self.limits = judge(self.candidates, self.halving.rungs)
        return self.limits

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
        return [candidate for candidate in self.candidates if self._is_pending(candidate)]

    def lost(self) -> list[str]:
        """Returns the run_ids of the failed runs that a rung was decided without."""
        runs = map(Standing.of, self.candidates)
        return [run.candidate.run_id for run in runs if self._is_lost(run)]

    def is_over(self) -> bool:
        """Returns whether every rung is decided, and nothing is left to train."""
        self.decide()
        # A run that has paused at a rung is not pending, though the rung is not decided yet.
        is_decided = all(limits.until is None for limits in self.limits.values())
        return is_decided and not self.pending()

    def queued(self, candidate: Candidate) -> QueuedRun:
        """Returns a run for a queue, with its present limits."""
        return replace(candidate.queued, limits=self.limits[candidate.run_id])

    def limited(self, candidate: Candidate) -> SweepMember:
        """Returns a run for a launcher, with its present limits."""
        planned = replace(candidate.member.planned, limits=self.limits[candidate.run_id])
        return replace(candidate.member, planned=planned)

    def write(self) -> None:
        """Writes search.json."""
        self._file().write(self.folder)

    def best(self) -> list[Trial]:
        """Returns the best complete trials, in the order in which the report names them."""
        file = self._file()
        best = ranked(read_trials(file, self.folder), file.sign)
        return [tried.trial for tried in best[: self.halving.top]]

    def fresh_seeds(self) -> list[int]:
        """Returns seeds for the best trials that the search has not used."""
        used = {candidate.member.planned.config["seed"] for candidate in self.candidates}
        count = self.halving.seeds
        return [seed for seed in range(len(used) + count) if seed not in used][:count]

    def confirm(self, run_ids: Mapping[int, Sequence[str]]) -> None:
        """Notes the runs with fresh seeds in search.json."""
        self._confirmed = run_ids
        self.write()

    def epochs(self) -> int:
        """Returns the number of epochs that the runs of the population have trained."""
        return sum(len(Standing.of(candidate).rows) for candidate in self.candidates)

    def _file(self) -> SearchFile:
        trials = [
            Trial(each.number, each.params, [each.run_id], ends_at=self.limits[each.run_id].ends_at)
            for each in self.candidates
        ]
        return replace(self._new, trials=trials, confirmed=self._confirmed)

    def _is_pending(self, candidate: Candidate) -> bool:
        # A run that has lost its place by a failure is not tried again. One that has reached the
        # rung is launched once more, even if it had failed before, and gets its record.
        is_lost = self._is_lost(Standing.of(candidate))
        return not is_lost and not self.queued(candidate).is_over()

    def _is_lost(self, run: Standing) -> bool:
        """Returns whether a run has failed before the rung that was decided without it."""
        ends_at = self.limits[run.candidate.run_id].ends_at
        if ends_at is None or run.record is not None or run.has_reached(ends_at):
            return False
        return run.candidate.member.folder.attempts() > 0
