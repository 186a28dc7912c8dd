"""Checks the settings of a search, as `hydra.sweeper` gives them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seqsweep.config.schema import Config
from seqsweep.runs.metric_names import lower_is_better
from seqsweep.suggest import nearest_or_all
from seqsweep.sweeping.search.budget import Budget
from seqsweep.sweeping.search.pruning import PRUNERS, Pruner, pruner_of

SAMPLERS: Mapping[str, Sequence[str]] = {
    "tpe": ("n_startup_trials", "n_ei_candidates", "multivariate", "group", "constant_liar"),
    "random": (),
    "cmaes": ("sigma0", "popsize"),
    "qmc": ("qmc_type", "scramble"),
    "grid": (),
}
"""The options of each sampler."""

_OF_RECORDS = {"params": "minimize", "train_seconds": "minimize", "epochs": "minimize"}
"""The keys of a record that are objectives besides metrics, each with its direction."""

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Settings:
    """The settings of a search, besides its space.

    Attributes:
        sampler: one of `SAMPLERS`.
        sampler_options: further arguments of the sampler.
        seed: the seed of the sampler. The seed of the runs is a key of their config.
        budget: where the search ends.
        parallel: the number of trials that may be without a result while another one is chosen.
        objectives: metrics of the best epoch, or keys of a record: params, train_seconds, epochs.
        directions: for each objective.
        pruner: decides after which epochs a trial ends early; None for never.
        seeds: the number of runs of a trial, which is judged by their mean.
        confirm_top: how many of the best trials are trained again at the end.
        confirm_seeds: with how many fresh seeds.
    """

    sampler: str
    sampler_options: Mapping[str, Any]
    seed: int
    budget: Budget
    parallel: int
    objectives: Sequence[str]
    directions: Sequence[Direction]
    pruner: Pruner | None
    seeds: int
    confirm_top: int
    confirm_seeds: int

    def identity(self) -> dict[str, Any]:
        """Returns the settings that decide which configs are chosen."""
        return {
            "sampler": self.sampler,
            "sampler_options": dict(self.sampler_options),
            "seed": self.seed,
            "parallel": self.parallel,
            "objectives": list(self.objectives),
            "directions": list(self.directions),
            "pruner": None if self.pruner is None else self.pruner.described(),
            "seeds": self.seeds,
        }


def settings_of(options: Mapping[str, Any], config: Config) -> Settings:
    """Returns the checked settings.

    Args:
        options: the keys of `hydra.sweeper` except `params`.
        config: the checked config of one trial, for its monitor and its number of epochs.

    Raises:
        ValueError: a setting is refused.
    """
    _check_name("sampler", options["sampler"], list(SAMPLERS))
    _check_name("pruner", options["pruner"], list(PRUNERS))
    for key, value, least in (
        ("seed", options["seed"], 0),
        ("parallel", options["parallel"], 1),
        ("seeds", options["seeds"], 1),
        ("confirm.top", options["confirm"]["top"], 0),
        ("confirm.seeds", options["confirm"]["seeds"], 0),
    ):
        if value < least:
            raise ValueError(f"hydra.sweeper.{key}={value}: must be at least {least}")
    monitor: str = config["monitor"]
    objectives = _objectives(options["objectives"] or [monitor])
    directions = _directions(options["directions"], objectives)
    pruner = pruner_of(
        options["pruner"],
        _given_options("pruner", options, PRUNERS),
        config["trainer"]["max_epochs"],
        lower_is_better(monitor),
    )
    if pruner is not None and objectives != [monitor]:
        raise ValueError(
            f"hydra.sweeper.pruner={options['pruner']}: compares {monitor}, the monitor, so it must"
            f" be the only objective, not {', '.join(objectives)}"
        )
    if options["sampler"] == "cmaes" and len(objectives) > 1:
        raise ValueError("hydra.sweeper.sampler=cmaes: takes one objective; tpe takes several")
    budget = Budget.of(options["budget"])
    budget.check_trial(options["seeds"], config["trainer"]["max_epochs"])
    return Settings(
        options["sampler"],
        _given_options("sampler", options, SAMPLERS),
        options["seed"],
        budget,
        options["parallel"],
        objectives,
        directions,
        pruner,
        options["seeds"],
        options["confirm"]["top"] if options["confirm"]["seeds"] else 0,
        options["confirm"]["seeds"],
    )


def check_objectives(settings: Settings, splits: Mapping[str, Any] | None) -> None:
    """Refuses objectives that the runs will not have.

    Args:
        splits: the splits of the data; None if they are read only during training.

    Raises:
        ValueError: the data have no such split.
    """
    for name in settings.objectives:
        split, slash, _ = name.partition("/")
        if slash and splits is not None and split not in splits:
            raise ValueError(
                f"hydra.sweeper.objectives={name}: the data have no {split} split; give "
                "hydra.sweeper.objectives=[train/loss], or a split to data"
            )


def _check_name(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"hydra.sweeper.{key}={value}: unknown{nearest_or_all(value, known)}")


def _given_options(
    kind: str, options: Mapping[str, Any], known: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Returns the options of a sampler or pruner that are not null.

    Raises:
        ValueError: one of them belongs to another sampler or pruner.
    """
    name = options[kind]
    given = {k: v for k, v in options[f"{kind}_options"].items() if v is not None}
    for key, value in given.items():
        if key not in known[name]:
            raise ValueError(
                f"hydra.sweeper.{kind}_options.{key}={value}: {kind}={name} has no such option"
                f"{nearest_or_all(key, known[name])}"
            )
    return given


def _objectives(names: Sequence[str]) -> list[str]:
    for name in names:
        split, slash, metric = name.partition("/")
        if split == "test":
            raise ValueError(
                f"hydra.sweeper.objectives={name}: must not be a test metric, since a search that "
                "sees the test split leaves nothing to judge its result by"
            )
        if slash and (split not in ("train", "val") or metric not in ("loss", "acc", "f1")):
            raise ValueError(f"hydra.sweeper.objectives={name}: must be a metric such as val/acc")
        if not slash:
            _check_name("objectives", name, list(_OF_RECORDS))
    if len(set(names)) < len(names):
        raise ValueError(f"hydra.sweeper.objectives=[{','.join(names)}]: must differ")
    return list(names)


def _directions(given: Sequence[str] | None, objectives: Sequence[str]) -> list[Direction]:
    if given is None:
        return [_direction(name) for name in objectives]
    if len(given) != len(objectives) or not set(given) <= {"maximize", "minimize"}:
        raise ValueError(
            f"hydra.sweeper.directions=[{','.join(given)}]: must be maximize or minimize for each "
            f"of {', '.join(objectives)}"
        )
    return ["maximize" if name == "maximize" else "minimize" for name in given]


def _direction(objective: str) -> Direction:
    is_cost = objective in _OF_RECORDS or lower_is_better(objective)
    return "minimize" if is_cost else "maximize"


def objective_value(name: str, record: Mapping[str, Any]) -> float:
    """Returns the value of an objective in a record; NaN where the record has none."""
    value = record["metrics"].get(name) if "/" in name else record.get(name)
    return math.nan if value is None else float(value)
