"""Estimates how many replicates are needed to show a given difference."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

from seqsweep.results.leaderboard import Leaderboard
from seqsweep.results.measures import Measure
from seqsweep.results.ranks import upper_tail
from seqsweep.results.significance import (
    LEVEL,
    are_equal,
    deviation,
    paired,
    quantile,
    seeds_needed,
)

POWER = 0.8
"""The probability with which the test should find a difference."""

# Hodges and Lehmann 1956, Annals of Mathematical Statistics 27.
SIGNED_RANK_EFFICIENCY = 3 / math.pi
"""The efficiency of the signed-rank test for normal differences, relative to the t-test."""

MOST = 10**6
"""The largest number of replicates that is considered."""

SMALL_DIFFERENCE = 0.01
"""A difference in accuracy that readers may want to find."""


def needed_replicates(board: Leaderboard, difference: float) -> dict[str, int | None] | None:
    """Returns how many seeds or splits show a difference with probability `POWER`.

    `n` is the number for the estimated spread of the differences. `low` and `high` are the numbers
    for both ends of the spread's confidence interval, which is wide with few replicates. A number
    above `MOST` is None. The result is None if the runs show no spread of differences: one config,
    fewer than two shared seeds or splits, equal differences, or splits of unknown size.

    Args:
        difference: the true mean difference of two configs in the compared metric, above 0.
    """
    measure = Measure(board.compared, board.variation)
    share = measure.share if board.variation.resampled else 0.0
    pairs = _differences(board, measure)
    groups = [units for units in pairs if len(units) > 1 and not are_equal(units)]
    if not groups or share is None:
        return None

    def needed(spread: float) -> int | None:
        # By Holm's correction, the smallest p must be below this level.
        n = replicates_for(difference, spread, (1 - LEVEL) / len(pairs), share)
        if n is None or share:
            return n
        # The signed-rank test needs more seeds than the t-test, and its p has a lower limit.
        return max(math.ceil(n / SIGNED_RANK_EFFICIENCY), seeds_needed(len(pairs) + 1))

    # The standard deviation within groups, weighted by their degrees of freedom.
    squares = math.fsum((len(group) - 1) * deviation(group) ** 2 for group in groups)
    spread = math.sqrt(squares / sum(len(group) - 1 for group in groups))
    low, high = (needed(spread * end) for end in spread_bounds(groups))
    return {"n": needed(spread), "low": low, "high": high}


def _differences(board: Leaderboard, measure: Measure) -> list[list[float]]:
    """Returns each compared config's differences to the first, by seed or by split."""
    rows = [row for row in board.rows if row.difference is not None]
    samples = [row.samples.get(board.compared, {}) for row in rows]
    return [measure.units(paired(sample, samples[0])) for sample in samples[1:]]


def plan_replicates(board: Leaderboard) -> dict[str, Any] | None:
    """Returns how many replicates there are, and how many more are needed.

    `have` is the fewest seeds or splits that a config shares with the first, and `least` is the
    fewest seeds for a test. There is no `more` if `needed_replicates` has no result, or if the
    compared metric is a loss, because a loss has no known scale. The result is None for a single
    config.
    """
    compared = [row.difference for row in board.rows if row.difference is not None]
    if len(compared) < 2:
        return None
    have = min(difference.n for difference in compared[1:])
    least = seeds_needed(len(compared))
    if board.variation.resampled:
        # Further seeds of one split are not independent, so the splits count.
        have = min(map(len, _differences(board, Measure(board.compared, board.variation))))
        least = None
    plan = {"have": have, "least": least}
    if board.compared.is_bounded and (found := needed_replicates(board, SMALL_DIFFERENCE)):
        more = {name: n and max(0, n - have) for name, n in found.items()}
        return {**plan, "difference": SMALL_DIFFERENCE, "power": POWER, "more": more}
    return plan


def spread_bounds(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Returns a pooled standard deviation's confidence interval, as two factors.

    The ratio of a sample's variance to the true variance has the chi-squared distribution (Cochran
    1934, Mathematical Proceedings of the Cambridge Philosophical Society 30). The groups are
    differences to one config, so they depend on each other. The degrees of freedom are those of
    fully correlated groups (Satterthwaite 1946, Biometrics Bulletin 2): groups of equal size count
    as one group.
    """
    freedoms = [len(group) - 1 for group in groups]
    freedom = round((sum(freedoms) / sum(map(math.sqrt, freedoms))) ** 2)
    ends: list[float] = []
    for tail in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        low, high = 0.0, freedom + 20 * math.sqrt(freedom) + 20
        while high - low > 1e-12 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if upper_tail(middle, freedom) > tail else (low, middle)
        ends.append(high)
    return math.sqrt(freedom / ends[0]), math.sqrt(freedom / ends[1])


def replicates_for(
    difference: float, spread: float, alpha: float, share: float = 0.0
) -> int | None:
    """Returns about the fewest replicates with which a t-test has the `POWER`.

    The mean difference, in its standard errors, is taken as normal around its true value; the
    number is then at most a few too small. The result is None if no number up to `MOST` is enough:
    the error of overlapping splits stays above `spread * sqrt(share)`.

    Args:
        spread: the standard deviation of the paired differences, above 0.
        alpha: the level of the test, after the correction for the number of configs.
        share: n_test / n_train for splits whose training sets overlap, otherwise 0.
    """

    def suffices(n: int) -> bool:
        error = spread * math.sqrt(1 / n + share)
        return difference / error - quantile(alpha, n - 1) >= NormalDist().inv_cdf(POWER)

    # The power grows with n, so a binary search finds the smallest n.
    found = bisect_left(range(3, MOST + 1), True, key=suffices)
    return found + 3 if found + 3 <= MOST else None


def replicates_override(configs: int, folds: int = 0) -> str:
    """Returns the quoted override that trains all folds or enough seeds."""
    return f"'data.fold=range({folds})'" if folds else f"'seed=range({seeds_needed(configs)})'"
