"""The policy of `hydra/sweeper=halving`: draws configs, and decides which runs continue.

A rung is a number of epochs after which the worse runs end. All runs train to the first rung. When
the last run has reached a rung, `judge` compares them all: the better ones train to the next rung,
and the others end. All decisions depend only on the files of the runs. The module imports no torch.
"""

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from hydra.errors import HydraException
from rich.console import Console

from seqsweep.config.shape.axes import check_size
from seqsweep.console import print_lines
from seqsweep.extras.search.planning import TrialPlanner, check_comparable, check_searchable
from seqsweep.extras.search.searchfile import SearchFile, Space, Trial, with_mode
from seqsweep.extras.search.session import Policy, Search
from seqsweep.extras.search.space import value_at
from seqsweep.runs.metrics import Metric, epoch_score
from seqsweep.runs.metrics_csv import has_finished, read_rows
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.members import say_plan
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.limits import Limits


@dataclass(frozen=True, kw_only=True)
class Halving(Policy):
    """Draws all configs at the beginning, one run each. No choice depends on a result.

    Attributes:
        trials: the trials of the runs `planned`, in their order.
    """

    trials: Sequence[Trial]

    @classmethod
    def plan(cls, options: Mapping[str, Any], planner: TrialPlanner) -> Self:
        """Plans a halving.

        Args:
            options: `population` is the number of configs that are drawn, and equal configs are
                trained once. `rungs` are the numbers of epochs after which the runs are judged; the
                runs end at the last one. `seed` is the seed of the draws, and the seed of the runs
                is a key of their config. `confirm` says how many of the best configs are trained
                again at the end (`top`), and with how many fresh seeds each (`seeds`).
        """
        population, rungs, seed = (options[key] for key in ("population", "rungs", "seed"))
        check_size(f"hydra.sweeper.population={population}", population)
        check_rungs(rungs)
        planner = to_the_last_rung(planner, rungs[-1])
        trials: dict[str, Trial] = {}
        for number in range(population):
            params = draw(planner.space, seed, number)
            (run,) = planner.plan(params)
            # If several draws are equal, the first draw counts.
            trials.setdefault(run.run_id, Trial(number, params))
        runs = [run for trial in trials.values() for run in planner.plan(trial.params)]
        monitors = [check_searchable(run, rungs[0]) for run in runs]
        check_comparable(runs)
        settings = with_mode({"population": population, "seed": seed}, monitors[0])
        budget, confirm = {"trials": population}, options["confirm"]
        fresh = [each for each in range(confirm["seeds"] + 1) if each != runs[0].config["seed"]]
        return cls(
            planner=planner,
            planned=runs,
            new=SearchFile(
                "halving", "halving", monitors[0], planner.space, settings, budget, rungs=rungs
            ),
            top=confirm["top"],
            fresh=fresh[: confirm["seeds"]],
            trials=[*trials.values()],
        )

    def choose(self, search: Search) -> Trial | None:
        return next(itertools.islice(self.trials, len(search.trials), None), None)

    def judge(self, search: Search) -> dict[str, Limits]:
        return judge(search.runs_of(search.trials), self.new.monitor, self.new.rungs)

    def is_over(self, search: Search, trial: Trial) -> bool:
        # The rung was decided without the run. A run that has reached the rung at which it ends is
        # launched once more to write its record, even if it failed in an earlier command.
        (run,) = search.runs_of([trial])
        ends_at = search.limits[run.run_id].ends_at
        return ends_at is not None and not Standing(run).has_reached(ends_at)

    def say(self, search: Search, launcher: RunLauncher, console: Console, is_plan: bool) -> None:
        runs, rungs, population = self.planned, self.new.rungs, self.new.settings["population"]
        sizes = sizes_at(rungs, len(runs))
        steps = ", ".join(f"{n:,} to epoch {rung}" for n, rung in zip(sizes, rungs, strict=True))
        begins = [0, *rungs[:-1]]
        parts = zip(sizes, begins, rungs, strict=True)
        epochs, full = sum(n * (end - begin) for n, begin, end in parts), len(runs) * rungs[-1]
        print_lines(console, f"successive halving: {steps}: {epochs:,} of {full:,} epochs")
        processes, pending = launcher.processes, search.pending()
        say_plan(runs, pending, population, search.folder, console, processes=processes)


def check_rungs(rungs: Sequence[int]) -> None:
    """Refuses rungs that are not at least two increasing numbers of epochs."""
    is_increasing = all(a < b for a, b in itertools.pairwise(rungs))
    if len(rungs) < 2 or rungs[0] < 1 or not is_increasing:
        raise ValueError(
            f"hydra.sweeper.rungs=[{','.join(map(str, rungs))}]: must be at least two increasing"
            " numbers of epochs, as in [1,3,9,27]"
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
    params: dict[str, Any] = {}
    for key, values in space.items():
        # Unlike a generator of NumPy, a digest gives the same number in any version.
        digest = hashlib.sha256(f"{seed}/{number}/{key}".encode()).digest()
        params[key] = value_at(values, (int.from_bytes(digest[:8], "big") >> 11) / 2**53)
    return params


def sizes_at(rungs: Sequence[int], runs: int) -> list[int]:
    """Returns how many runs train to each rung, if none fails.

    >>> sizes_at([1, 3, 9, 27], 256)
    [256, 86, 29, 10]
    """
    sizes = [runs]
    for rung, following in itertools.pairwise(rungs):
        sizes.append(kept(sizes[-1], rung, following))
    return sizes


def kept(runs: int, rung: int, following: int) -> int:
    """Returns how many of some runs continue after a rung, rounded up."""
    return -(-runs * rung // following)


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
        best = set(ranked[: kept(len(alive), rung, following)])
        left = {name: run for name, run in alive.items() if name in best and not run.is_lost(rung)}
        limits |= dict.fromkeys(alive.keys() - left.keys(), Limits(ends_at=rung))
        alive = left
    return limits | dict.fromkeys(alive, Limits())
