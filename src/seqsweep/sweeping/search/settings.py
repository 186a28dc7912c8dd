"""Checks the settings of a search by Optuna's samplers, as `hydra.sweeper` gives them."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seqsweep.config.schema import Config
from seqsweep.results.search.trials import Result
from seqsweep.runs.metric_names import lower_is_better
from seqsweep.runs.searchfile import SearchFile
from seqsweep.suggest import nearest_or_all
from seqsweep.sweeping.search.pruning import Hyperband, Median, Pruner
from seqsweep.sweeping.search.space import Space, described

SAMPLERS: Mapping[str, Sequence[str]] = {
    "tpe": ("n_startup_trials", "n_ei_candidates", "multivariate", "group", "constant_liar"),
    "random": (),
    "gp": ("n_startup_trials", "deterministic_objective"),
}
"""The options of each sampler."""

PRUNERS: Mapping[str, Mapping[str, int]] = {
    "none": {},
    "median": {"n_startup_trials": 0, "n_warmup_epochs": 0, "interval": 1},
    "hyperband": {"min_epochs": 1, "eta": 2},
}
"""The options of each pruner, with their least values."""


@dataclass(frozen=True)
class Budget:
    """The limits of a search, of which the first one reached ends it.

    Attributes:
        trials: the number of trials.
        epochs: the number of epochs that all runs of all trials are trained together.
        minutes: the minutes from the first start of the search to the choice of its last trial,
            without those between two commands. Runs that have begun by then are completed.
    """

    trials: int | None = None
    epochs: int | None = None
    minutes: float | None = None

    def described(self) -> dict[str, float]:
        """Returns the limits by unit, as search.json has them."""
        return {unit: limit for unit, limit in asdict(self).items() if limit is not None}

    def allows(self, results: Sequence[Result | None], cost: int, minutes: float) -> bool:
        """Returns whether one more trial may begin.

        A trial that runs counts with all its epochs, until it is known how many it has taken. So
        the answer for a trial may change from no to yes while others end, but never back.

        Args:
            results: the result of each trial; None while it runs.
            cost: the most epochs of a trial.
            minutes: the minutes that the search has taken.
        """
        used = sum(cost if result is None else result.epochs for result in results)
        return (
            (self.trials is None or len(results) < self.trials)
            and (self.epochs is None or used + cost <= self.epochs)
            and (self.minutes is None or minutes < self.minutes)
        )


@dataclass(frozen=True)
class Settings:
    """The settings of a search, besides its space.

    Attributes:
        sampler: one of `SAMPLERS`.
        sampler_options: further arguments of the sampler.
        seed: the seed of the sampler. The seed of the runs is a key of their config.
        budget: where the search ends.
        parallel: the number of trials that may be without a result while another one is chosen.
        monitor: the metric by which the trials are judged.
        max_epochs: the epochs of a run.
        pruner: decides after which epochs a trial ends early; None for never.
        pruner_name: one of `PRUNERS`.
        seeds: the number of runs of a trial, which is judged by their mean.
        confirm_top: how many of the best trials are trained again at the end.
        confirm_seeds: with how many fresh seeds.
    """

    sampler: str
    sampler_options: Mapping[str, Any]
    seed: int
    budget: Budget
    parallel: int
    monitor: str
    max_epochs: int
    pruner: Pruner | None
    pruner_name: str
    seeds: int
    confirm_top: int
    confirm_seeds: int

    @property
    def pruner_options(self) -> dict[str, int]:
        """All options of the pruner with their values."""
        return {key: getattr(self.pruner, key) for key in PRUNERS[self.pruner_name]}

    @property
    def cost(self) -> int:
        """The most epochs of a trial, of all its runs together."""
        return self.max_epochs * self.seeds

    def search_file(self, space: Space) -> SearchFile:
        """Returns the search.json of a search that has chosen no trial yet."""
        settings = {
            "sampler_options": dict(self.sampler_options),
            "pruner_options": self.pruner_options,
            "seed": self.seed,
            "parallel": self.parallel,
            "seeds": self.seeds,
            "max_epochs": self.max_epochs,
        }
        return SearchFile(
            self.sampler,
            self.pruner_name,
            self.monitor,
            described(space),
            settings,
            self.budget.described(),
        )


def settings_of(options: Mapping[str, Any], config: Config) -> Settings:
    """Returns the checked settings.

    Args:
        options: the keys of `hydra.sweeper` except `params`.
        config: the checked config of one trial, for its monitor and its number of epochs.

    Raises:
        ValueError: a setting is refused.
    """
    confirm = options["confirm"]
    least = {
        "seed": (options["seed"], 0),
        "parallel": (options["parallel"], 1),
        "seeds": (options["seeds"], 1),
        "confirm.top": (confirm["top"], 0),
        "confirm.seeds": (confirm["seeds"], 0),
    }
    for key, (value, lowest) in least.items():
        if value < lowest:
            raise ValueError(f"hydra.sweeper.{key}={value}: must be at least {lowest}")
    settings = Settings(
        options["sampler"],
        _given_options("sampler", options, SAMPLERS),
        options["seed"],
        Budget(**options["budget"]),
        options["parallel"],
        config["monitor"],
        config["trainer"]["max_epochs"],
        _pruner(options, config),
        options["pruner"],
        options["seeds"],
        confirm["top"] if confirm["seeds"] else 0,
        confirm["seeds"],
    )
    _check_budget(settings)
    return settings


def _pruner(options: Mapping[str, Any], config: Config) -> Pruner | None:
    given = _given_options("pruner", options, PRUNERS)
    least = PRUNERS[options["pruner"]]
    for key, value in given.items():
        if value < least[key]:
            raise ValueError(
                f"hydra.sweeper.pruner_options.{key}={value}: must be at least {least[key]}"
            )
    if options["pruner"] == "none":
        return None
    made = Median if options["pruner"] == "median" else Hyperband
    return made(config["trainer"]["max_epochs"], lower_is_better(config["monitor"]), **given)


def _given_options(
    kind: str, options: Mapping[str, Any], known: Mapping[str, Collection[str]]
) -> dict[str, Any]:
    """Returns the options of a sampler or pruner that are not null.

    Raises:
        ValueError: its name is unknown, or an option belongs to another sampler or pruner.
    """
    name = options[kind]
    if name not in known:
        raise ValueError(f"hydra.sweeper.{kind}={name}: unknown{nearest_or_all(name, list(known))}")
    given = {k: v for k, v in options[f"{kind}_options"].items() if v is not None}
    for key, value in given.items():
        if key not in known[name]:
            raise ValueError(
                f"hydra.sweeper.{kind}_options.{key}={value}: {kind}={name} has no such option"
                f"{nearest_or_all(key, list(known[name]))}"
            )
    return given


def _check_budget(settings: Settings) -> None:
    budget = settings.budget
    if not budget.described():
        raise ValueError("hydra.sweeper.budget: must have trials, epochs or minutes")
    for unit, limit in budget.described().items():
        if not (limit > 0 and math.isfinite(limit)):
            raise ValueError(f"hydra.sweeper.budget.{unit}={limit}: must be above 0")
    if budget.epochs is not None and budget.epochs < settings.cost:
        raise ValueError(
            f"hydra.sweeper.budget.epochs={budget.epochs}: must be at least {settings.cost}, the"
            f" epochs of one trial (hydra.sweeper.seeds={settings.seeds},"
            f" trainer.max_epochs={settings.max_epochs})"
        )
