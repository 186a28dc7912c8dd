"""Which differences are real: intervals and paired tests over seeds.

A config is one point of a sweep, a sample of it one seed. Configs are compared on the seeds that
they share, so what a seed does to both of them cancels out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from seqsweep.results.student_t import quantile, two_sided_p

LEVEL = 0.95
"""The confidence of every interval; a difference counts where its adjusted p is below 1 - LEVEL."""

Verdict = Literal["best", "indistinguishable", "different", "undecided"]
"""`undecided`: with so few shared seeds no result whatever could have counted as a difference."""

ROUNDING = 1e-12
"""Relative difference below which two means are equal: doubles have 2e-16, sums lose a little."""

_EXACT_UP_TO = 50


class Interval(NamedTuple):
    """A mean over n values and its two-sided interval at LEVEL.

    low and high are None where n < 2 and where all values are equal: a few accuracies are equal by
    chance, and their spread is not zero by it. The mean is None where n is 0.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int


class Difference(NamedTuple):
    """A config minus the best one, over the n seeds that both have.

    Args:
        interval: of the mean paired difference.
        p: two-sided, of the signed-rank test; None for the best and where no seed is shared.
        adjusted: p after Holm's correction for all comparisons with the best.
        t_adjusted: that of the paired t-test. It asks for fewer seeds, and for differences that are
            normal, which few seeds cannot show; no verdict rests on it.
    """

    interval: Interval
    p: float | None
    adjusted: float | None
    verdict: Verdict
    t_adjusted: float | None = None

    @property
    def differs_by_t(self) -> bool:
        return counts(self.t_adjusted)


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean and its interval by Student's t (Student 1908, Biometrika 6).

    >>> mean_interval([0.5])
    Interval(mean=0.5, low=None, high=None, n=1)
    """
    n = len(values)
    if not n:
        return Interval(None, None, None, 0)
    mean = math.fsum(values) / n
    if are_equal(values):
        return Interval(mean, None, None, n)
    half = quantile(_ALPHA, n - 1) * deviation(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def deviation(values: Sequence[float]) -> float:
    """Returns the standard deviation of a sample of at least two.

    `statistics.stdev` takes thirty times as long, for the last bit.
    """
    if min(values) == max(values):
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def differences_to_best(samples: Sequence[Mapping[int, float]], best: int) -> list[Difference]:
    """Each config against the best one.

    The t interval tells how large the difference is. If it is one at all is asked of the signed
    ranks, which need no normal distribution, corrected for the number of configs: among twenty
    equal ones one would be found different otherwise.

    Args:
        samples: of each config, by seed, the metric to compare.
        best: index of the config to compare with, chosen on another split than the metric's.
    """
    pairs = [_paired(sample, samples[best]) for sample in samples]
    others = [index for index in range(len(samples)) if index != best]
    p_values = [signed_rank_p(pairs[index]) for index in others]
    needed = seeds_needed(len(samples))
    by_t = holm([paired_t_p(pairs[index]) for index in others])
    found = {best: Difference(Interval(0.0, None, None, len(samples[best])), None, None, "best")}
    for index, p, adjusted, t in zip(others, p_values, holm(p_values), by_t, strict=True):
        found[index] = _judged(pairs[index], p, adjusted, t, needed)
    return [found[index] for index in range(len(samples))]


def seeds_needed(configs: int) -> int:
    """How many seeds it takes to find any of so many configs different from the best.

    n pairs that all point one way have p = 2 / 2^n, the smallest there is; corrected for
    configs - 1 comparisons it must be below 1 - LEVEL.

    >>> seeds_needed(2), seeds_needed(12)
    (6, 9)
    """
    n = 1
    while (configs - 1) * 2.0 ** (1 - n) >= _ALPHA:
        n += 1
    return n


def places_by_size(values: Sequence[float]) -> list[int]:
    """The place of each value among the sorted ones; values that are equal share one.

    They are equal but for rounding: means of the same values in another order may differ in the
    last bit.

    >>> places_by_size([0.3, 0.1 + 0.2, 0.1, 0.7])
    [1, 1, 0, 3]
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    places = [0] * len(values)
    for rank, index in enumerate(order):
        before = order[rank - 1] if rank else index
        is_equal = rank > 0 and is_rounding(values[before], values[index])
        places[index] = places[before] if is_equal else rank
    return places


def is_rounding(first: float, second: float) -> bool:
    """Returns whether two numbers differ by no more than the rounding of sums and means."""
    return math.isclose(first, second, rel_tol=ROUNDING, abs_tol=1e-15)


def are_equal(values: Sequence[float]) -> bool:
    """Returns whether values have no spread but that of rounding, which differences amplify."""
    return max(values) - min(values) <= 1e-9 * max(map(abs, values))


def signed_rank_p(differences: Sequence[float]) -> float:
    """Two-sided p of the signed-rank test (Wilcoxon 1945, Biometrics Bulletin 1).

    Zeros are dropped, equal sizes get their mean rank. Up to 50 differences the null distribution
    is exact, given the ranks, with ties too; beyond that it is the normal one with the correction
    for ties. Accuracies tie often, which is where scipy's may take the normal one at any n.
    """
    ranks, above = _doubled_ranks(differences)
    n, total = len(ranks), sum(ranks)
    smaller = min(above, total - above)
    if n <= _EXACT_UP_TO:
        return min(1.0, 2 * _ways_up_to(smaller, ranks) / 2**n)
    deviation = math.sqrt(sum(rank * rank for rank in ranks)) / 2
    return math.erfc((total / 2 - smaller) / deviation / math.sqrt(2))


def paired_t_p(differences: Sequence[float]) -> float:
    """Two-sided p of Student's t-test of paired differences; 1 where they leave it undefined.

    That is with fewer than three, and with differences that are all equal: accuracies are counts,
    so a few of them are equal by chance, and prove nothing by it.
    """
    n = len(differences)
    if n < 3:
        return 1.0
    if are_equal(differences):
        return 1.0
    mean = math.fsum(differences) / n
    return two_sided_p(mean / deviation(differences) * math.sqrt(n), n - 1)


def counts(p: float | None) -> bool:
    """Whether a difference of this p, which is corrected already, is one."""
    return p is not None and p < _ALPHA


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, step down (Holm 1979, Scandinavian Journal of Statistics 6).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


_ALPHA = round(1 - LEVEL, 12)


def _paired(sample: Mapping[int, float], reference: Mapping[int, float]) -> list[float]:
    """The differences over the shared seeds; zero where only rounding differs."""
    return [
        0.0 if is_rounding(sample[seed], reference[seed]) else sample[seed] - reference[seed]
        for seed in sample
        if seed in reference
    ]


def _judged(
    pairs: Sequence[float], p: float, adjusted: float, t_adjusted: float, needed: int
) -> Difference:
    interval = mean_interval(pairs)
    if not pairs:
        return Difference(interval, None, None, "undecided")
    if counts(adjusted):
        verdict = "different"
    else:
        verdict = "undecided" if len(pairs) < needed else "indistinguishable"
    return Difference(interval, p, adjusted, verdict, t_adjusted)


def _doubled_ranks(differences: Sequence[float]) -> tuple[list[int], int]:
    """Twice the ranks of the sizes, whole numbers, and their sum over the positive differences.

    Sizes that are equal but for the last bits of a subtraction, as those of accuracies, are equal.
    """
    largest = max((abs(d) for d in differences), default=0.0)
    if largest == 0:
        return [], 0
    scaled = sorted((round(d / largest, 9) for d in differences), key=abs)
    signed = [d for d in scaled if d != 0]
    sizes = [abs(d) for d in signed]
    first = {size: index for index, size in reversed(list(enumerate(sizes)))}
    last = {size: index for index, size in enumerate(sizes)}
    ranks = [first[size] + last[size] + 2 for size in sizes]
    return ranks, sum(rank for rank, d in zip(ranks, signed, strict=True) if d > 0)


def _ways_up_to(limit: int, ranks: Sequence[int]) -> int:
    """How many of the 2^n choices of signs have a positive rank sum of at most `limit`."""
    ways = [1] + [0] * limit
    for rank in ranks:
        for value in range(limit, rank - 1, -1):
            ways[value] += ways[value - rank]
    return sum(ways)
