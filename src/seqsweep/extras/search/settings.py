"""Checks the options of searches, and computes when Optuna's trials end early.

The thresholds of a trial are computed when the trial is chosen, from the results known by then. So
the thresholds do not depend on the speed of the runs, nor on other runs that train at the same
time, and workers on other hosts can read them.
"""

import functools
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from omegaconf import OmegaConf

from seqsweep.config.schema import check_range
from seqsweep.extras.search.searchfile import SearchFile, Space, with_mode
from seqsweep.extras.search.trials import Result
from seqsweep.runs.identity import flatten
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

_RULES = {"median": Median, "hyperband": Hyperband}

PRUNERS: Mapping[str, Mapping[str, int]] = {"none": {}} | {
    name: {each.name: each.default for each in fields(rule) if each.default is not MISSING}
    for name, rule in _RULES.items()
}
"""The options of each pruner, with their defaults."""

_LEAST = {
    "population": 2, "seed": 0, "parallel": 1, "seeds": 1, "confirm.top": 0, "confirm.seeds": 0,
    "pruner_options.n_startup_trials": 0, "pruner_options.n_warmup_epochs": 0,
    "pruner_options.interval": 1, "pruner_options.min_epochs": 1, "pruner_options.eta": 2,
}  # fmt: skip
"""The smallest allowed values of the keys of `hydra.sweeper`."""


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the keys of `hydra.sweeper` as plain values, without null options.

    Raises:
        ValueError: a number is below its smallest allowed value.
    """
    plain: Any = OmegaConf.to_container(OmegaConf.create(dict(options)))
    for key, group in plain.items():
        if isinstance(group, dict):
            plain[key] = {name: each for name, each in group.items() if each is not None}
    for key, value in flatten(plain):
        if key in _LEAST:
            check_range(f"hydra.sweeper.{key}", value, _LEAST[key])
    return plain


def optuna_search(
    options: Mapping[str, Any], monitor: Metric, max_epochs: int, space: Space
) -> SearchFile:
    """Returns the search.json of an Optuna search that has chosen no trial yet.

    Args:
        options: the keys of `hydra.sweeper` as `checked_options` returns them. `seed` is the seed
            of the sampler, and the seed of the runs is a key of their config. `parallel` is the
            most trials that are without a result at the same time. `seeds` is the number of runs
            of a trial, which is judged by their mean. `budget` has the limits of the search:
            `trials`, `epochs` of all runs, and `minutes` of all commands.

    Raises:
        ValueError: an option is refused.
    """
    for kind, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
        name, given = options[kind], options[f"{kind}_options"]
        if name not in known:
            raise ValueError(f"hydra.sweeper.{kind}={name}: unknown{nearest_or_all(name, known)}")
        for key in given.keys() - set(known[name]):
            raise ValueError(
                f"hydra.sweeper.{kind}_options.{key}={given[key]}: {kind}={name} has no such"
                f" option{nearest_or_all(key, known[name])}"
            )
    limits, seeds = options["budget"], options["seeds"]
    if not limits:
        raise ValueError("hydra.sweeper.budget: must have trials, epochs or minutes")
    for unit, limit in limits.items():
        if not (limit > 0 and math.isfinite(limit)):
            raise ValueError(f"hydra.sweeper.budget.{unit}={limit}: must be above 0")
    if limits.get("epochs", math.inf) < max_epochs * seeds:
        raise ValueError(
            f"hydra.sweeper.budget.epochs={limits['epochs']}: must be at least"
            f" {max_epochs * seeds}, the epochs of one trial (hydra.sweeper.seeds={seeds},"
            f" trainer.max_epochs={max_epochs})"
        )
    settings = {
        "sampler_options": options["sampler_options"],
        "pruner_options": {**PRUNERS[options["pruner"]], **options["pruner_options"]},
        "seed": options["seed"],
        "parallel": options["parallel"],
        "seeds": seeds,
        "max_epochs": max_epochs,
    }
    settings = with_mode(settings, monitor)
    return SearchFile(options["sampler"], options["pruner"], monitor, space, settings, limits)


def rule_of(search: SearchFile) -> Median | Hyperband | None:
    """Returns the rule that ends trials early; None if no trial ends early."""
    rule, settings = _RULES.get(search.pruner), search.settings
    if rule is None:
        return None
    minimize = search.monitor.lower_is_better
    return rule(settings["max_epochs"], minimize, **settings["pruner_options"])


def needed(search: SearchFile, number: int) -> range:
    """Returns the numbers of the trials whose results decide the choice of trial `number`."""
    return range(number - search.settings["parallel"] + 1)


def allows(search: SearchFile, results: Sequence[Result | None], minutes: float) -> bool:
    """Returns whether one more trial may begin; None stands for a trial without a result."""
    # A running trial counts with all its epochs, until it ends and its real number of epochs is
    # known. So the end of a trial may change the answer from no to yes, but never back.
    cost, budget = search.settings["max_epochs"] * search.settings["seeds"], search.budget
    used = sum(cost if result is None else result.epochs for result in results)
    return (
        len(results) < budget.get("trials", math.inf)
        and used + cost <= budget.get("epochs", math.inf)
        and minutes < budget.get("minutes", math.inf)
    )
