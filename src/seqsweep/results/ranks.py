"""Ranks methods over several data sets, and tests whether their ranks differ.

A method is a config, or a column of published results. Accuracies of different test sets have no
common scale, so methods are compared only by their ranks (Demsar 2006, JMLR 7): on each data set
the best method has rank 1, and equal methods share the mean of their ranks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, count

from seqsweep.results.significance import (
    LEVEL,
    holm,
    is_rounding,
    one_sided_p,
    ranks_by_size,
    signed_rank_p,
)

RELIABLE_FROM = 5
"""The fewest data sets for a reliable Friedman test; with fewer, the output says unreliable."""

MOST_RANKED = 24
"""The most methods in a diagram, which shows the best of them."""

_ALPHA = round(1 - LEVEL, 12)

Scores = Sequence[Sequence[float]]
"""A row for each data set, a column for each method."""


@dataclass(frozen=True)
class Against:
    """The numbers of data sets won, drawn and lost against the first method.

    `adjusted` is the two-sided p of the signed-rank test after Holm's correction for all pairs.
    """

    wins: int
    draws: int
    losses: int
    adjusted: float


@dataclass(frozen=True)
class Ranking:
    """The ranks of methods over data sets.

    Args:
        order: The indices of the methods, the lowest mean rank first.
        mean_ranks: The mean rank of each method, from 1, in the order of the columns.
        number: The number of data sets.
        friedman_p: The p of Friedman's test that all methods are equal; None for two methods.
        cliques: Groups of neighbours in `order` that do not differ significantly. A group is given
            by its first and its last position in `order`.
        against: The comparison of each method with the first method in `order`, by column; None
            for the first method itself.
    """

    order: list[int]
    mean_ranks: list[float]
    number: int
    friedman_p: float | None
    cliques: list[tuple[int, int]]
    against: list[Against | None]

    @property
    def bars(self) -> list[tuple[int, int]]:
        """The cliques among the methods that a diagram shows."""
        last = min(len(self.order), MOST_RANKED) - 1
        return [(start, min(end, last)) for start, end in self.cliques if start < last]


def rank_methods(scores: Scores, lower_is_better: bool = False) -> Ranking:
    """Ranks two or more methods by their scores on data sets."""
    sign = 1.0 if lower_is_better else -1.0
    ranks = [mean_ranks_of([sign * score for score in row]) for row in scores]
    means = [math.fsum(column) / len(ranks) for column in zip(*ranks, strict=True)]
    order = sorted(range(len(means)), key=lambda index: means[index])
    # Positive differences are in favour of the first of the two methods.
    pairs = {
        (a, b): [
            0.0 if is_rounding(row[a], row[b]) else sign * row[b] - sign * row[a] for row in scores
        ]
        for a, b in combinations(order, 2)
    }
    adjusted = dict(zip(pairs, holm([signed_rank_p(d) for d in pairs.values()]), strict=True))
    p = friedman_p(ranks) if len(means) > 2 else None
    return Ranking(
        order=order,
        mean_ranks=means,
        number=len(ranks),
        friedman_p=p,
        cliques=_cliques(order, pairs, p),
        against=[_against(pairs, adjusted, order[0], index) for index in range(len(means))],
    )


def mean_ranks_of(values: Sequence[float]) -> list[float]:
    """Returns each value's rank from 1; equal values share their mean rank."""
    lowest = ranks_by_size(values)
    return [1 + rank + (lowest.count(rank) - 1) / 2 for rank in lowest]


def friedman_p(ranks: Scores) -> float:
    """Returns the p of Friedman's test (1937, JASA 32), corrected for ties.

    Args:
        ranks: The result of `mean_ranks_of` for each data set.
    """
    n, k = len(ranks), len(ranks[0])
    middle = n * (k + 1) / 2
    sums = [math.fsum(column) for column in zip(*ranks, strict=True)]
    between = math.fsum((total - middle) ** 2 for total in sums)
    # Ties make this sum smaller, so it is computed from the ranks and not by the usual formula.
    within = math.fsum((rank - (k + 1) / 2) ** 2 for row in ranks for rank in row)
    return upper_tail((k - 1) * between / within, k - 1) if within else 1.0


def sets_needed(methods: int) -> int:
    """Returns the fewest data sets with which the diagram of ranks can show differences.

    If all n differences have one sign, p is 1 / 2^n, its smallest possible value. For only two
    methods the test is two-sided, and p is twice as large.
    """
    smallest = 2.0 if methods == 2 else 1.0
    return next(n for n in count(1) if smallest / 2**n <= _ALPHA / (methods - 1))


def _cliques(
    order: Sequence[int], pairs: dict[tuple[int, int], list[float]], p: float | None
) -> list[tuple[int, int]]:
    """Returns the largest groups of neighbours that do not differ significantly.

    The rule is from aeon's `plot_critical_difference` (after Benavoli et al. 2016, JMLR 17). Two
    methods are compared by a two-sided test. More methods are one clique if Friedman's test is not
    significant. Otherwise one-sided tests compare a method with the methods of worse mean ranks, at
    the level 0.05 / (methods - 1).
    """
    last = len(order) - 1
    if p is None:
        return [(0, 1)] if signed_rank_p(pairs[order[0], order[1]]) >= _ALPHA else []
    if p >= _ALPHA:
        return [(0, last)]
    cliques: list[tuple[int, int]] = []
    reached = 0
    for start in range(last):
        end = start
        while end < last and one_sided_p(pairs[order[start], order[end + 1]]) > _ALPHA / last:
            end += 1
        # A clique within an earlier clique adds nothing.
        if end > max(start, reached):
            cliques.append((start, end))
            reached = end
    return cliques


def _against(
    pairs: dict[tuple[int, int], list[float]],
    adjusted: dict[tuple[int, int], float],
    first: int,
    index: int,
) -> Against | None:
    if index == first:
        return None
    differences = pairs[first, index]
    wins = sum(difference < 0 for difference in differences)
    draws = differences.count(0.0)
    return Against(wins, draws, len(differences) - wins - draws, adjusted[first, index])


def upper_tail(value: float, freedom: int) -> float:
    """Returns the probability that a chi-squared variable has at least this value.

    The probability has a closed form for integer degrees of freedom (Abramowitz and Stegun, 26.4.4
    and 26.4.5): freedom / 2 terms, plus the tail of the normal distribution if `freedom` is odd.
    """
    if value <= 0:
        return 1.0
    half = value / 2
    is_odd = freedom % 2
    # This is the first term of the sum. Each later term is a multiple of the term before.
    term = math.exp(-half) * (2 * math.sqrt(half / math.pi) if is_odd else 1.0)
    terms = [math.erfc(math.sqrt(half))] if is_odd else []
    for step in range(freedom // 2):
        terms.append(term)
        term *= half / (step + (1.5 if is_odd else 1))
    return min(1.0, math.fsum(terms))
