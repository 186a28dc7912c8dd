"""Tests of differences, computed from their definitions, with scipy's distributions."""

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import stats

TESTED, TRAINED = 40, 160
"""The sequences of a split whose scores these tests compare."""


def signed_rank(differences: Sequence[float]) -> float:
    """The share of all signs of the ranks that are at least as extreme."""
    rounded = np.round(differences, 12)
    kept = rounded[rounded != 0]
    if not len(kept):
        return 1.0
    ranks = stats.rankdata(np.round(np.abs(kept), 12))
    signs = np.array([*itertools.product((0, 1), repeat=len(kept))])
    sums = signs @ ranks
    low = min(ranks[kept > 0].sum(), ranks[kept < 0].sum())
    return min(1.0, 2 * float((sums <= low + 1e-9).mean()))


def corrected_t(differences: Sequence[float]) -> float:
    """The p of the corrected resampled t-test; 1 for equal differences."""
    n, mean, std = len(differences), np.mean(differences), np.std(differences, ddof=1)
    if np.ptp(differences) < 1e-9:
        return 1.0
    error = std * np.sqrt(1 / n + TESTED / TRAINED)
    return float(2 * stats.t.sf(abs(mean / error), n - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    order, largest, found = np.argsort(p_values, kind="stable"), 0.0, [0.0] * len(p_values)
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        found[index] = largest
    return found
