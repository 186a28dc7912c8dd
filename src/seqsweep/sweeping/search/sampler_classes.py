"""Samplers around a known point or around another sampler."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from seqsweep.sweeping.search.space import Space
from seqsweep.sweeping.search.unit_cube import rounded


class PointSampler(BaseSampler):
    """Gives a trial a point that is known when the trial begins.

    Args:
        distributions: of each key.
        point: the value of each key.
        notes: the user attributes of the trial.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        point: Mapping[str, Any],
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self.distributions = dict(distributions)
        self.point = dict(point)
        self.notes = dict(notes or {})

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.point

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self.point[param_name]


class RoundedSampler(BaseSampler):
    """Another sampler, whose numbers get as few digits as their interval needs.

    Runs and tables then have `lr=0.067703` instead of 17 digits.

    Args:
        sampler: the other sampler.
        space: of the search.
    """

    def __init__(self, sampler: BaseSampler, space: Space) -> None:
        self.sampler = sampler
        self.space = space

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        values = self.sampler.sample_relative(study, trial, search_space)
        return {key: rounded(self.space[key], value) for key, value in values.items()}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        value = self.sampler.sample_independent(study, trial, param_name, param_distribution)
        return rounded(self.space[param_name], value)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self.sampler.after_trial(study, trial, state, values)
