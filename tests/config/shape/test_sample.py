"""A grid has a size before it is listed; a sample is stable, and a larger one contains it."""

import itertools
from collections import Counter

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.config.shape.axes import Axis, Grid, swept_values
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


def test_a_sample_is_uniform_and_never_changes() -> None:
    for size in (2, 7, 20):
        firsts = Counter(next(permuted(size, seed)) for seed in range(1000))
        expected = 1000 / size
        assert all(abs(firsts[n] - expected) < 5 * expected**0.5 for n in range(size))
    # A later version must find the runs that an earlier one has trained.
    assert list(itertools.islice(permuted(10**9, 0), 3)) == [812137346, 530048524, 951560305]


@given(st.permutations([("a", "123"), ("b", "xyz"), ("seed", "01")]), st.randoms(), st.integers())
def test_a_sample_does_not_depend_on_the_order_of_keys_and_values(keys, random, seed) -> None:
    shuffled = {key: random.sample(values, len(values)) for key, values in keys}
    usual = grid(a=list("123"), b=list("xyz"), seed=list("01"))
    assert sampled(grid(**shuffled), 5, seed) == sampled(usual, 5, seed)


def values(text):
    return swept_values(OverridesParser.create().parse_override(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("seed=1,2", ["1", "2"]), ("seed=range(3)", ["0", "1", "2"]), ("a=range(3,0,-2)", ["3", "1"]),
     ("lr=range(0,0.3,0.1)", ["0.0", "0.1", "0.2"]), ("a=choice(x,y)", ["x", "y"])],
)  # fmt: skip
def test_values_are_those_of_hydra(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed=range(0)", "seed=range(0): has no values"),
        ("seed=range(0,1000000000)", "seed=range(0,1000000000): 1,000,000,000 runs; a sweep has"),
        ("seed=range(0,5,0)", "seed=range(0,5,0): the step of a range must not be 0"),
    ],
)
def test_no_values_and_too_many_are_refused(text, message):
    with pytest.raises(HydraException) as refused:
        values(text)
    assert str(refused.value).startswith(message)
