"""The samplers that choose the config of a trial.

A sampler is made anew for each trial, from the seed of the search and the number of the trial. So
the choice depends on the study alone, and not on what a process has in its memory.
"""

import hashlib
import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from seqsweep.sweeping.search.sampler_classes import PointSampler, RoundedSampler
from seqsweep.sweeping.search.settings import Settings
from seqsweep.sweeping.search.space import Choice, Numbers, Space
from seqsweep.sweeping.search.unit_cube import place_of, value_at

Point = Mapping[str, Any]

GENERATION = "generation"
"""The user attribute of a trial that CMA-ES has chosen: the number of its generation."""


_LEAST_POPULATION = 4
"""The least size of a generation of CMA-ES, whose weights are not defined for fewer."""


def distributions_of(space: Space) -> dict[str, BaseDistribution]:
    """Returns the distribution of each key, as Optuna describes it."""
    return {key: _distribution(numbers) for key, numbers in space.items()}


def _distribution(numbers: Numbers | Choice) -> BaseDistribution:
    if isinstance(numbers, Choice):
        return CategoricalDistribution(tuple(numbers.values))
    step = numbers.step
    if numbers.is_integer:
        low, high = round(numbers.low), round(numbers.high)
        return IntDistribution(low, high, log=numbers.log, step=round(step or 1))
    return FloatDistribution(numbers.low, numbers.high, log=numbers.log, step=step)


def sampler_of(settings: Settings, space: Space, study: Study, number: int) -> BaseSampler:
    """Returns the sampler of a trial.

    Args:
        study: the trials before this one, with the results that it may depend on.
        number: of the trial.

    Raises:
        ValueError: an option of the sampler is refused.
    """
    make, seed = _SAMPLERS[settings.sampler], _seed(settings.seed, number)
    return make(settings, space, study, number, seed, **settings.sampler_options)


def grid_size(space: Space) -> int:
    """Returns the number of points of a grid.

    Raises:
        ValueError: the space has an interval of real numbers.
    """
    return math.prod(len(values) for values in _grid(space))


def _seed(seed: int, number: int) -> int:
    """Returns a seed from 0 to 2**32 - 1 that belongs to a trial alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4])


def _tpe(
    settings: Settings, space: Space, study: Study, number: int, seed: int, **options: Any
) -> BaseSampler:
    """Returns a tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS)."""
    # A trial without a result counts as a bad one, so that trials do not come in clusters.
    values: dict[str, Any] = {"constant_liar": True, **options, "seed": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = TPESampler(**values)
    return RoundedSampler(sampler, space)


def _random(settings: Settings, space: Space, study: Study, number: int, seed: int) -> BaseSampler:
    return RoundedSampler(RandomSampler(seed=seed), space)


def _qmc(
    settings: Settings,
    space: Space,
    study: Study,
    number: int,
    seed: int,
    qmc_type: str = "sobol",
    scramble: bool = True,
) -> BaseSampler:
    """Returns the next point of a low-discrepancy sequence (Sobol 1967, or Halton 1960)."""
    from scipy.stats import qmc  # takes half a second

    engines: dict[str, Callable[..., Any]] = {"sobol": qmc.Sobol, "halton": qmc.Halton}
    if qmc_type not in engines:
        raise ValueError(
            f"hydra.sweeper.sampler_options.qmc_type={qmc_type}: must be sobol or halton"
        )
    engine = engines[qmc_type](len(space), scramble=scramble, rng=settings.seed)
    if number:
        engine.fast_forward(number)
    with warnings.catch_warnings():  # the balance of 2**n points, and these come one by one
        warnings.simplefilter("ignore", UserWarning)
        places = engine.random(1)[0]
    point = {
        key: value_at(numbers, float(u))
        for (key, numbers), u in zip(space.items(), places, strict=True)
    }
    return PointSampler(distributions_of(space), point)


def _grid_sampler(
    settings: Settings, space: Space, study: Study, number: int, seed: int
) -> BaseSampler:
    """Returns a point of the grid; the seed decides their order."""
    points = list(itertools.product(*_grid(space)))
    index = np.random.default_rng(settings.seed).permutation(len(points))[number]
    return PointSampler(distributions_of(space), dict(zip(space, points[index], strict=True)))


def _grid(space: Space) -> list[list[Any]]:
    values: list[list[Any]] = []
    for key, numbers in space.items():
        if isinstance(numbers, Choice):
            values.append(list(numbers.values))
        elif not numbers.is_integer and numbers.step is None:
            raise ValueError(
                f"hydra.sweeper.sampler=grid: {key} must be values, as in 0.1,0.2 or range(1,5); "
                "an interval has no finite grid"
            )
        else:
            step = numbers.step or 1.0
            steps = range(round((numbers.high - numbers.low) / step) + 1)
            parts = [numbers.low + step * i for i in steps]
            values.append([round(v) for v in parts] if numbers.is_integer else parts)
    return values


def _cmaes(
    settings: Settings,
    space: Space,
    study: Study,
    number: int,
    seed: int,
    sigma0: float = 1 / 6,
    popsize: int | None = None,
) -> BaseSampler:
    """Returns a point of the covariance matrix adaptation (Hansen and Ostermeier 2001).

    The optimizer is computed anew from the results of its generations. Optuna's own sampler would
    load it from the journal as a pickle, which may run any code. Choices are drawn at random.
    """
    try:
        import cmaes  # needed by this sampler alone
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "hydra.sweeper.sampler=cmaes: needs cmaes: pip install 'seqsweep[search]'"
        ) from None
    if popsize is not None and popsize < _LEAST_POPULATION:
        raise ValueError(
            f"hydra.sweeper.sampler_options.popsize={popsize}: must be at least {_LEAST_POPULATION}"
        )
    numeric = {key: n for key, n in space.items() if isinstance(n, Numbers)}
    if not numeric:
        raise ValueError("hydra.sweeper.sampler=cmaes: needs an interval; tpe takes choices alone")
    size = len(numeric)
    optimizer = cmaes.CMA(
        np.full(size, 0.5), sigma0, np.tile([0.0, 1.0], (size, 1)), population_size=popsize
    )
    while solutions := _generation(study, optimizer.generation, optimizer.population_size):
        optimizer.tell([_solution(trial, numeric, settings) for trial in solutions])
    optimizer.reseed_rng(seed)
    places = dict(zip(numeric, optimizer.ask(), strict=True))
    random = np.random.default_rng(seed)
    point = {
        key: value_at(numbers, float(places[key]) if key in places else random.random())
        for key, numbers in space.items()
    }
    return PointSampler(distributions_of(space), point, {GENERATION: optimizer.generation})


def _generation(study: Study, generation: int, size: int) -> Sequence[FrozenTrial]:
    """Returns the first complete trials of a generation; none while there are too few."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    found = [trial for trial in trials if trial.user_attrs.get(GENERATION) == generation]
    return found[:size] if len(found) >= size else []


def _solution(
    trial: FrozenTrial, numeric: Mapping[str, Numbers], settings: Settings
) -> tuple[np.ndarray, float]:
    assert trial.value is not None
    places = [place_of(numbers, trial.params[key]) for key, numbers in numeric.items()]
    return np.array(places), trial.value if settings.directions[0] == "minimize" else -trial.value


_SAMPLERS: Mapping[str, Callable[..., BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "qmc": _qmc,
    "grid": _grid_sampler,
    "cmaes": _cmaes,
}
