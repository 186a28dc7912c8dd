"""Places from 0 to 1 lead to all values of a space and back."""

from collections import Counter

import pytest

from seqsweep.sweeping.search.space import Choice, Numbers
from seqsweep.sweeping.search.unit_cube import place_of, rounded, value_at

PLACES = [i / 400 for i in range(401)]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (Numbers(2, 5, is_integer=True), [2, 3, 4, 5]),
        (Numbers(2, 10, is_integer=True, step=4), [2, 6, 10]),
        (Numbers(0.5, 2.0, step=0.5), [0.5, 1.0, 1.5, 2.0]),
        (Choice(["a", "b", "c"]), ["a", "b", "c"]),
    ],
)
def test_values_of_a_finite_set_get_equal_parts(numbers, expected):
    counts = Counter(value_at(numbers, u) for u in PLACES)
    assert list(counts) == expected
    assert max(counts.values()) - min(counts.values()) <= 2


@pytest.mark.parametrize(
    "numbers",
    [
        Numbers(-3, 7),
        Numbers(1e-4, 10, log=True),
        Numbers(1, 64, log=True, is_integer=True),
        Numbers(2, 10, is_integer=True, step=4),
    ],
)
def test_the_place_of_a_value_leads_to_the_value(numbers):
    values = [value_at(numbers, u) for u in PLACES]
    assert values == sorted(values)
    assert values[0] == numbers.low
    assert values[-1] == numbers.high
    assert all(value_at(numbers, place_of(numbers, value)) == value for value in values)


def test_half_of_a_logarithmic_interval_lies_below_its_geometric_mean():
    values = [value_at(Numbers(0.01, 100, log=True), u) for u in PLACES]
    assert sum(value < 1 for value in values) == pytest.approx(200, abs=1)


def test_numbers_have_the_digits_that_their_interval_needs():
    assert rounded(Numbers(0.001, 0.1, log=True), 0.0123456789) == 0.012346
    assert rounded(Numbers(0, 1), 0.123456789) == 0.1235
    assert rounded(Numbers(1000, 1000.02), 1000.00123467) == 1000.001235
    assert rounded(Numbers(0.33333333, 1), 0.33333334) == 0.33333333  # not below the interval
    assert rounded(Choice(["0.123456789"]), "0.123456789") == "0.123456789"
