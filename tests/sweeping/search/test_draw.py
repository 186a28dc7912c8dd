"""Configs are drawn from their space evenly, and each by its number alone."""

import math
from collections import Counter

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from seqsweep.sweeping.search.draw import draw
from seqsweep.sweeping.search.space import Space, parse


def space(*overrides: str) -> Space:
    return parse(overrides, OverridesParser.create())[1]


def numbers(override: str, count: int = 2000) -> list[float]:
    (key,) = searched = space(override)
    return [float(draw(searched, 0, number)[key]) for number in range(count)]


def test_a_config_depends_on_the_seed_and_its_number_alone() -> None:
    full = space("a=1,2,3", "b=interval(0,1)", "c=range(1,9)")
    configs = [draw(full, 7, number) for number in range(20)]
    assert configs == [draw(full, 7, number) for number in range(20)]
    assert len({tuple(config.items()) for config in configs}) == 20
    assert configs != [draw(full, 8, number) for number in range(20)]
    # Another key changes no value of the first ones.
    fewer = space("c=range(1,9)", "a=1,2,3")
    assert all(draw(fewer, 7, n)["a"] == config["a"] for n, config in enumerate(configs))


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("a=x,y,z", {"x", "y", "z"}),
        ("a=range(1,5)", {"1", "2", "3", "4"}),
        ("a=range(2,9,3)", {"2", "5", "8"}),
        ("a=int(interval(1,3))", {"1", "2", "3"}),
    ],
)
def test_every_value_is_drawn_as_often(override: str, values: set[str]) -> None:
    searched = space(override)
    counts = Counter(draw(searched, 0, number)["a"] for number in range(3000))
    assert counts.keys() == values
    expected = 3000 / len(values)
    assert all(abs(count - expected) < 5 * math.sqrt(expected) for count in counts.values())


def test_an_interval_is_drawn_evenly_and_a_logarithmic_one_by_its_logarithm() -> None:
    plain = numbers("a=interval(2,4)")
    assert 2 <= min(plain) < 2.01 and 3.99 < max(plain) <= 4
    assert abs(sum(value < 3 for value in plain) - 1000) < 120
    log = numbers("a=tag(log,interval(0.001,0.1))")
    assert 0.001 <= min(log) < 0.0011 and 0.095 < max(log) <= 0.1
    assert abs(sum(value < 0.01 for value in log) - 1000) < 120
    whole = numbers("a=tag(log,int(interval(4,63)))")
    assert (min(whole), max(whole)) == (4, 63) and all(value.is_integer() for value in whole)
    assert abs(sum(value < 16 for value in whole) - 1000) < 120


def test_drawn_numbers_are_short_and_stay_within_their_bounds() -> None:
    searched = space("a=interval(0.123456,0.123457)")
    assert all(0.123456 <= float(draw(searched, 0, n)["a"]) <= 0.123457 for n in range(99))
    assert all(len(draw(space("a=interval(0,1)"), 0, n)["a"]) <= 9 for n in range(99))
