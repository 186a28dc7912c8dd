"""Ranks, p values and cliques equal those of aeon and scipy."""

import random
from typing import Any

import numpy as np
import pytest

from seqsweep.results.ranks import (
    Ranking,
    mean_ranks_of,
    rank_methods,
    sets_needed,
    sets_needed_for_p,
    upper_tail,
)
from seqsweep.results.significance import one_sided_p, signed_rank_p


def accuracies(sets: int, methods: int, seed: int, apart: float = 0.0) -> list[list[float]]:
    """Random scores; each method is better by `apart` than the one before it."""
    source = random.Random(seed)
    return [[source.random() + apart * method for method in range(methods)] for _ in range(sets)]


def cliques_of(ranking: Ranking) -> set[tuple[int, ...]]:
    return {tuple(ranking.order[first : last + 1]) for first, last in ranking.cliques}


@pytest.mark.parametrize("freedom", [1, 2, 7, 30, 101])
@pytest.mark.parametrize("value", [0.01, 1.0, 5.5, 40.0, 300.0])
def test_the_tail_of_chi_squared_is_scipys(freedom: int, value: float):
    from scipy.stats import chi2

    assert upper_tail(value, freedom) == pytest.approx(
        chi2.sf(value, freedom), rel=1e-9, abs=1e-300
    )


@pytest.mark.parametrize("lower", [False, True])
def test_ranks_and_their_test_are_scipys(lower: bool):
    from scipy.stats import friedmanchisquare, rankdata

    # Rounded, so that there are ties.
    scores = [[round(score, 1) for score in row] for row in accuracies(12, 5, 3)]
    signed = np.array(scores) * (1 if lower else -1)
    ranking = rank_methods(scores, lower)
    assert ranking.mean_ranks == pytest.approx(list(rankdata(signed, axis=1).mean(axis=0)))
    expected = friedmanchisquare(*np.array(scores).T).pvalue
    assert ranking.friedman_p == pytest.approx(expected)


def test_scores_that_differ_by_rounding_share_a_rank():
    assert mean_ranks_of([0.1 + 0.2, 0.3, 0.1]) == [2.5, 2.5, 1.0]
    ranking = rank_methods([[0.1 + 0.2, 0.3, 0.3]] * 8)
    assert (ranking.friedman_p, ranking.mean_ranks) == (1, [2, 2, 2])
    assert ranking.cliques == [(0, 2)]
    against = ranking.against[ranking.order[1]]
    assert against is not None
    assert (against.wins, against.draws, against.losses) == (0, 8, 0)


@pytest.mark.parametrize("n", [4, 9, 30, 80])
def test_the_one_sided_p_is_scipys(n: int):
    """The p of many values is an approximation."""
    from scipy.stats import wilcoxon

    source = random.Random(n)
    for mean in (-0.5, 0.0, 0.5):
        values = [round(source.gauss(mean, 1), 1 if n == 80 else 9) for _ in range(n)]
        expected: Any = wilcoxon(values, alternative="greater")
        assert one_sided_p(values) == pytest.approx(expected.pvalue)
        if n < 80:
            # Either side, or both together, once the value itself is counted once.
            less = one_sided_p([-value for value in values])
            both = min(1, 2 * min(one_sided_p(values), less))
            assert signed_rank_p(values) == pytest.approx(both)


@pytest.mark.durability
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lower", [False, True])
def test_cliques_are_aeons(seed: int, lower: bool):
    from aeon.benchmarking.stats import check_friedman
    from aeon.visualisation.results import _critical_difference as aeons
    from scipy.stats import rankdata

    scores = accuracies(12, 6, seed, apart=0.05 * seed)
    ranking = rank_methods(scores, lower)
    array = np.array(scores)
    ranks = rankdata(array if lower else -array, axis=1)
    labels = [str(index) for index in range(6)]
    ordered, means, sorted_scores = aeons._sort_by_average_rank(array, labels, ranks)
    assert [int(label) for label in ordered] == ranking.order
    assert [ranking.mean_ranks[i] for i in ranking.order] == pytest.approx(list(means))
    assert ranking.friedman_p == pytest.approx(check_friedman(ranks))
    masks, _ = aeons._find_cliques(
        ranks, sorted_scores, ordered, means, 12, 6, "wilcoxon", "holm", 0.05, lower
    )
    expected = {tuple(int(ordered[i]) for i in np.flatnonzero(mask)) for mask in masks}
    assert cliques_of(ranking) == expected


def test_two_methods_are_compared_by_signed_ranks_alone():
    better = [[0.5 + 0.01 * n, 0.4] for n in range(6)]
    ranking = rank_methods(better)
    assert ranking.friedman_p is None
    assert ranking.order == [0, 1]
    assert ranking.cliques == []
    against = ranking.against[1]
    assert against is not None
    assert against.adjusted == pytest.approx(2 / 2**6)
    assert rank_methods(better[:5]).cliques == [(0, 1)]


@pytest.mark.parametrize("methods", [2, 3, 6])
def test_fewer_sets_than_needed_never_tell_methods_apart(methods: int):
    needed = sets_needed(methods)
    row = [0.1 * method for method in range(methods)]
    clear = [[value + 0.001 * n * value for value in row] for n in range(1, needed + 1)]
    assert all(first or last < methods - 1 for first, last in rank_methods(clear).cliques)
    last = methods - 1
    assert (0, last) in rank_methods(clear[: needed - 1]).cliques
    # Nor is a p of fewer sets significant than that p needs.
    needed = sets_needed_for_p(methods)
    clear = [[value + n / 100 for value in range(methods)] for n in range(needed)]
    for scores, differs in ((clear, True), (clear[:-1], False)):
        against = rank_methods(scores).against
        assert any(one.adjusted < 0.05 for one in against if one is not None) == differs
