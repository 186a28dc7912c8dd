"""The state of a successive halving: its limits, its search.json and its best configs.

Everything follows from the files of the runs. The module imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqsweep.results.search.trials import ranked
from seqsweep.runs.metric_names import lower_is_better
from seqsweep.runs.searchfile import SearchFile, Trial, TrialState
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.members import SweepMember
from seqsweep.sweeping.queue import QueuedRun
from seqsweep.sweeping.search.halving import Halving
from seqsweep.sweeping.search.judging import Candidate, Standing, judge
from seqsweep.training.limits import Limits


class Searched:
    """A search and the limits of its runs.

    Args:
        halving: the settings.
        candidates: the population, in the order of the draws.
        folder: the sweep's folder.

    Attributes:
        limits: the limits of each run by run_id, as decided last.
    """

    def __init__(self, halving: Halving, candidates: Sequence[Candidate], folder: Path) -> None:
        self.halving = halving
        self.candidates = candidates
        self.folder = folder
        self.monitor: str = candidates[0].member.planned.config["monitor"]
        self.limits: dict[str, Limits] = {}
        before = SearchFile.read(folder)
        self._confirmed: Mapping[int, Sequence[str]] = {} if before is None else before.confirmed

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
        member = candidate.member
        planned = replace(member.planned, limits=self.limits[candidate.run_id])
        return replace(member, planned=planned)

    def write(self) -> None:
        """Writes search.json."""
        self._file().write(self.folder)

    def _file(self) -> SearchFile:
        """Returns the search as search.json has it."""
        space = self.halving.described()
        direction = "minimize" if lower_is_better(self.monitor) else "maximize"
        trials = [self._trial(Standing.of(candidate)) for candidate in self.candidates]
        return SearchFile(
            "halving",
            "halving",
            space,
            [self.monitor],
            [direction],
            {"trials": self.halving.population},
            trials,
            list(self.halving.rungs),
            self._confirmed,
        )

    def best(self, most: int) -> list[Candidate]:
        """Returns the best complete trials, in the order in which the report names them."""
        by_number = {candidate.number: candidate for candidate in self.candidates}
        return [by_number[trial.number] for trial in ranked(self._file())[:most]]

    def confirming(self) -> dict[int, list[list[str]]]:
        """Returns the overrides of the best trials with fresh seeds, by number."""
        used = {candidate.member.planned.config["seed"] for candidate in self.candidates}
        count = self.halving.seeds
        fresh = [seed for seed in range(len(used) + count) if seed not in used][:count]
        jobs: dict[int, list[list[str]]] = {}
        for each in self.best(self.halving.top):
            overrides = self.halving.overrides(each.params)
            without = [text for text in overrides if text.partition("=")[0] != "seed"]
            jobs[each.number] = [[*without, f"seed={seed}"] for seed in fresh]
        return jobs

    def confirm(self, run_ids: Mapping[int, Sequence[str]]) -> None:
        """Notes the runs with fresh seeds in search.json."""
        self._confirmed = run_ids
        self.write()

    def epochs(self) -> int:
        """Returns the number of epochs that the runs of the population have trained."""
        return sum(len(Standing.of(candidate).rows) for candidate in self.candidates)

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

    def _trial(self, run: Standing) -> Trial:
        limits = self.limits[run.candidate.run_id]
        last = limits.ends_at or self.halving.rungs[-1]
        value = run.value(last)
        state = self._state(run, limits)
        flat = run.candidate.member.planned.flat
        return Trial(
            run.candidate.number,
            {key: flat.get(key, text) for key, text in run.candidate.params.items()},
            [run.candidate.run_id],
            state,
            None if value is None or state == "failed" else [value],
            sum(row["epoch"] < last for row in run.rows),
            _seconds(run.record),
        )

    def _state(self, run: Standing, limits: Limits) -> TrialState:
        status = (run.record or {}).get("status")
        if status == "diverged":
            return "failed"
        if status == "complete" and limits.ends_at is None:
            return "complete"
        if limits.ends_at is not None:
            return "failed" if self._is_lost(run) else "pruned"
        return "failed" if run.candidate.has_failed and run.record is None else "running"


def _seconds(record: dict[str, Any] | None) -> float:
    return (record or {}).get("train_seconds", 0.0)
