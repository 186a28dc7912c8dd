"""The expected best value is that of draws with replacement."""

import itertools
import math

import pytest

from seqsweep.results.search.expected import expected_best


@pytest.mark.parametrize(("sign", "best"), [(-1, max), (1, min)])
def test_it_is_the_mean_over_all_draws(sign, best):
    values = [0.3, 0.9, 0.5, 0.5, 0.1]
    curve = expected_best(values, sign)
    assert curve.n == [1, 2, 3, 4, 5]
    for n, mean in zip(curve.n, curve.mean, strict=True):
        draws = [best(draw) for draw in itertools.product(values, repeat=n)]
        assert mean == pytest.approx(math.fsum(draws) / len(draws))


@pytest.mark.parametrize("sign", [-1, 1])
def test_it_improves_with_more_configs_and_stays_within_what_was_seen(sign):
    values = [math.sin(i) for i in range(2000)]
    curve = expected_best(values, sign)
    gains = [-sign * mean for mean in curve.mean]
    assert gains == sorted(gains)
    assert len(curve.n) <= 62
    # The sentence names the values of exactly these numbers.
    assert {10, 100} <= set(curve.n)
    assert (curve.n[0], curve.n[-1]) == (1, 2000)
    for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True):
        assert -1 <= low <= high <= 1
        assert min(values) <= mean <= max(values)
