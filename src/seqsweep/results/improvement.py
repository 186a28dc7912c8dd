"""The probability that one config is better than another."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from seqsweep.results.significance import LEVEL

_ALPHA = 1 - LEVEL
_NORMAL = NormalDist().inv_cdf(1 - _ALPHA / 2)
_MOST_EXACT = 100
"""The most pairs whose resamples are counted, in a time that grows with their square."""


@dataclass(frozen=True)
class Improvement:
    """The share of n pairs in which a config is better, with its interval."""

    n: int
    probability: float
    low: float
    high: float


def improvement(differences: Sequence[float], lower: bool = False) -> Improvement | None:
    """The probability that a config is better than another one, from their paired differences.

    It is the share of the pairs in which the config is better; a tie counts half (Bouthillier et
    al. 2021, MLSys 3; Agarwal et al. 2021, NeurIPS 34). The interval is the percentile bootstrap
    (Efron 1979, Annals of Statistics 7) with all resamples instead of a random choice of them, and
    for more than 100 pairs its normal limit.
    Where all pairs have one result, so have the resamples. Then the share of this result has the
    lower bound of Clopper and Pearson (1934, Biometrika 26), and nothing is known of the others.

    Args:
        differences: The config's score minus the other's, of independent pairs.
        lower: Whether a lower score is better.

    Returns:
        None without a pair.

    >>> improvement([0.1, 0.2, 0.0, -0.1])
    Improvement(n=4, probability=0.625, low=0.25, high=1.0)
    """
    n = len(differences)
    if not n:
        return None
    wins = sum(d < 0 if lower else d > 0 for d in differences)
    ties = sum(d == 0 for d in differences)
    probability = (wins + ties / 2) / n
    if n in (wins, ties, n - wins - ties):
        bound = (_ALPHA / 2) ** (1 / n)
        low = probability * bound
        return Improvement(n, probability, low, low + 1 - bound)
    if n > _MOST_EXACT:
        half = _NORMAL * math.sqrt((wins + ties / 4) / n - probability**2) / math.sqrt(n)
        return Improvement(
            n, probability, max(0.0, probability - half), min(1.0, probability + half)
        )
    low, high = _percentiles(_resampled_points(wins, ties, n))
    return Improvement(n, probability, low / (2 * n), high / (2 * n))


def _resampled_points(wins: int, ties: int, n: int) -> list[float]:
    """Returns the probability of each sum of points of n draws.

    A win has two points, a tie one.
    """
    points = [1.0]
    one = ((n - wins - ties) / n, ties / n, wins / n)
    for _ in range(n):
        longer = [0.0] * (len(points) + 2)
        for total, probability in enumerate(points):
            for more, share in enumerate(one):
                longer[total + more] += probability * share
        points = longer
    return points


def _percentiles(probabilities: Sequence[float]) -> tuple[int, int]:
    """Returns the values at which the ends of the interval are reached."""
    reached = list(itertools.accumulate(probabilities))
    # Rounding must not decide between two values.
    low, high = (
        next(value for value, total in enumerate(reached) if total >= level - 1e-9)
        for level in (_ALPHA / 2, 1 - _ALPHA / 2)
    )
    return low, high
