"""The bootstrap interval of a mean is BCa, and a function of the values alone."""

import numpy as np
import pytest
from scipy import stats

from seqsweep.results.bootstrap import bootstrap_interval


@pytest.mark.parametrize("seed", range(3))
def test_it_is_near_scipys_bca_interval(seed):
    values = np.random.default_rng(seed).exponential(size=9 + seed)
    found = bootstrap_interval(values.tolist())
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=0)
    assert found == pytest.approx(tuple(expected.confidence_interval), rel=0.04)


def test_neither_the_order_nor_the_call_matters():
    values = [0.3, 0.1, 0.9, 0.4, 0.2]
    assert bootstrap_interval(values) == bootstrap_interval(sorted(values))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [0.5] * 8])
def test_too_few_or_equal_values_have_none(values):
    assert bootstrap_interval(values) is None


def test_a_shift_shifts_the_interval():
    values = [0.3, 0.1, 0.9, 0.4, 0.2]
    one, other = bootstrap_interval(values), bootstrap_interval([v + 5 for v in values])
    assert one is not None and other == pytest.approx((one[0] + 5, one[1] + 5))
