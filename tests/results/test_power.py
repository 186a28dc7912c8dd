"""The number of replicates has the power that simulations find."""

import numpy as np
import pytest
from scipy import stats

from seqsweep.results.power import power_of_t_test, replicates_for, smallest_difference
from seqsweep.results.resampled import corrected_t_p
from seqsweep.results.significance import paired_t_p


@pytest.mark.parametrize("noncentrality", [0.0, 1.0, 2.5, 4.0])
@pytest.mark.parametrize("freedom", [2, 3, 4, 9, 200])
@pytest.mark.parametrize("alpha", [0.05, 0.002])
def test_the_power_is_that_of_the_noncentral_t_distribution(noncentrality, freedom, alpha):
    bound = stats.t.ppf(1 - alpha / 2, freedom)
    expected = stats.nct.sf(bound, freedom, noncentrality)
    expected += stats.nct.cdf(-bound, freedom, noncentrality)
    assert power_of_t_test(noncentrality, freedom, alpha) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("difference", [0.02, 0.03, 0.1])
def test_simulated_seeds_find_the_difference_with_probability_0_8(difference):
    n = replicates_for(difference, 0.03, 0.05)
    assert n is not None
    rng = np.random.default_rng(0)

    def power(size: int) -> float:
        draws = rng.normal(difference, 0.03, size=(2000, size)).tolist()
        return float(np.mean([paired_t_p(row) < 0.05 for row in draws]))

    # 0.025 is nearly three standard errors of 2000 trials.
    assert power(n) >= 0.8 - 0.025
    assert n == 3 or power(n - 1) <= 0.8 + 0.025


def test_simulated_splits_find_the_difference_with_probability_0_8():
    """The differences of two splits have the correlation that Nadeau and Bengio assume."""
    share, difference = 0.1, 0.06
    n = replicates_for(difference, 0.05, 0.05, share)
    assert n is not None
    rho = share / (1 + share)
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(2000, 1)) * np.sqrt(rho)
    draws = shared + rng.normal(size=(2000, n)) * np.sqrt(1 - rho)
    # The spread within one sample is smaller than that of a single difference.
    draws = difference + 0.05 * draws / np.sqrt(1 - rho)
    found = np.mean([corrected_t_p(row, share) < 0.05 for row in draws.tolist()])
    assert found == pytest.approx(0.8, abs=0.06)


def test_no_number_of_splits_overcomes_their_overlap():
    """The error of the mean stays above spread * sqrt(share)."""
    assert replicates_for(0.01, 0.03, 0.05, 0.25) is None
    limit = smallest_difference(10**6, 0.03, 0.05, 0.25)
    assert limit == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * 0.015, rel=1e-3)
    assert replicates_for(limit * 0.999, 0.03, 0.05, 0.25) is None
    assert replicates_for(limit * 1.1, 0.03, 0.05, 0.25) is not None


def test_the_smallest_difference_is_the_inverse_of_the_number():
    for n in (4, 7, 30):
        smallest = smallest_difference(n, 0.03, 0.0125)
        assert replicates_for(smallest * 1.0001, 0.03, 0.0125) == n
        assert replicates_for(smallest * 0.9999, 0.03, 0.0125) == n + 1


def test_a_stricter_level_takes_more():
    numbers = [replicates_for(0.02, 0.03, 0.05 / comparisons) or 0 for comparisons in (1, 3, 20)]
    assert numbers == sorted(numbers) and len(set(numbers)) == 3
