"""A bootstrap interval of a mean, for few values whose distribution is unknown."""

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import NormalDist

from seqsweep.results.significance import LEVEL, are_equal

FEW = 20
"""Up to so many values Student's t rests on the assumption that they are normally distributed."""

RESAMPLES = 10_000
_NORMAL = NormalDist()


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The bias-corrected and accelerated interval of the mean (Efron 1987, JASA 82) at LEVEL.

    It assumes no distribution, but that the values are independent: it is not for splits of one
    data set. The resamples are drawn with a fixed seed, so the interval is a function of the
    values. With few values it is narrower than Student's interval: it knows no spread beyond them.

    Returns:
        None for fewer than three values, and for equal ones.
    """
    if len(values) < 3 or are_equal(values):
        return None
    values = sorted(values)  # the order of the replicates must not matter
    n, mean = len(values), math.fsum(values) / len(values)
    draw = random.Random(0).choices
    means = sorted(sum(draw(values, k=n)) / n for _ in range(RESAMPLES))
    # The share of the resamples below the mean, ties half, is the bias of the median.
    below = (bisect_left(means, mean - 1e-12) + bisect_right(means, mean + 1e-12)) / 2
    bias = _NORMAL.inv_cdf(min(max(below / RESAMPLES, 1 / RESAMPLES), 1 - 1 / RESAMPLES))
    acceleration = _acceleration(values, mean)
    tail = (1 - LEVEL) / 2
    low, high = (_percentile(means, level, bias, acceleration) for level in (tail, 1 - tail))
    return low, high


def _acceleration(values: Sequence[float], mean: float) -> float:
    """Returns a sixth of the skewness of the jackknife means."""
    deviations = [value - mean for value in values]
    square = math.fsum(d * d for d in deviations)
    return math.fsum(d**3 for d in deviations) / (6 * square**1.5)


def _percentile(means: Sequence[float], level: float, bias: float, acceleration: float) -> float:
    moved = bias + _NORMAL.inv_cdf(level)
    share = _NORMAL.cdf(bias + moved / (1 - acceleration * moved))
    return means[min(int(share * RESAMPLES), RESAMPLES - 1)]
