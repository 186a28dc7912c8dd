"""Chooses trials by Optuna's samplers, and rebuilds the study of a search.

Optuna's study (its list of trials with results) is rebuilt from search.json and the records of the
runs. With a window of `parallel` trials, trial n is chosen when the study has exactly the results
of the trials 0 to n - parallel, in the order of their numbers. Each trial has a new sampler, whose
seed follows from the seed of the search and the number of the trial. So a choice depends only on
the results, and not on which run ends first, where the search was interrupted, or what a process
has in memory.
"""

import functools
import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from seqsweep.console import place
from seqsweep.extras.search.searchfile import NAME, Choice, Numbers, SearchFile, Space, Trial
from seqsweep.extras.search.settings import Settings
from seqsweep.extras.search.space import rounded
from seqsweep.extras.search.trials import Result, read_trials

optuna.logging.set_verbosity(optuna.logging.WARNING)


def read_study(folder: Path | str) -> optuna.Study:
    """Returns the search of a folder as an Optuna study in memory, with all trials.

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
    """An Optuna study in memory, filled with known trials."""

    def __init__(self, space: Space, maximizes: bool) -> None:
        self.distributions = {key: distribution(values) for key, values in space.items()}
        self.storage = InMemoryStorage()
        direction = "maximize" if maximizes else "minimize"
        self.study = optuna.create_study(storage=self.storage, direction=direction)
        self._id = self.storage.get_study_id_from_name(self.study.study_name)

    def add(self, trial: Trial) -> None:
        """Adds the next trial, which counts as running until `tell`."""
        state, params = TrialState.RUNNING, dict(trial.params)
        added = create_trial(state=state, params=params, distributions=self.distributions)
        self.study.add_trial(added)

    def tell(self, number: int, result: Result) -> None:
        """Adds the result of a trial to the study."""
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


def distribution(values: Numbers | Choice) -> BaseDistribution:
    """Returns the Optuna distribution of a key's values."""
    if isinstance(values, Choice):
        return CategoricalDistribution(tuple(values.choices))
    low, high, log, step = values.low, values.high, values.log, values.step
    if values.integer:
        return IntDistribution(round(low), round(high), log=log, step=round(step or 1))
    return FloatDistribution(low, high, log=log, step=step)


def importances(
    trials: Sequence[Trial], costs: Mapping[int, float], space: Space
) -> dict[str, float]:
    """Returns each key's importance by PED-ANOVA, largest first, with sum 1.

    All importances are 0 if the best trials cannot be distinguished from all trials.

    Args:
        costs: the values of the compared trials by number; lower is better.
    """
    study = MemoryStudy(space, maximizes=False)
    for number, trial in enumerate(trial for trial in trials if trial.number in costs):
        study.add(trial)
        study.study.tell(number, costs[trial.number])
    # Optuna warns if all keys are equally important, and because `normalize` is experimental.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = PedAnovaImportanceEvaluator()
        found = get_param_importances(study.study, evaluator=evaluator, normalize=False)
    total = sum(found.values())
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return {key: value / total if total > 0 else 0.0 for key, value in ordered}


_SAMPLERS: Mapping[str, Callable[..., BaseSampler]] = {
    # Bergstra et al. 2011, NeurIPS. A trial without a result counts as bad, so that new trials do
    # not cluster around it. Each key is chosen by itself; Optuna 5 would choose all keys together.
    "tpe": functools.partial(TPESampler, constant_liar=True, multivariate=False),
    "random": RandomSampler,
}


class SearchStudy(MemoryStudy):
    """A study that chooses trials and adds their results in a fixed order.

    Raises:
        ValueError, TypeError: the sampler refuses its options.
    """

    def __init__(self, settings: Settings, space: Space) -> None:
        super().__init__(space, not settings.monitor.lower_is_better)
        self.settings = settings
        self.space = space
        self._added = self._told = 0
        self._set_sampler(settings.seed)

    def choose(self, trials: Sequence[Trial], results: Mapping[int, Result]) -> Trial:
        """Returns the next trial, without its runs.

        Args:
            trials: all trials that were chosen before.
            results: the results by number, at least for the trials in `Settings.needed`.
        """
        number = len(trials)
        for trial in trials[self._added :]:
            self.add(trial)
        needed = self.settings.needed(number)
        for told in needed[self._told :]:
            self.tell(told, results[told])
        self._added, self._told = number + 1, len(needed)
        params = self._ask(number)
        rule = self.settings.rule
        told = {each: results[each] for each in needed}
        return Trial(number, params, thresholds=rule.thresholds(number, told) if rule else {})

    def _set_sampler(self, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            make = _SAMPLERS[self.settings.sampler]
            self.study.sampler = make(seed=seed, **self.settings.sampler_options)

    def _ask(self, number: int) -> dict[str, Any]:
        """Adds a trial whose params the sampler chooses; returns the params."""
        digest = hashlib.sha256(f"{self.settings.seed}/{number}".encode()).digest()
        self._set_sampler(int.from_bytes(digest[:4]))
        asked = self.study.ask(self.distributions)
        params = {key: rounded(self.space[key], value) for key, value in asked.params.items()}
        # The study gets the rounded numbers, with which the runs are trained.
        trial_id = self.trial_id(asked.number)
        for key, value in params.items():
            drawn = self.distributions[key]
            self.storage.set_trial_param(trial_id, key, drawn.to_internal_repr(value), drawn)
        return params
