"""Chooses trials by Optuna's samplers, in an order that interruptions do not change.

With a window of `parallel` trials, trial n is chosen when exactly the trials 0 to n - parallel have
been told, in the order of their numbers. The sampler is made anew for each trial, from the seed of
the search and the number of the trial. So a choice depends on the results alone, and not on which
run ends first, nor on where the search was interrupted, nor on what a process has in its memory.
"""

import functools
import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from seqsweep.extras.search.settings import Settings
from seqsweep.extras.search.space import Space, described, rounded
from seqsweep.extras.search.stored_study import MemoryStudy
from seqsweep.extras.search.trials import Result
from seqsweep.runs.metric_names import lower_is_better
from seqsweep.runs.searchfile import Trial

_SAMPLERS: Mapping[str, Callable[..., BaseSampler]] = {
    # Bergstra et al. 2011, NeurIPS. A trial without a result counts as a bad one, so that trials
    # do not come in clusters.
    "tpe": functools.partial(TPESampler, constant_liar=True),
    "random": RandomSampler,
    "gp": GPSampler,
}


class SearchStudy(MemoryStudy):
    """A study whose trials are chosen and told in a fixed order.

    Args:
        settings: of the search.
        space: of the search.
        trials: the trials that were chosen before; none of them is told yet.

    Attributes:
        trials: all trials that were chosen.
    """

    def __init__(self, settings: Settings, space: Space, trials: Sequence[Trial] = ()) -> None:
        super().__init__(described(space), not lower_is_better(settings.monitor))
        self.settings = settings
        self.space = space
        self.trials = list(trials)
        self._told = 0
        for trial in trials:
            self.add(trial)

    def needed(self) -> range:
        """Returns the numbers of the trials whose results decide the next choice."""
        return range(len(self.trials) - self.settings.parallel + 1)

    def choose(self, results: Mapping[int, Result]) -> Trial:
        """Returns the next trial without its runs, which the caller completes and adds.

        Args:
            results: by number, at least of the trials that are needed.

        Raises:
            ValueError, ModuleNotFoundError: the sampler refuses an option, or lacks a package.
        """
        number, needed = len(self.trials), self.needed()
        for told in needed[self._told :]:
            self.tell(told, results[told])
        self._told = len(needed)
        params = self._ask(_seed(self.settings.seed, number))
        rule = self.settings.rule
        told = {each: results[each] for each in needed}
        return Trial(number, params, thresholds=rule.thresholds(number, told) if rule else {})

    def _ask(self, seed: int) -> dict[str, Any]:
        """Adds a trial whose params the sampler chooses, and returns them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            make = _SAMPLERS[self.settings.sampler]
            self.study.sampler = make(seed=seed, **self.settings.sampler_options)
        asked = self.study.ask(self.distributions)
        params = {key: rounded(self.space[key], value) for key, value in asked.params.items()}
        trial_id = self.trial_id(asked.number)
        for key, value in params.items():
            drawn = self.distributions[key]
            self.storage.set_trial_param(trial_id, key, drawn.to_internal_repr(value), drawn)
        return params


def first_params(settings: Settings, space: Space) -> list[Mapping[str, Any]]:
    """Returns the params of the trials that are chosen before the first result."""
    study = SearchStudy(settings, space)
    for _ in range(min(settings.parallel, int(settings.budget.get("trials", settings.parallel)))):
        study.trials.append(study.choose({}))
    return [trial.params for trial in study.trials]


def _seed(seed: int, number: int) -> int:
    """Returns a seed from 0 to 2**32 - 1 that belongs to a trial alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4])
