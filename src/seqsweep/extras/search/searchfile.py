"""Reads and writes search.json: the choices of the search in a sweep's folder.

The results of a trial are in the records of its runs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from seqsweep.runs.documents import DIGEST, read_sealed_or_none, write_sealed
from seqsweep.runs.files import JsonObject
from seqsweep.runs.metrics import Metric, as_metric

NAME = "search.json"


@dataclass(frozen=True)
class Numbers:
    """The numbers of an interval.

    Attributes:
        low, high: the bounds; both belong to the interval.
        log: whether the logarithm of the number is distributed evenly, instead of the number.
        integer: whether only whole numbers are possible.
        step: the distance between neighbours, from `low`; None for 1, or if any number is possible.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None

    @property
    def is_discrete(self) -> bool:
        return self.integer or self.step is not None


@dataclass(frozen=True)
class Choice:
    """A list of values, as texts of overrides: `16`, `gru`, `[a,b]`."""

    choices: list[str]


Space = Mapping[str, Numbers | Choice]
"""The values of each searched key; the key is the left side of an override."""


@dataclass(frozen=True)
class Trial:
    """One config that a search has chosen, with its runs.

    Attributes:
        number: the position in the order in which the search chose the configs, from 0.
        params: the value of each searched key as it was sampled; a choice is the text of an
            override.
        run_ids: the runs of the trial, one for each seed.
        thresholds: the worst value with which the trial continues, by number of finished epochs.
        ends_at: the rung (number of epochs) at which a successive halving ends the trial, or None.
        refusal: why the config was refused; None for a config that can be trained.
    """

    number: int
    params: Mapping[str, Any]
    run_ids: Sequence[str] = ()
    thresholds: Mapping[int, float] = field(default_factory=dict[int, float])
    ends_at: int | None = None
    refusal: str | None = None


@dataclass(frozen=True)
class SearchFile:
    """A search and its trials, in the order of their numbers.

    Attributes:
        method: `halving`, or the name of an Optuna sampler such as `tpe`.
        pruner: `none`, `median`, `hyperband` or `halving`.
        metric: the monitored metric, by which the trials are judged.
        space: the values of each searched key.
        settings: the other settings that decide which configs are chosen and pruned.
        budget: the limits of the search by unit: `trials`, `epochs` or `minutes`.
        trials: all trials that were chosen.
        rungs: the numbers of epochs after which trials were judged; empty without rungs.
        confirmed: the runs of the best trials with fresh seeds, as run_ids by trial number.
        minutes: the time that all commands of the search have taken, in minutes.
    """

    method: str
    pruner: str
    metric: str
    space: Space
    settings: Mapping[str, Any]
    budget: Mapping[str, float]
    trials: Sequence[Trial] = ()
    rungs: Sequence[int] = ()
    confirmed: Mapping[int, Sequence[str]] = field(default_factory=dict[int, Sequence[str]])
    minutes: float = 0.0

    @property
    def monitor(self) -> Metric:
        """The monitored metric; the settings have the direction of a user's own metric."""
        direction = self.settings.get("monitor_mode")
        return Metric(self.metric, direction) if direction else as_metric(self.metric)

    @property
    def sign(self) -> int:
        """Returns -1 for a metric whose higher values are better, otherwise 1."""
        return 1 if self.monitor.lower_is_better else -1

    @property
    def limits_text(self) -> str:
        """The limits of the budget: `50 trials, 1,000 epochs`."""
        return ", ".join(f"{limit:,g} {unit}" for unit, limit in self.budget.items())

    def differences(self, other: Self) -> list[str]:
        """Names the decisive settings of this search that differ from another search.

        The budget and the fresh seeds may differ, because they do not change the choices.
        """
        ours, theirs = self._decisive(), other._decisive()
        differing = [key for key in ours if ours[key] != theirs.get(key)]
        return [
            f"another {key}" if isinstance(ours[key], Mapping) else f"{key}={ours[key]}"
            for key in differing
        ]

    def _decisive(self) -> JsonObject:
        first = {"sampler": self.method, "pruner": self.pruner, "monitor": self.metric}
        return {**first, "rungs": list(self.rungs), "space": self.space, **self.settings}

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Reads a folder's search.json; returns None for a missing or damaged file."""
        content = read_sealed_or_none(folder / NAME)
        if content is None:
            return None
        values = {key: value for key, value in content.items() if key != DIGEST}
        values["trials"] = [_trial(trial) for trial in content["trials"]]
        values["confirmed"] = {int(k): v for k, v in content["confirmed"].items()}
        values["space"] = {
            key: Choice(**each) if "choices" in each else Numbers(**each)
            for key, each in content["space"].items()
        }
        return cls(**values)

    def write(self, folder: Path) -> None:
        """Writes search.json into an existing folder.

        The write is not synced: if a power failure destroys the file, the same command chooses the
        same trials again.
        """
        # Text makes the keys of all mappings texts, as they are when the file is read.
        write_sealed(folder / NAME, json.loads(json.dumps(asdict(self))), sync=False)


def with_mode(settings: Mapping[str, Any], monitor: Metric) -> Mapping[str, Any]:
    """Adds the direction of a user's own metric to the settings of a search."""
    return settings if monitor.is_ours else {**settings, "monitor_mode": monitor.direction}


def _trial(content: JsonObject) -> Trial:
    thresholds = {int(epoch): value for epoch, value in content["thresholds"].items()}
    return replace(Trial(**content), thresholds=thresholds)
