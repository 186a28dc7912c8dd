"""The number of replicates that would show a difference of a given size."""

import math
from functools import cache
from statistics import NormalDist

from seqsweep.results.student_t import quantile

POWER = 0.8
"""The probability with which a difference is to be found."""

SIGNED_RANK_EFFICIENCY = 3 / math.pi
"""The efficiency of the signed-rank test for normal differences, relative to the t-test.

Hodges and Lehmann 1956, Annals of Mathematical Statistics 27.
"""

_NORMAL = NormalDist()
_STEPS = 200

MOST = 10**6
"""The largest number of replicates that is computed."""


def power_of_t_test(noncentrality: float, freedom: int, alpha: float) -> float:
    """Returns the probability that a two-sided t-test is significant.

    It is one minus the noncentral t distribution between the quantiles of alpha (Johnson and Welch
    1940, Biometrika 31), integrated over the deviation of the sample by Simpson's rule.

    Args:
        noncentrality: the true mean, in standard errors.
        freedom: the degrees of freedom, at least 2.
        alpha: the level of the test, below 0.5.
    """
    bound = quantile(alpha, freedom)
    # The ratio of the sample's deviation to the true one has nearly all its probability here.
    width = 10 / math.sqrt(2 * freedom)
    low, high = max(0.0, 1 - width), 1 + width
    step = (high - low) / _STEPS
    total = 0.0
    for index in range(_STEPS + 1):
        ratio = low + index * step
        weight = 1 if index in (0, _STEPS) else 4 if index % 2 else 2
        beyond = _NORMAL.cdf(noncentrality - bound * ratio)
        beyond += _NORMAL.cdf(-noncentrality - bound * ratio)
        total += weight * beyond * _density_of_ratio(ratio, freedom)
    return min(1.0, total * step / 3)


def replicates_for(
    difference: float, spread: float, alpha: float, share: float = 0.0
) -> int | None:
    """Returns the fewest paired replicates with which a t-test finds a difference with `POWER`.

    Args:
        difference: the true mean difference, above 0.
        spread: the standard deviation of the paired differences, above 0.
        alpha: the level of the test, after the correction for the number of configs.
        share: n_test / n_train for splits whose training sets overlap, otherwise 0.

    Returns:
        At least 3; None if no number suffices, because the error of overlapping splits does not
        fall below `spread * sqrt(share)`, or if the number is above `MOST`.
    """

    def suffices(n: int) -> bool:
        error = spread * math.sqrt(1 / n + share)
        return power_of_t_test(difference / error, n - 1, alpha) >= POWER

    enough = 3
    while not suffices(enough):
        enough *= 2
        if enough > MOST:
            return None
    # The power grows with n.
    too_few = max(2, enough // 2)
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        enough, too_few = (middle, too_few) if suffices(middle) else (enough, middle)
    return enough


def smallest_difference(n: int, spread: float, alpha: float, share: float = 0.0) -> float:
    """Returns the smallest difference that n replicates, at least 3, find with `POWER`.

    The other arguments are those of `replicates_for`.
    """
    return _noncentrality(n - 1, alpha) * spread * math.sqrt(1 / n + share)


@cache
def _noncentrality(freedom: int, alpha: float) -> float:
    """Returns the true mean, in standard errors, that is found with `POWER`."""
    low, high = 0.0, 1.0
    while power_of_t_test(high, freedom, alpha) < POWER:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        found = power_of_t_test(middle, freedom, alpha) >= POWER
        low, high = (low, middle) if found else (middle, high)
    return high


def _density_of_ratio(ratio: float, freedom: int) -> float:
    """Returns the density of the ratio of a sample's deviation to the true one."""
    if ratio <= 0:
        return 0.0
    half = freedom / 2
    log = half * math.log(half) - math.lgamma(half) + (freedom - 1) * math.log(ratio)
    return 2 * math.exp(log - half * ratio * ratio)
