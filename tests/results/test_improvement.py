"""The probability of improvement is a share of pairs, with the ideal bootstrap's interval."""

import numpy as np
import pytest
from scipy import stats

from seqsweep.results.improvement import improvement


def test_it_is_the_share_of_pairs_and_a_tie_counts_half():
    found = improvement([0.1, 0.2, 0.0, -0.1])
    assert found is not None and found.probability == 2.5 / 4
    lower = improvement([0.1, 0.2, 0.0, -0.1], lower=True)
    assert lower is not None and lower.probability == 1.5 / 4
    assert improvement([]) is None


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_is_that_of_very_many_resamples(seed):
    rng = np.random.default_rng(seed)
    differences = rng.normal(0.3, 1, size=int(rng.integers(5, 15))).round(0)
    found = improvement(differences.tolist())
    assert found is not None
    points = np.where(differences > 0, 1.0, np.where(differences == 0, 0.5, 0.0))
    resamples = rng.choice(points, size=(200_000, len(points))).mean(axis=1)
    low, high = np.percentile(resamples, [2.5, 97.5])
    step = 0.5 / len(points)
    assert abs(found.low - low) <= step + 1e-9 and abs(found.high - high) <= step + 1e-9


def test_many_pairs_have_the_limit_of_the_exact_interval():
    differences = [1.0, 1.0, 0.0, -1.0, 1.0] * 21
    many, fewer = improvement(differences), improvement(differences[:100])
    assert many is not None and fewer is not None and many.n == 105
    assert (many.low, many.high) == pytest.approx((fewer.low, fewer.high), abs=0.01)


def test_losses_mirror_wins():
    differences = [0.1, 0.2, 0.0, -0.1, 0.3]
    one, other = improvement(differences), improvement([-d for d in differences])
    assert one is not None and other is not None
    assert (1 - one.high, 1 - one.low) == pytest.approx((other.low, other.high), abs=0.11)
    assert one.probability == 1 - other.probability


@pytest.mark.parametrize("n", [1, 3, 8])
def test_pairs_that_all_agree_have_an_interval_too(n):
    """It is that of Clopper and Pearson, as the bootstrap would be certain after one pair."""
    wins, losses, ties = (improvement([sign] * n) for sign in (1.0, -1.0, 0.0))
    assert wins is not None and losses is not None and ties is not None
    bound = stats.binomtest(n, n).proportion_ci().low
    assert (wins.low, wins.high) == pytest.approx((bound, 1))
    assert (losses.low, losses.high) == pytest.approx((0, 1 - bound))
    assert (ties.low + ties.high) / 2 == pytest.approx(0.5) and ties.low == pytest.approx(bound / 2)
