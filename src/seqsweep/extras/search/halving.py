"""The policy of `hydra/sweeper=halving`: draws configs, and decides which runs continue.

A rung is a number of epochs after which the worse runs end. All runs train to the first rung. When
the last run has reached a rung, `judge` compares them all: the better ones train to the next rung,
and the others end. All decisions depend only on the files of the runs. The module imports no torch.
"""

import functools
import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra.errors import HydraException
from rich.console import Console

from seqsweep.config.schema import check_range
from seqsweep.config.shape.axes import check_size
from seqsweep.console import print_lines
from seqsweep.extras.search.planning import TrialPlanner, check_comparable, check_searchable
from seqsweep.extras.search.searchfile import SearchFile, Space, Trial, with_mode
from seqsweep.extras.search.session import Policy, Search
from seqsweep.extras.search.space import overrides_of, value_at
from seqsweep.runs.metrics import Metric, epoch_score
from seqsweep.runs.metrics_csv import has_finished, read_rows
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.members import plan_members, say_plan
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.limits import Limits


@dataclass(frozen=True)
class Halving:
    """The settings of a successive halving: the keys of `hydra.sweeper`, checked.

    Attributes:
        population: the number of configs that are drawn; equal configs are trained once.
        rungs: the numbers of epochs after which the runs are judged; the runs end at the last one.
        seed: the seed of the draws. The seed of the runs is a key of their config.
        top: how many of the best configs are trained again at the end.
        seeds: the number of fresh seeds for each of the best configs.
    """

    population: int
    rungs: Sequence[int]
    seed: int
    top: int
    seeds: int

    def __post_init__(self) -> None:
        check_range("hydra.sweeper.population", self.population, 2)
        check_range("hydra.sweeper.seed", self.seed, 0)
        check_range("hydra.sweeper.confirm.top", self.top, 0)
        check_range("hydra.sweeper.confirm.seeds", self.seeds, 0)
        check_size(f"hydra.sweeper.population={self.population}", self.population)
        is_increasing = all(a < b for a, b in itertools.pairwise(self.rungs))
        if len(self.rungs) < 2 or self.rungs[0] < 1 or not is_increasing:
            listed = ",".join(map(str, self.rungs))
            raise ValueError(
                f"hydra.sweeper.rungs=[{listed}]: must be at least two increasing numbers of"
                " epochs, as in [1,3,9,27]"
            )

    def sizes(self, configs: int) -> list[int]:
        """Returns how many runs train to each rung, if none fails."""
        sizes = [configs]
        for rung, following in itertools.pairwise(self.rungs):
            sizes.append(-(-sizes[-1] * rung // following))
        return sizes

    def epochs(self, configs: int) -> int:
        """Returns the number of epochs of all rungs, if no run fails or stops early."""
        steps = [self.rungs[0], *(b - a for a, b in itertools.pairwise(self.rungs))]
        return sum(n * step for n, step in zip(self.sizes(configs), steps, strict=True))

    def search_file(self, space: Space, monitor: Metric) -> SearchFile:
        """Returns the search.json of a search that has no trials yet."""
        settings = with_mode({"population": self.population, "seed": self.seed}, monitor)
        budget, rungs = {"trials": self.population}, list(self.rungs)
        return SearchFile("halving", "halving", monitor, space, settings, budget, rungs=rungs)

    def plan(self, planner: TrialPlanner) -> "Population":
        """Draws, plans and checks a trial and a run for each distinct config."""
        planner = to_the_last_rung(planner, self.rungs[-1])
        drawn = [draw(planner.space, self.seed, n) for n in range(self.population)]
        jobs = [(*planner.fixed, *overrides_of(planner.space, params)) for params in drawn]
        # If several draws are equal, the first draw counts.
        numbers = {job: number for number, job in reversed(list(enumerate(jobs)))}
        runs = plan_members(jobs, planner.compose, planner.folder)
        trials: list[Trial] = []
        for run in runs:
            check_searchable(run, self.rungs[0])
            number = numbers[tuple(run.overrides)]
            trials.append(Trial(number, drawn[number], [run.run_id]))
        check_comparable(runs)
        fresh = [seed for seed in range(self.seeds + 1) if seed != runs[0].config["seed"]]
        return Population(
            planner=planner,
            planned=runs,
            new=self.search_file(planner.space, check_searchable(runs[0])),
            top=self.top,
            fresh=fresh[: self.seeds],
            halving=self,
            trials=trials,
        )


def to_the_last_rung(planner: TrialPlanner, epochs: int) -> TrialPlanner:
    """Returns a planner whose runs train to the last rung."""
    last = f"trainer.max_epochs={epochs}"
    for text in planner.fixed:
        if text.lstrip("+").startswith("trainer.max_epochs=") and text != last:
            raise HydraException(
                f"{text}: must be {epochs}, the last of hydra.sweeper.rungs, or left out"
            )
    return replace(planner, fixed=[*planner.fixed, last])


def draw(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Draws a value for each key.

    Each value depends only on the seed of the search, the number of the config and the key. So a
    larger population begins with the configs of a smaller population.

    >>> from seqsweep.extras.search.searchfile import Numbers
    >>> draw({"optimizer.lr": Numbers(0.001, 0.1, log=True)}, seed=0, number=3)
    {'optimizer.lr': 0.069148}
    """
    return {key: value_at(values, _share(seed, number, key)) for key, values in space.items()}


def _share(seed: int, number: int, key: str) -> float:
    """Returns a random number in [0, 1)."""
    # Unlike a generator of NumPy, a digest gives the same number in any version.
    digest = hashlib.sha256(f"{seed}/{number}/{key}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


@dataclass(frozen=True)
class Population(Policy):
    """All configs of a successive halving, one run each. No choice depends on a result.

    Attributes:
        trials: the trials of the runs `planned`, in their order.
    """

    halving: Halving
    trials: Sequence[Trial]

    @functools.cached_property
    def _runs(self) -> dict[int, SweepMember]:
        pairs = zip(self.trials, self.planned, strict=True)
        return {trial.number: run for trial, run in pairs}

    def runs(self, trial: Trial) -> list[SweepMember]:
        return [self._runs[trial.number]] if trial.number in self._runs else []

    def choose(self, search: Search) -> Trial | None:
        return next(itertools.islice(self.trials, len(search.trials), None), None)

    def judge(self, search: Search) -> dict[str, Limits]:
        runs = [search.member(run_id) for trial in search.trials for run_id in trial.run_ids]
        return judge(runs, self.new.monitor, self.halving.rungs)

    def is_over(self, search: Search, trial: Trial) -> bool:
        # The rung was decided without the run. A run that has reached the rung at which it ends is
        # launched once more to write its record, even if it failed in an earlier command.
        (run,) = (search.member(run_id) for run_id in trial.run_ids)
        ends_at = search.limits[run.run_id].ends_at
        return ends_at is not None and not Standing(run).has_reached(ends_at)

    def say(self, search: Search, launcher: RunLauncher, console: Console, is_plan: bool) -> None:
        halving, runs = self.halving, self.planned
        sizes = zip(halving.sizes(len(runs)), halving.rungs, strict=True)
        steps = ", ".join(f"{size:,} to epoch {rung}" for size, rung in sizes)
        epochs, full = halving.epochs(len(runs)), len(runs) * halving.rungs[-1]
        print_lines(console, f"successive halving: {steps}: {epochs:,} of {full:,} epochs")
        pending, drawn, processes = search.pending(), halving.population, launcher.processes
        say_plan(runs, pending, drawn, search.folder, console, processes=processes)


class Standing:
    """The progress of a run, from files that are read once."""

    def __init__(self, run: SweepMember) -> None:
        self.run = run
        self.rows = read_rows(run.folder.path / "metrics.csv")
        self.record = run.folder.record()

    def has_reached(self, rung: int) -> bool:
        """Returns whether the run has finished `rung` epochs without diverging."""
        return has_finished(self.rows, rung)

    def was_ended_at(self, rung: int) -> bool:
        """Returns whether the run was pruned by the comparison at a rung."""
        pruned = None if self.record is None else self.record.pruned
        return pruned is not None and (pruned.epoch, pruned.threshold) == (rung, None)

    def is_lost(self, rung: int) -> bool:
        """Returns whether a settled run has failed or diverged before a rung."""
        if self.has_reached(rung):
            return False
        return self.record is None or self.record.status == "diverged"

    def is_settled(self, rung: int, was_judged: bool) -> bool:
        """Returns whether the run's result at a rung is final."""
        has_failed = self.run.failures() >= self.run.tries
        if self.has_reached(rung) or self.record is not None or has_failed:
            return True
        # A run that had failed when the rung was judged has lost its place, and is not retried. A
        # run whose last rows a later kill has lost keeps its place, and trains them again.
        failure = self.run.folder.failure() or {}
        return was_judged and failure.get("kind") == "failed"

    def rank(self, rung: int, monitor: Metric) -> tuple[float, ...]:
        """Returns the key that sorts runs, best run first.

        Runs without a value come after runs with a value, and lost runs come last.
        """
        judged = [row for row in self.rows if row["epoch"] < rung and monitor in row]
        # The best epoch counts; higher scores are better.
        scores = [epoch_score(row, monitor) for row in judged]
        score, tie_break = max(scores, default=(-math.inf, -math.inf))
        return self.is_lost(rung), -score, -tie_break


def judge(runs: Sequence[SweepMember], monitor: Metric, rungs: Sequence[int]) -> dict[str, Limits]:
    """Decides which runs continue after each rung; returns the runs' limits.

    At the first rung where some run's result is not final, the other runs wait. Earlier rungs are
    decided again from the same rows of metrics.csv, so a kill at any moment changes no decision.

    Source: Jamieson and Talwalkar (2016), "Non-stochastic best arm identification and
    hyperparameter optimization", AISTATS.

    Args:
        runs: the whole population; its order decides between runs with equal ranks.
        rungs: increasing numbers of epochs. At each rung a share of the runs continues: this rung
            divided by the next one, such as 3 / 9. The number of runs is rounded up.
    """
    limits: dict[str, Limits] = {}
    alive = {run.run_id: Standing(run) for run in runs}
    for rung, following in itertools.pairwise(rungs):
        was_judged = any(run.was_ended_at(rung) for run in alive.values())
        if not all(run.is_settled(rung, was_judged) for run in alive.values()):
            return limits | dict.fromkeys(alive, Limits(until=rung))
        ranked = sorted(alive, key=lambda run_id: alive[run_id].rank(rung, monitor))
        kept = set(ranked[: -(-len(alive) * rung // following)])
        left = {name: run for name, run in alive.items() if name in kept and not run.is_lost(rung)}
        limits |= dict.fromkeys(alive.keys() - left.keys(), Limits(ends_at=rung))
        alive = left
    return limits | dict.fromkeys(alive, Limits())
