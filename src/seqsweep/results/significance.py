"""Computes confidence intervals and paired tests of differences between configs.

A config is one point of a sweep, and each seed gives one sample of it. Two configs are compared on
the seeds that they share, so an effect that a seed has on both configs cancels out. For configs
trained on several splits of the data, see `results.measures`.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from statistics import NormalDist
from typing import Literal, TypeVar

LEVEL = 0.95
"""The confidence of every interval; a difference is significant if its p is below 1 - LEVEL."""

Key = TypeVar("Key", bound=Hashable)

Verdict = Literal["best", "indistinguishable", "different", "undecided"]
"""`undecided`: untested, or too few shared replicates for any result to be significant."""

ROUNDING = 1e-12
"""The relative difference below which two means are equal. A double has a precision of 2e-16."""

_ALPHA = round(1 - LEVEL, 12)
_EXACT_UP_TO = 50
_SMALLEST = 1e-300
_PRECISION = 1e-16


@dataclass(frozen=True)
class Estimate:
    """A mean over n values with its confidence interval at LEVEL.

    `std` is None for a single value. `low` and `high` are None for a single value and for equal
    values: a few accuracies can be equal by chance, although their true spread is not zero.
    """

    n: int
    mean: float
    std: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Difference:
    """The difference between a config and the best, over shared replicates.

    Args:
        interval: The mean paired difference; None if no replicate is shared.
        p: The two-sided p of the test; None for the best config, and without a test.
        adjusted: p after Holm's correction for all comparisons.
        t_adjusted: The corrected p of the paired t-test. The t-test needs fewer seeds, but it
            assumes normal differences, which few seeds cannot confirm. No verdict depends on it.
        untested: The reason why splits of the data are not tested. Empty for tested splits and for
            seeds.
    """

    interval: Estimate | None
    p: float | None
    adjusted: float | None
    verdict: Verdict
    t_adjusted: float | None = None
    untested: str = ""

    @property
    def n(self) -> int:
        """The number of shared replicates."""
        return self.interval.n if self.interval else 0

    @property
    def differs_by_t(self) -> bool:
        """Returns whether the paired t-test finds a significant difference."""
        return is_significant(self.t_adjusted)


def estimate(values: Sequence[float], share: float = 0.0) -> Estimate:
    """Returns the mean of values with its interval by Student's t (Student 1908, Biometrika 6).

    >>> estimate([0.5])
    Estimate(n=1, mean=0.5, std=None, low=None, high=None)

    Args:
        share: The correction for splits whose training sets overlap, see `results.measures`.
    """
    n, mean = len(values), mean_of(values)
    std = deviation(values) if n > 1 else None
    if std is None or are_equal(values):
        return Estimate(n, mean, std)
    half = quantile(_ALPHA, n - 1) * std / math.sqrt(n / (1 + n * share))
    return Estimate(n, mean, std, mean - half, mean + half)


def mean_of(values: Iterable[float]) -> float:
    """Returns the mean; 0 if values cancel out except for rounding."""
    values = list(values)
    if min(values) >= 0:  # nothing cancels out
        return math.fsum(values) / len(values)
    above, below = (
        math.fsum(max(0.0, sign * value) for value in values) / len(values) for sign in (1, -1)
    )
    return 0.0 if is_rounding(above, below) else math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """Returns the standard deviation of a sample of at least two values."""
    # `statistics.stdev` is thirty times slower and differs only in the last bit.
    if min(values) == max(values):
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def seeds_needed(configs: int) -> int:
    """Returns the fewest seeds with which a config can differ significantly.

    If all n differences have one sign, p is 2 / 2^n, its smallest possible value. After the
    correction for configs - 1 comparisons, p must be below 1 - LEVEL.
    """
    return next(n for n in count(1) if (configs - 1) * 2.0 ** (1 - n) < _ALPHA)


def ranks_by_size(values: Sequence[float]) -> list[int]:
    """Returns each value's rank from 0; equal values share a rank.

    Values that differ only by rounding are equal: the last bit of a mean may depend on the order
    in which its values were added.
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks = [0] * len(values)
    for rank, index in enumerate(order):
        before = order[rank - 1] if rank else index
        is_equal = rank > 0 and is_rounding(values[before], values[index])
        ranks[index] = ranks[before] if is_equal else rank
    return ranks


def is_rounding(first: float, second: float) -> bool:
    """Returns whether two numbers differ only by rounding."""
    return math.isclose(first, second, rel_tol=ROUNDING, abs_tol=1e-15)


def are_equal(values: Sequence[float]) -> bool:
    """Returns whether values differ only by rounding, which subtraction amplifies."""
    return max(values) - min(values) <= 1e-9 * max(map(abs, values))


def signed_rank_p(differences: Sequence[float]) -> float:
    """Returns the two-sided p of the signed-rank test (Wilcoxon 1945, Biometrics Bulletin 1).

    Zeros are dropped, and equal absolute values get their mean rank. For up to 50 differences the
    null distribution is exact, given the ranks, also with ties. For more it is approximated by a
    normal distribution, corrected for ties. Accuracies often tie, and then scipy approximates it at
    any n.
    """
    ranks, above = _doubled_ranks(differences)
    # The two-sided test takes the smaller of the positive and the negative rank sum.
    return min(1.0, 2 * _p_of_sum(min(above, sum(ranks) - above), ranks))


def one_sided_p(differences: Sequence[float]) -> float:
    """Returns the one-sided p of the signed-rank test for values above zero."""
    ranks, above = _doubled_ranks(differences)
    # By symmetry, a sum of at least `above` is as likely as at most `sum(ranks) - above`.
    return _p_of_sum(sum(ranks) - above, ranks)


def paired_t_p(differences: Sequence[float], share: float = 0.0) -> float:
    """Returns the two-sided p of Student's paired t-test; 1 if undefined.

    The test is undefined for fewer than three differences and for equal differences. Accuracies are
    counts, so a few of their differences can be equal by chance.

    Args:
        share: The correction for splits whose training sets overlap, see `results.measures`.
    """
    n = len(differences)
    if n < 3 or are_equal(differences):
        return 1.0
    mean = math.fsum(differences) / n
    return two_sided_p(mean / deviation(differences) * math.sqrt(n / (1 + n * share)), n - 1)


def is_significant(p: float | None) -> bool:
    """Returns whether a corrected p is below 1 - LEVEL."""
    return p is not None and p < _ALPHA


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts p values, step down (Holm 1979, Scandinavian Journal of Statistics 6).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def paired(sample: Mapping[Key, float], reference: Mapping[Key, float]) -> dict[Key, float]:
    """Returns sample minus reference by shared replicate; 0 if only rounding differs."""
    return {
        key: 0.0 if is_rounding(value, reference[key]) else value - reference[key]
        for key, value in sample.items()
        if key in reference
    }


def _doubled_ranks(differences: Sequence[float]) -> tuple[list[int], int]:
    """Returns twice the ranks of absolute values, and the sum for positive values."""
    largest = max((abs(d) for d in differences), default=0.0)
    if largest == 0:
        return [], 0
    # Subtraction changes the last bits of equal differences. Rounding makes them equal again.
    scaled = sorted((round(d / largest, 9) for d in differences), key=abs)
    signed = [d for d in scaled if d != 0]
    sizes = [abs(d) for d in signed]
    # Equal absolute values get the mean of their first and last rank. Doubled, it is an integer.
    first = {size: index for index, size in reversed(list(enumerate(sizes)))}
    last = {size: index for index, size in enumerate(sizes)}
    ranks = [first[size] + last[size] + 2 for size in sizes]
    return ranks, sum(rank for rank, d in zip(ranks, signed, strict=True) if d > 0)


def _p_of_sum(limit: int, ranks: Sequence[int]) -> float:
    """Returns the chance of a positive rank sum of at most `limit`."""
    n = len(ranks)
    if n > _EXACT_UP_TO:
        spread = math.sqrt(sum(rank * rank for rank in ranks)) / 2
        return math.erfc((sum(ranks) / 2 - limit) / spread / math.sqrt(2)) / 2
    # One integer holds the number of ways to each sum, from 0 to the limit, in `width` bits each.
    width = n + 2
    ways, mask = 1, (1 << width * (limit + 1)) - 1
    for rank in ranks:
        # Each rank is either in the positive sum or not.
        ways = (ways + (ways << width * rank)) & mask
    # The remainder is the sum of the integer's parts, as the sum of the digits is for 9.
    return ways % ((1 << width) - 1) / 2**n


def two_sided_p(t: float, freedom: float) -> float:
    """Returns the probability of values at least as far from 0 as t (Student 1908, Biometrika 6).

    The function does not use scipy, whose import would take longer than writing a report.
    """
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
def quantile(p: float, freedom: float) -> float:
    """Returns the t whose two-sided probability is p, for p below 0.5."""
    # The normal quantile lies below the root, where the probability is convex. Newton's method
    # therefore approaches the root from below in every step.
    t = NormalDist().inv_cdf(1 - p / 2)
    while True:
        step = (two_sided_p(t, freedom) - p) / (2 * _density(t, freedom))
        t += step
        if abs(step) < 1e-9 * t:  # the next step would be less than rounding
            return t


def _density(t: float, freedom: float) -> float:
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
