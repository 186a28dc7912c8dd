"""A sample of a grid is stable, and a larger one contains it."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.config.shape.axes import Axis, Grid
from seqsweep.config.shape.expansion import permuted, sampled_configs


def grid(**choices: list[str]) -> Grid:
    return Grid([Axis((k,), [(f"{k}={v}",) for v in values]) for k, values in choices.items()])


def sampled(grid: Grid, count: int, seed: int = 0) -> list[set[frozenset[str]]]:
    """The first configs of the sample, each as the overrides of its replicates."""
    groups = itertools.islice(sampled_configs(grid, ("seed",), seed), count)
    return [{frozenset(grid.overrides(point)) for point in points} for points in groups]


@given(st.integers(1, 300), st.integers())
def test_a_permutation_has_every_number_once(size: int, seed: int) -> None:
    assert sorted(permuted(size, seed)) == list(range(size))


def test_a_permutation_of_a_huge_range_starts_at_once() -> None:
    first = list(itertools.islice(permuted(10**30, 3), 1000))
    assert len(set(first)) == 1000
    assert max(first) < 10**30
    # A uniform sample of 1000 has its mean within five standard errors of the middle.
    assert abs(sum(first) / 1000 / 10**30 - 0.5) < 5 * (1 / 12 / 1000) ** 0.5


@pytest.mark.parametrize("size", [2, 3, 7, 20])
def test_every_number_comes_first_about_equally_often(size: int) -> None:
    firsts = Counter(next(permuted(size, seed)) for seed in range(1000))
    expected = 1000 / size
    assert all(abs(firsts[n] - expected) < 5 * expected**0.5 for n in range(size))


def test_a_sample_never_changes() -> None:
    """A later version must find the runs that an earlier one has trained."""
    assert list(itertools.islice(permuted(10**9, 0), 3)) == [812137346, 530048524, 951560305]


@given(st.permutations([("a", "123"), ("b", "xyz"), ("seed", "01")]), st.randoms(), st.integers())
def test_a_sample_does_not_depend_on_the_order_of_keys_and_values(keys, random, seed) -> None:
    shuffled = {key: random.sample(values, len(values)) for key, values in keys}
    usual = grid(a=list("123"), b=list("xyz"), seed=list("01"))
    assert sampled(grid(**shuffled), 5, seed) == sampled(usual, 5, seed)


def test_a_value_that_is_given_twice_is_sampled_once() -> None:
    twice = grid(a=["1", "2", "1"], seed=["0", "1"])
    assert len(sampled(twice, 10)) == 2
