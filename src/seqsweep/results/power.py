"""The number of replicates that would show a difference of a given size."""

import itertools
import math
import operator
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

from seqsweep.results.formatting import NBSP, count, metric_words
from seqsweep.results.leaderboard import Leaderboard
from seqsweep.results.measures import Measure
from seqsweep.results.significance import LEVEL, are_equal, deviation, paired, seeds_needed
from seqsweep.results.student_t import quantile
from seqsweep.runs.metric_names import is_bounded

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


SMALL_DIFFERENCE = 0.01
"""A difference in accuracy that readers may want to find."""


def needed_replicates(board: Leaderboard, difference: float) -> dict[str, int | None] | None:
    """Returns `n`, the seeds or splits that show a difference with probability `POWER`.

    The number has the interval that belongs to that of the spread, which few replicates leave open.

    Args:
        difference: the true mean difference of two configs in the compared metric, above 0.

    Returns:
        `n`, and `low` and `high` of its interval, each None above `MOST`.
        None if the runs show no spread: fewer than two replicates, equal scores, or splits of
        unknown size.
    """
    share = board.variation.share(board.compared) if board.variation.resampled else 0.0
    groups = _spread_groups(board)
    if not groups or share is None:
        return None
    configs = sum(row.difference is not None for row in board.rows)

    def needed(spread: float) -> int | None:
        # The first p must be below this level, by Holm's correction.
        n = replicates_for(difference, spread, (1 - LEVEL) / (configs - 1), share)
        if n is None or share:
            return n
        # The signed-rank test has a smallest p, and needs some more seeds than the t-test.
        return max(math.ceil(n / SIGNED_RANK_EFFICIENCY), seeds_needed(configs))

    spread = _pooled(groups)
    low, high = (needed(spread * end) for end in spread_bounds(groups))
    return {"n": needed(spread), "low": low, "high": high}


def plan_replicates(board: Leaderboard) -> dict[str, Any] | None:
    """Returns how many replicates the configs share, and how many show a small difference.

    None for a single config. The scale of a loss is not known, so neither is a small difference.
    """
    compared = [row.difference for row in board.rows if row.difference is not None]
    if len(compared) < 2:
        return None
    have = min(difference.n for difference in compared[1:])
    plan = {
        "have": have,
        "least": None if board.variation.resampled else seeds_needed(len(compared)),
    }
    if is_bounded(board.compared) and (found := needed_replicates(board, SMALL_DIFFERENCE)):
        more = {name: n and max(0, n - have) for name, n in found.items()}
        return {**plan, "difference": SMALL_DIFFERENCE, "power": POWER, "more": more}
    return plan


def needed_replicates_words(board: Leaderboard, difference: float) -> str | None:
    """Says what `needed_replicates` returns."""
    if (found := needed_replicates(board, difference)) is None:
        return None
    n, low, high = found.values()
    share = board.variation.share(board.compared) if board.variation.resampled else 0.0
    ends = "" if low is None else f"{low:,} or more" if high is None else f"{low:,} to {high:,}"
    interval = f" ({LEVEL * 100:.0f}{NBSP}% interval: {ends})" if ends else ""
    text = f"{difference:g} in {metric_words(board.compared)}"
    if n is None and share:
        return (
            f"No number of splits is enough{interval} to find a difference of {text} with"
            f" probability {POWER}: their training sets overlap (n_test / n_train = {share:.2f})."
        )
    if n is None:
        return f"A difference of {text} takes more than {MOST:,} seeds{interval}."
    test, runs = ("corrected t-test", "split") if share else ("signed-rank test", "seed")
    return (
        f"To find a difference of {text} by a {test} with probability {POWER}, about"
        f" {count(n, runs)} are needed{interval}."
    )


def _spread_groups(board: Leaderboard) -> list[list[float]]:
    """Returns the paired differences of each config to the first, where they have a spread."""
    measure = Measure(board.compared, board.variation)
    rows = [row for row in board.rows if row.difference is not None]
    samples = [row.samples.get(board.compared, {}) for row in rows]
    pairs = [measure.units(paired(sample, samples[0])) for sample in samples[1:]]
    return [units for units in pairs if len(units) > 1 and not are_equal(units)]


def _pooled(groups: Sequence[Sequence[float]]) -> float:
    """Returns the standard deviation within groups, weighted by their degrees of freedom."""
    squares = math.fsum((len(group) - 1) * deviation(group) ** 2 for group in groups)
    return math.sqrt(squares / sum(len(group) - 1 for group in groups))


def spread_bounds(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Returns the interval at LEVEL of a pooled standard deviation, as multiples of it.

    A sample's variance over the true one has the chi-squared distribution (Cochran 1934,
    Mathematical Proceedings of the Cambridge Philosophical Society 30). The groups are differences
    to one config, so they depend on each other. The degrees of freedom are those of full agreement
    (Satterthwaite 1946, Biometrics Bulletin 2): of groups of one size, those of one group.
    """
    freedoms = [len(group) - 1 for group in groups]
    freedom = (sum(freedoms) / sum(map(math.sqrt, freedoms))) ** 2
    ends = [chi_squared_quantile(p, freedom) for p in ((1 + LEVEL) / 2, (1 - LEVEL) / 2)]
    return math.sqrt(freedom / ends[0]), math.sqrt(freedom / ends[1])


def chi_squared_quantile(p: float, freedom: float) -> float:
    """Returns the value below which a chi-squared variable is with probability p.

    >>> round(chi_squared_quantile(0.025, 4), 4)
    0.4844
    """
    half, low, high = freedom / 2, 0.0, freedom + 20 * math.sqrt(freedom) + 20
    while high - low > 1e-12 * high:
        x = (low + high) / 4
        # The series of the incomplete gamma function, Abramowitz and Stegun 6.5.29.
        ratios = (x / (half + n) for n in range(1, int(high) + 50))
        series = math.fsum(itertools.accumulate(ratios, operator.mul, initial=1.0))
        share = series * math.exp(half * math.log(x) - x - math.lgamma(half + 1))
        low, high = (2 * x, high) if share < p else (low, 2 * x)
    return high


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


def _density_of_ratio(ratio: float, freedom: int) -> float:
    """Returns the density of the ratio of a sample's deviation to the true one."""
    if ratio <= 0:
        return 0.0
    half = freedom / 2
    log = half * math.log(half) - math.lgamma(half) + (freedom - 1) * math.log(ratio)
    return 2 * math.exp(log - half * ratio * ratio)
