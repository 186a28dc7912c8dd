"""Rebuilds the Optuna study of a search from search.json and the records of its runs.

Optuna also computes the importance of the keys.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from seqsweep.console import place
from seqsweep.extras.search.trials import Result, read_trials
from seqsweep.runs.searchfile import NAME, SearchFile, Space, Trial

optuna.logging.set_verbosity(optuna.logging.WARNING)


def read_study(folder: Path | str) -> optuna.Study:
    """Returns the study of a search in memory: all its trials, those that run included.

    Args:
        folder: the folder of the search.

    Raises:
        FileNotFoundError: the folder holds no search.
    """
    folder = Path(folder)
    search = SearchFile.read(folder)
    if search is None:
        raise FileNotFoundError(f"{place(folder / NAME)}: no such file: the folder holds no search")
    study = MemoryStudy(search.space, search.sign < 0)
    for tried in read_trials(search, folder):
        study.add(tried)
        if tried.state != "running":
            study.tell(tried.number, tried.result)
    return study.study


class MemoryStudy:
    """An Optuna study in memory, whose trials are known before they are told.

    Args:
        space: the searched keys, as search.json has them.
        maximizes: whether higher values are better.
    """

    def __init__(self, space: Space, maximizes: bool) -> None:
        self.distributions = {key: distribution(values) for key, values in space.items()}
        self.storage = InMemoryStorage()
        direction = "maximize" if maximizes else "minimize"
        self.study = optuna.create_study(storage=self.storage, direction=direction)
        self._id = self.storage.get_study_id_from_name(self.study.study_name)

    def add(self, trial: Trial) -> None:
        """Adds the next trial, which runs until it is told."""
        self.study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=dict(trial.params),
                distributions=self.distributions,
            )
        )

    def tell(self, number: int, result: Result) -> None:
        """Tells the result of a trial."""
        trial_id = self.trial_id(number)
        for epoch, value in enumerate(result.curve, start=1):
            if value is not None:
                self.storage.set_trial_intermediate_value(trial_id, epoch, value)
        values = result.value if result.state == "complete" else None
        state = "fail" if result.state == "failed" else result.state
        self.study.tell(number, values, TrialState[state.upper()])

    def trial_id(self, number: int) -> int:
        """Returns the id that the storage gives to a trial."""
        return self.storage.get_trial_id_from_study_id_trial_number(self._id, number)


def distribution(values: Mapping[str, Any]) -> BaseDistribution:
    """Returns the distribution of a key, whose values search.json describes."""
    if "choices" in values:
        return CategoricalDistribution(tuple(values["choices"]))
    low, high, step = values["low"], values["high"], values["step"]
    if values["integer"]:
        return IntDistribution(round(low), round(high), log=values["log"], step=round(step or 1))
    return FloatDistribution(low, high, log=values["log"], step=step)


def importances(
    trials: Sequence[Trial], costs: Mapping[int, float], space: Space
) -> dict[str, float]:
    """Returns the importance of each key by PED-ANOVA, the largest first; they sum to 1.

    All are 0 if the best trials cannot be distinguished from all trials.

    Args:
        trials: all trials of a search.
        costs: the values of the compared trials by number; lower is better.
        space: the searched keys.
    """
    study = MemoryStudy(space, maximizes=False)
    for number, trial in enumerate(trial for trial in trials if trial.number in costs):
        study.add(trial)
        study.study.tell(number, costs[trial.number])
    # Optuna warns where all keys are equally important, and of `normalize`, which is experimental.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = PedAnovaImportanceEvaluator()
        found = get_param_importances(study.study, evaluator=evaluator, normalize=False)
    total = sum(found.values())
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return {key: value / total if total > 0 else 0.0 for key, value in ordered}
