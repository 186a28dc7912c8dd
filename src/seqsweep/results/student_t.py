"""Computes Student's t distribution (Student 1908, Biometrika 6).

This module avoids scipy, because importing scipy takes longer than writing a report.
"""

import math
from functools import cache
from statistics import NormalDist

_SMALLEST = 1e-300
_PRECISION = 1e-16


def two_sided_p(t: float, freedom: int) -> float:
    """Returns the probability of values at least as far from 0 as t."""
    if not t:
        return 1.0
    total = freedom + t * t
    near, far = freedom / total, t * t / total
    a, b = freedom / 2, 0.5
    scale = math.exp(_log_beta_inverse(a) + a * math.log(near) + b * math.log(far))
    # The fraction converges fast only on one side of the mean of the beta distribution.
    if near < (a + 1) / (a + b + 2):
        return scale * _fraction(a, b, near) / a
    return 1 - scale * _fraction(b, a, far) / b


@cache
def quantile(p: float, freedom: int) -> float:
    """Returns the t whose two-sided probability is p, for p below 0.5."""
    # The normal quantile lies below the root, where the probability is convex. Newton's method
    # therefore approaches the root from below in every step.
    t = NormalDist().inv_cdf(1 - p / 2)
    while True:
        step = (two_sided_p(t, freedom) - p) / (2 * _density(t, freedom))
        t += step
        if abs(step) < 1e-9 * t:  # the next step would be less than rounding
            return t


def _density(t: float, freedom: int) -> float:
    """Returns the probability density at t, the derivative that Newton's method needs."""
    log = _log_beta_inverse(freedom / 2) - (freedom + 1) / 2 * math.log1p(t * t / freedom)
    return math.exp(log) / math.sqrt(freedom)


def _log_beta_inverse(a: float) -> float:
    """Returns the logarithm of 1 / B(a, 1/2)."""
    return math.lgamma(a + 0.5) - math.lgamma(a) - math.lgamma(0.5)


def _fraction(a: float, b: float, x: float) -> float:
    """Returns the continued fraction of the incomplete beta function.

    Abramowitz and Stegun, 26.5.8, by the method of Lentz (1976, Applied Optics 15).
    """
    ratio = 1 / (1 - (a + b) * x / (a + 1))
    numerator, value = 1.0, ratio
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        factor = 1.0
        for term in (even, odd):
            ratio = 1 / ((1 + term * ratio) or _SMALLEST)
            numerator = (1 + term / numerator) or _SMALLEST
            factor = ratio * numerator
            value *= factor
        if abs(factor - 1) < _PRECISION:
            break
    return value
