"""Checks the settings of an Optuna search, and computes when trials end early.

The thresholds of a trial are computed when the trial is chosen, from the results known by then. So
the thresholds do not depend on the speed of the runs, nor on other runs that train at the same
time, and workers on other hosts can read them.
"""

import functools
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.config.schema import check_range
from seqsweep.extras.search.searchfile import SearchFile, Space, with_mode
from seqsweep.extras.search.trials import Result
from seqsweep.runs.metrics import Metric
from seqsweep.text import nearest_or_all


@dataclass(frozen=True)
class Median:
    """Ends a trial that is worse than the median of complete trials.

    The rule of Golovin et al. 2017 (KDD), with the best value so far in place of the average.

    Args:
        n_startup_trials: the number of complete trials before any trial may be ended.
        n_warmup_epochs: the number of epochs before the first decision; 0 means `interval`.
        interval: the number of epochs from one decision to the next.
    """

    max_epochs: int
    minimize: bool
    n_startup_trials: int = 5
    n_warmup_epochs: int = 0
    interval: int = 1

    def thresholds(self, number: int, results: Mapping[int, Result]) -> dict[int, float]:
        """Returns the worst value with which a trial continues, by number of finished epochs."""
        complete = [result.curve for result in results.values() if result.state == "complete"]
        if len(complete) < max(1, self.n_startup_trials):
            return {}
        first = self.n_warmup_epochs or self.interval
        # The last epoch is left out, because a trial that has reached it is complete.
        epochs = range(first, self.max_epochs, self.interval)
        values = {epoch: _values_after(complete, epoch) for epoch in epochs}
        return {epoch: statistics.median(each) for epoch, each in values.items() if each}


@dataclass(frozen=True)
class Hyperband:
    """Ends trials at rungs (numbers of epochs), which differ between brackets of trials.

    Bracket b has rungs at `min_epochs * eta**k` epochs, from k = b on. At a rung a trial is ranked
    with the trials of its bracket that have reached the rung; the best 1/eta of them continue
    (Hyperband, Li et al. 2018, Journal of Machine Learning Research). Trials are judged one by one
    as in ASHA (Li et al. 2020, MLSys). A trial's number decides its bracket, and each bracket gets
    its share of trials as in Hyperband.

    Args:
        min_epochs: the first rung of the first bracket.
        eta: one of `eta` trials continues at a rung.
    """

    max_epochs: int
    minimize: bool
    min_epochs: int = 1
    eta: int = 3

    def thresholds(self, number: int, results: Mapping[int, Result]) -> dict[int, float]:
        """Returns the worst value with which trial `number` continues, by finished epochs."""
        bracket = self.bracket(number)
        others = [each.curve for n, each in results.items() if self.bracket(n) == bracket]
        values = {rung: _values_after(others, rung) for rung in self.rungs(bracket)}
        # The trial itself counts among the compared trials.
        return {
            rung: sorted(each, reverse=not self.minimize)[max(1, (len(each) + 1) // self.eta) - 1]
            for rung, each in values.items()
            if each
        }

    def bracket(self, number: int) -> int:
        """Returns the bracket of a trial. The first bracket has the most rungs."""
        return self._order[number % len(self._order)]

    def rungs(self, bracket: int) -> list[int]:
        """Returns the numbers of epochs at which a bracket's trials are compared."""
        epochs = (self.min_epochs * self.eta**k for k in itertools.count(bracket))
        return list(itertools.takewhile(lambda rung: rung < self.max_epochs, epochs))

    @functools.cached_property
    def _order(self) -> list[int]:
        """Returns the brackets of consecutive trials, evenly mixed."""
        brackets = len(self.rungs(0)) + 1
        places: list[tuple[float, int]] = []
        for bracket in range(brackets):
            left = brackets - bracket
            size = math.ceil(brackets / left * self.eta ** (left - 1))
            # The i-th of n trials of a bracket stands at (i + 1/2) / n of the whole.
            places += [((i + 0.5) / size, bracket) for i in range(size)]
        return [bracket for _, bracket in sorted(places)]


def _values_after(curves: Sequence[Sequence[float | None]], epoch: int) -> list[float]:
    """Returns the best value of each trial in the first `epoch` epochs, if known."""
    reached = [curve[epoch - 1] for curve in curves if len(curve) >= epoch]
    return [value for value in reached if value is not None]


SAMPLERS: Mapping[str, Sequence[str]] = {
    "tpe": ("n_startup_trials", "n_ei_candidates", "multivariate", "group", "constant_liar"),
    "random": (),
}
"""The options of each sampler."""

PRUNERS: Mapping[str, Mapping[str, int]] = {
    "none": {},
    "median": {"n_startup_trials": 0, "n_warmup_epochs": 0, "interval": 1},
    "hyperband": {"min_epochs": 1, "eta": 2},
}
"""The options of each pruner, with their smallest allowed values."""


@dataclass(frozen=True)
class Settings:
    """The keys of `hydra.sweeper` without null options, `monitor` and `max_epochs`; all checked.

    Attributes:
        monitor: the metric by which the trials are judged.
        seed: the seed of the sampler. The seed of the runs is a key of their config.
        budget: the limits of the search: `trials`, `epochs` of all runs, and `minutes` of all
            commands. The first limit that is reached ends the search.
        parallel: the most trials that are without a result at the same time.
        seeds: the number of runs of a trial; a trial is judged by the mean of its runs.
        confirm: how many of the best trials are trained again at the end (`top`), and with how
            many fresh seeds (`seeds`).
    """

    monitor: Metric
    max_epochs: int
    sampler: str
    sampler_options: Mapping[str, Any]
    seed: int
    budget: Mapping[str, float]
    parallel: int
    pruner: str
    pruner_options: Mapping[str, int]
    seeds: int
    confirm: Mapping[str, int]

    def __post_init__(self) -> None:
        for kind, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            name, options = getattr(self, kind), getattr(self, f"{kind}_options")
            if name not in known:
                hint = nearest_or_all(name, known)
                raise ValueError(f"hydra.sweeper.{kind}={name}: unknown{hint}")
            for key in options.keys() - set(known[name]):
                raise ValueError(
                    f"hydra.sweeper.{kind}_options.{key}={options[key]}: {kind}={name} has no such"
                    f" option{nearest_or_all(key, known[name])}"
                )
        least = {"seed": (self.seed, 0), "parallel": (self.parallel, 1), "seeds": (self.seeds, 1)}
        least |= {f"confirm.{key}": (value, 0) for key, value in self.confirm.items()}
        least |= {
            f"pruner_options.{key}": (value, PRUNERS[self.pruner][key])
            for key, value in self.pruner_options.items()
        }
        for key, (value, number) in least.items():
            check_range(f"hydra.sweeper.{key}", value, number)
        limits = self.budget
        if not limits:
            raise ValueError("hydra.sweeper.budget: must have trials, epochs or minutes")
        for unit, limit in limits.items():
            if not (limit > 0 and math.isfinite(limit)):
                raise ValueError(f"hydra.sweeper.budget.{unit}={limit}: must be above 0")
        if limits.get("epochs", math.inf) < self.cost:
            raise ValueError(
                f"hydra.sweeper.budget.epochs={limits['epochs']}: must be at least {self.cost}, the"
                f" epochs of one trial (hydra.sweeper.seeds={self.seeds},"
                f" trainer.max_epochs={self.max_epochs})"
            )

    @property
    def cost(self) -> int:
        """The most epochs of all runs of a trial together."""
        return self.max_epochs * self.seeds

    @functools.cached_property
    def rule(self) -> Median | Hyperband | None:
        """The rule that ends trials early; None if no trial ends early."""
        if self.pruner == "none":
            return None
        made = Median if self.pruner == "median" else Hyperband
        return made(self.max_epochs, self.monitor.lower_is_better, **self.pruner_options)

    def needed(self, number: int) -> range:
        """Returns the numbers of the trials whose results decide the choice of trial `number`."""
        return range(number - self.parallel + 1)

    def allows(self, results: Sequence[Result | None], minutes: float) -> bool:
        """Returns whether one more trial may begin; None stands for a trial without a result."""
        # A running trial counts with all its epochs, until it ends and its real number of epochs is
        # known. So the end of a trial may change the answer from no to yes, but never back.
        used = sum(self.cost if result is None else result.epochs for result in results)
        return (
            len(results) < self.budget.get("trials", math.inf)
            and used + self.cost <= self.budget.get("epochs", math.inf)
            and minutes < self.budget.get("minutes", math.inf)
        )

    def search_file(self, space: Space) -> SearchFile:
        """Returns the search.json of a search that has chosen no trial yet."""
        settings: Mapping[str, Any] = {
            "sampler_options": self.sampler_options,
            "pruner_options": {key: getattr(self.rule, key) for key in PRUNERS[self.pruner]},
            "seed": self.seed,
            "parallel": self.parallel,
            "seeds": self.seeds,
            "max_epochs": self.max_epochs,
        }
        settings = with_mode(settings, self.monitor)
        return SearchFile(self.sampler, self.pruner, self.monitor, space, settings, self.budget)
