"""Reads and writes search.json, which describes the search of a sweep's folder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from seqsweep.runs.files import read_json, say_once, write_json

NAME = "search.json"

TrialState = Literal["running", "complete", "pruned", "failed"]
"""The state of a trial. A diverged trial has failed: it has no value."""


@dataclass(frozen=True)
class Trial:
    """One config that a search has tried.

    Attributes:
        number: from 0, in the order in which the search chose the configs.
        params: the value of each searched key; for a config group the name of the option.
        run_ids: the runs of the trial, one for each seed.
        state: how the trial stands.
        values: the value of each objective, the mean over the runs; None without a value.
        epochs: the number of epochs trained by all its runs.
        seconds: the training time of all its runs, in seconds.
    """

    number: int
    params: Mapping[str, Any]
    run_ids: Sequence[str]
    state: TrialState = "running"
    values: Sequence[float] | None = None
    epochs: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class SearchFile:
    """A search and its trials, in the order of their numbers.

    Attributes:
        method: `halving`, or the name of an Optuna sampler such as `tpe`.
        pruner: `none`, `median`, `hyperband` or `halving`.
        space: for each searched key `{"choices": [...]}`, or `{"low", "high", "log", "integer",
            "step"}`; the step is null or absent for 1, or for any number.
        objectives: the metric or record key of each objective.
        directions: `maximize` or `minimize` for each objective.
        budget: the limits of the search by unit: `trials`, `epochs` or `minutes`.
        trials: all trials that were begun.
        rungs: the numbers of epochs after which trials were judged; empty without rungs.
        confirmed: the runs of the best trials with fresh seeds, as run_ids by trial number.
        minutes: the time that all commands of the search have taken, in minutes; None for halving,
            which does not count it.
    """

    method: str
    pruner: str
    space: Mapping[str, Mapping[str, Any]]
    objectives: Sequence[str]
    directions: Sequence[str]
    budget: Mapping[str, float]
    trials: Sequence[Trial] = ()
    rungs: Sequence[int] = ()
    confirmed: Mapping[int, Sequence[str]] = field(default_factory=dict[int, Sequence[str]])
    minutes: float | None = None

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Reads the search.json of a folder; returns None where it is missing or damaged."""
        content = read_json(folder / NAME)
        if content is None:
            return None
        try:
            search = cls(
                **content
                | {
                    "trials": [Trial(**trial) for trial in content["trials"]],
                    "confirmed": {int(k): v for k, v in content.get("confirmed", {}).items()},
                }
            )
            search._check()
            return search
        except (TypeError, KeyError, AttributeError, ValueError):
            say_once(f"{folder / NAME}: is not what a search writes; it counts as missing")
            return None

    def _check(self) -> None:
        """Refuses values of other types, and lists of other lengths, than a search writes.

        Raises:
            TypeError, KeyError, AttributeError, ValueError: there are such values.
        """
        known = {"maximize", "minimize"}
        if len(self.directions) != len(self.objectives) or not known.issuperset(self.directions):
            raise ValueError("each objective needs a direction")
        texts = [self.method, self.pruner, *self.objectives]
        numbers: list[float] = [*self.budget.values(), *self.rungs, self.minutes or 0]
        lists = [*self.confirmed.values()]
        for values in self.space.values():
            if "choices" in values:
                lists.append(values["choices"])
            else:
                numbers += [values["low"], values["high"], values.get("step") or 0]
        for trial in self.trials:
            if trial.state not in get_args(TrialState):
                raise ValueError(f"state={trial.state}")
            trial.params.items()
            lists.append(trial.run_ids)
            numbers += [trial.number, trial.epochs, trial.seconds, *(trial.values or ())]
        if not all(isinstance(each, list) for each in lists):
            raise TypeError("expected lists")
        # These raise a TypeError unless all are texts and numbers.
        "".join([*texts, *(text for each in lists for text in each)])
        sum(numbers)

    def write(self, folder: Path) -> None:
        """Writes search.json into an existing folder."""
        # The keys of JSON are texts.
        confirmed = {str(number): list(runs) for number, runs in self.confirmed.items()}
        content = asdict(self) | {"confirmed": confirmed}
        write_json(folder / NAME, content, sync=False, levels=2)
