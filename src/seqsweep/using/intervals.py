"""Intervals of shares in closed form, which a perfect score has as well.

C classes. All resamples of sequences that are classified rightly are right, so a bootstrap would
have no doubt about them, however few they are.
"""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Bounds = tuple[Float64, Float64]

LEVEL = 0.95

_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


def of_share(hits: Float64, total: Float64) -> Bounds:
    """Returns the interval of each share hits / total (Wilson 1927, JASA 22).

    Brown, Cai and DasGupta 2001 (Statistical Science 16) recommend it for few cases. Without a case
    it is from 0 to 1.
    """
    centre = (hits + _Z**2 / 2) / (total + _Z**2)
    spread = hits * (total - hits) / np.maximum(total, 1.0) + _Z**2 / 4
    half = _Z * np.sqrt(spread) / (total + _Z**2)
    # Rounding must not keep the bounds from the ends.
    return np.where(hits > 0, centre - half, 0.0), np.where(hits < total, centre + half, 1.0)


def of_f1(hits: Float64, actual: Float64, predicted: Float64) -> Bounds:
    """Returns the interval of the F1 of each class.

    F1 is 2 J / (1 + J), where J is the share of right ones among the sequences that have the class
    as label or prediction (Jaccard 1912, New Phytologist 11).
    """
    low, high = of_share(hits, actual + predicted - hits)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def of_mean(shares: Float64, hit_by_an_error: int = 1) -> tuple[float, float]:
    """Returns the interval of the mean of C shares, which are given with their bounds (3, C).

    The distances from the shares to their bounds add up as independent errors do (Zou, Huang and
    Zhang 2009, Computational Statistics & Data Analysis 53).

    Args:
        hit_by_an_error: how many shares one wrong prediction lowers: with more than one, the errors
            are not independent, and the sum of squares is multiplied by it.
    """
    mean, distances = float(shares[0].mean()), np.abs(shares[1:] - shares[0])
    squares = np.sqrt(hit_by_an_error * (distances**2).sum(axis=1))
    below, above = np.minimum(squares, distances.sum(axis=1)) / shares.shape[1]
    return max(mean - float(below), 0.0), min(mean + float(above), 1.0)
