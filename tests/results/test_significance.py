"""Intervals, tests and ranks equal those of scipy and aeon; effects recover known effects."""

import itertools
import random
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_statistics import signed_rank
from scipy import special, stats

from seqsweep.results.effects import main_effects, strongest_interaction
from seqsweep.results.measures import Measure
from seqsweep.results.ranks import (
    mean_ranks_of,
    rank_methods,
    sets_needed,
    upper_tail,
)
from seqsweep.results.replicates import Replicate, Variation
from seqsweep.results.significance import (
    Difference,
    estimate,
    one_sided_p,
    paired_t_p,
    quantile,
    signed_rank_p,
    two_sided_p,
)
from seqsweep.runs.metrics import Metric


def normal(count: int, seed: int = 0, mean: float = 0.0) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(mean, 1) for _ in range(count)]


def by_seed(values: list[float]) -> dict[Replicate, float]:
    return {Replicate(seed=seed): value for seed, value in enumerate(values)}


def differences_to_best(samples: list[dict[Replicate, float]]) -> list[Difference]:
    return Measure(Metric("score", "max"), Variation()).differences(samples)


def grid(**axes: list[Any]) -> list[dict[str, Any]]:
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]


@pytest.mark.parametrize("n", [2, 3, 10, 40])
def test_the_interval_of_a_mean_is_scipys(n):
    values = normal(n)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = estimate(values)
    assert found.mean == pytest.approx(statistics.fmean(values))
    assert found.std == pytest.approx(statistics.stdev(values))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.n == n
    # A paired difference is that of the shared seeds.
    samples = [by_seed([0.0] * n) | {Replicate(seed=60): -9.0}]
    samples.append(by_seed(values) | {Replicate(seed=50): 9.0})
    assert differences_to_best(samples)[1].interval == found


@pytest.mark.parametrize("values", [[0.5], [0.5] * 2, [0.9 - 0.8, 0.4 - 0.3], [0.0] * 7])
def test_equal_values_have_no_interval_as_they_show_no_spread(values):
    """The seed after two seeds with 17 hits each may have 15."""
    found = estimate(values)
    assert (found.mean, found.n) == (pytest.approx(values[0]), len(values))
    assert found.low is found.high is None


@pytest.mark.parametrize("n", [1, 2, 5, 9, 20, 50, 80])
def test_signed_rank_p_is_scipys_two_sided_and_one_sided(n):
    """The p of few values is exact, that of many an approximation, here with ties."""
    method: Any = "asymptotic" if n > 50 else "exact"
    for seed, mean in enumerate((-0.5, 0.0, 0.4, 0.4, 0.5)):
        values = [round(value, 1 if n > 50 else 9) for value in normal(n, seed, mean=mean)]
        for ours, alternative in ((signed_rank_p, "two-sided"), (one_sided_p, "greater")):
            expected: Any = stats.wilcoxon(values, alternative=alternative, method=method)
            assert ours(values) == pytest.approx(expected.pvalue)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signed_rank_p_with_ties_is_the_share_of_signs_that_are_as_extreme(differences):
    """The reference enumerates all signs; zeros are dropped."""
    expected = signed_rank(differences)
    assert signed_rank_p([d / 37 for d in differences]) == pytest.approx(expected)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 10, 49, 200])
def test_students_t_is_scipys_to_the_last_digits(freedom):
    for exponent in range(-12, 13):
        t = 10 ** (exponent / 4)
        expected = pytest.approx(2 * special.stdtr(freedom, -t), rel=1e-11, abs=1e-300)
        assert two_sided_p(t, freedom) == two_sided_p(-t, freedom) == expected
    assert two_sided_p(0.0, freedom) == 1
    for p in (0.4, 0.05, 1e-6):
        assert quantile(p, freedom) == pytest.approx(special.stdtrit(freedom, 1 - p / 2), rel=1e-9)
    sample = normal(freedom + 1, mean=0.7)
    wanted = stats.ttest_1samp(sample, 0)[1] if freedom > 1 else 1.0  # undefined for two values
    assert paired_t_p(sample) == pytest.approx(wanted, rel=1e-12)


def test_a_config_that_shares_no_seed_is_undecided_not_equal():
    equal = by_seed([0.5, 0.5])
    _, apart, same = differences_to_best([equal, {Replicate(seed=9): 0.5}, equal])
    assert apart == Difference(None, None, None, "undecided")
    assert apart.n == 0
    assert (same.p, same.verdict) == (1.0, "undecided")
    # A clear difference of few seeds counts by t alone, corrected for two comparisons.
    samples = [by_seed([0.95, 0.96, 0.94]), by_seed([0.50, 0.52, 0.47]), by_seed([0.9, 0.99, 0.9])]
    _, clear, _ = differences_to_best(samples)
    assert (clear.verdict, clear.differs_by_t) == ("undecided", True)
    assert clear.t_adjusted == pytest.approx(2 * paired_t_p([-0.45, -0.44, -0.47]))


def test_additive_effects_have_their_shares_and_no_interaction():
    """Keys that change together are one effect, and equal scores have no variance to share."""
    configs = [c | {"twin": 10 * c["a"]} for c in grid(a=[2, 10, 1], b=[True, False], c=["x", "y"])]
    scores = [c["a"] + 3 * c["b"] for c in configs]
    spread_a, spread_b = statistics.pvariance([1, 2, 10]), statistics.pvariance([0, 3])
    first, second, third = main_effects(configs, scores)
    assert (first.key, first.values, first.means) == ("a", [1, 2, 10], [2.5, 3.5, 11.5])
    assert first.share == pytest.approx(spread_a / (spread_a + spread_b))
    assert (second.key, second.values) == ("b", [False, True])
    assert second.share == pytest.approx(spread_b / (spread_a + spread_b))
    assert (third.key, third.values, third.share) == ("c", ["x", "y"], 0)
    interaction = strongest_interaction(configs, scores)
    assert interaction is not None and interaction.share == pytest.approx(0, abs=1e-12)
    assert [effect.share for effect in main_effects(configs, [0.1 + 0.2] * 12)] == [0, 0, 0]
    assert main_effects([], []) == main_effects([{"a": 1}], [0.5]) == []


def test_xor_is_all_interaction():
    configs = grid(c=[None, "x"], a=[0, 1], b=[False, True])
    scores = [float(c["a"] != c["b"]) for c in configs]
    assert [effect.share for effect in main_effects(configs, scores)] == [0, 0, 0]
    found = strongest_interaction(configs, scores)
    assert found is not None
    assert (found.keys, found.values) == (("a", "b"), ([0, 1], [False, True]))
    assert found.means == [[0, 1], [1, 0]]
    assert found.share == pytest.approx(1)
    # Without a full table there is none.
    assert strongest_interaction(grid(a=[0, 1], b=[0, 1])[1:], [1.0, 2.0, 3.0]) is None


def test_a_missing_cell_neither_shifts_the_effects_nor_looks_like_an_interaction():
    """The plain mean of a row would be too high if its worst cell is missing."""
    configs = grid(a=[0, 1, 2], b=[0, 1], c=[0, 5])[1:]
    scores = [10.0 * c["a"] + c["b"] + c["c"] for c in configs]
    effects = {effect.key: effect for effect in main_effects(configs, scores)}
    differences = [y - x for x, y in itertools.pairwise(effects["a"].means)]
    assert differences == pytest.approx([10, 10])
    interaction = strongest_interaction(configs, scores)
    assert interaction is not None and interaction.share == pytest.approx(0, abs=1e-12)


def accuracies(sets: int, methods: int, seed: int, apart: float = 0.0) -> list[list[float]]:
    """Random scores; each method is better by `apart` than the one before it."""
    source = random.Random(seed)
    return [[source.random() + apart * method for method in range(methods)] for _ in range(sets)]


def test_scores_that_differ_by_rounding_share_a_rank():
    assert mean_ranks_of([0.1 + 0.2, 0.3, 0.1]) == [2.5, 2.5, 1.0]
    ranking = rank_methods([[0.1 + 0.2, 0.3, 0.3]] * 8)
    assert (ranking.friedman_p, ranking.mean_ranks) == (1, [2, 2, 2])
    assert ranking.cliques == [(0, 2)]
    against = ranking.against[ranking.order[1]]
    assert against is not None
    assert (against.wins, against.draws, against.losses) == (0, 8, 0)


@pytest.mark.durability
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lower", [False, True])
def test_cliques_are_aeons(seed: int, lower: bool):
    from aeon.visualisation.results import _critical_difference as aeons

    scores = accuracies(12, 6, seed, apart=0.05 * seed)
    ranking = rank_methods(scores, lower)
    array = np.array(scores)
    ranks = stats.rankdata(array if lower else -array, axis=1)
    labels = [str(index) for index in range(6)]
    ordered, means, sorted_scores = aeons._sort_by_average_rank(array, labels, ranks)
    masks, _ = aeons._find_cliques(
        ranks, sorted_scores, ordered, means, 12, 6, "wilcoxon", "holm", 0.05, lower
    )
    expected = {tuple(int(ordered[i]) for i in np.flatnonzero(mask)) for mask in masks}
    assert {tuple(ranking.order[first : last + 1]) for first, last in ranking.cliques} == expected


@pytest.mark.parametrize("freedom", [1, 2, 7, 30, 101])
def test_the_tail_of_chi_squared_is_scipys(freedom: int):
    for value in (0.01, 1.0, 5.5, 40.0, 300.0):
        expected = stats.chi2.sf(value, freedom)
        assert upper_tail(value, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("methods", [2, 3, 6])
def test_fewer_sets_than_needed_never_tell_methods_apart(methods: int):
    needed = sets_needed(methods)
    row = [0.1 * method for method in range(methods)]
    clear = [[value + 0.001 * n * value for value in row] for n in range(1, needed + 1)]
    assert all(first or last < methods - 1 for first, last in rank_methods(clear).cliques)
    last = methods - 1
    assert (0, last) in rank_methods(clear[: needed - 1]).cliques
