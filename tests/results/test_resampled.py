"""The corrected resampled t-test: its formula, its limits, its error rate on simulated folds."""

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from seqsweep.results.measures import (
    corrected_estimate,
    corrected_t_p,
    resampled_differences,
    split_means,
)
from seqsweep.results.replicates import Replicate
from seqsweep.results.significance import paired_t_p

SHARE = 0.25
VALUES = [0.03, -0.01, 0.02, 0.05, 0.01]


def by_fold(values: list[float]) -> dict[Replicate, float]:
    return {Replicate(fold): value for fold, value in enumerate(values)}


def test_p_and_interval_have_the_formula_of_nadeau_and_bengio():
    n, mean, std = len(VALUES), statistics.fmean(VALUES), statistics.stdev(VALUES)
    error = std * math.sqrt(1 / n + SHARE)
    assert corrected_t_p(VALUES, SHARE) == pytest.approx(2 * stats.t.sf(mean / error, n - 1))
    found = corrected_estimate(by_fold(VALUES), SHARE)
    half = stats.t.ppf(0.975, n - 1) * error
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))
    assert (found.n, found.mean, found.std) == pytest.approx((n, mean, std))
    # Without an overlap it is the paired t-test.
    assert corrected_t_p(VALUES, 0.0) == pytest.approx(paired_t_p(VALUES))


def test_the_seeds_of_a_split_are_one_sample():
    """More seeds on the same folds make the means of the folds exacter, not more numerous."""
    sample = {Replicate(f, 0, s): v + (s - 1) / 100 for f, v in enumerate(VALUES) for s in range(3)}
    assert split_means(sample) == pytest.approx(VALUES)
    ours, single = corrected_estimate(sample, SHARE), corrected_estimate(by_fold(VALUES), SHARE)
    assert (ours.low, ours.high) == pytest.approx((single.low, single.high))
    assert ours.n == 15 and ours.std is not None and ours.std > 0
    # The mean is that over splits, also if one of them has more seeds than the others.
    sample = by_fold(VALUES) | {Replicate(0, 0, seed): 0.03 for seed in range(1, 20)}
    found = corrected_estimate(sample, SHARE)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (statistics.fmean(VALUES), single.low, single.high)
    )


def test_differences_are_corrected_by_holm_and_paired_by_replicate():
    rng = np.random.default_rng(0)
    samples = [by_fold(list(base + rng.normal(0, 0.01, 10))) for base in (0.9, 0.7, 0.899)]
    del samples[1][Replicate(3)]
    best, far, near = resampled_differences(samples, SHARE)
    assert (best.verdict, far.verdict, near.verdict) == ("best", "different", "indistinguishable")
    assert (far.n, near.n) == (9, 10)
    assert far.adjusted == pytest.approx(2 * (far.p or 0))
    values = [samples[1][key] - samples[0][key] for key in samples[1]]
    assert far.p == pytest.approx(corrected_t_p(values, SHARE))


@pytest.mark.parametrize(
    ("values", "share", "verdict"),
    [
        ([0.1, 0.2], SHARE, "undecided"),
        ([-0.1] * 4, SHARE, "undecided"),
        (VALUES, None, "undecided"),
        ([0.0] * 3, SHARE, "indistinguishable"),
    ],
)
def test_few_equal_or_unknown_splits_leave_a_comparison_undecided(values, share, verdict):
    samples = [by_fold([0.5] * len(values)), by_fold([0.5 + value for value in values])]
    assert resampled_differences(samples, share)[1].verdict == verdict
    assert share is None or corrected_t_p(values, share) == 1.0


def test_correlated_differences_are_rarely_significant_and_the_plain_test_errs_often():
    """Nadeau and Bengio assume the correlation n_test / (n_test + n_train) between splits."""
    rng, trials, splits = np.random.default_rng(1), 2000, 10
    rho = SHARE / (1 + SHARE)
    shared = rng.normal(size=(trials, 1)) * math.sqrt(rho)
    draws = shared + rng.normal(size=(trials, splits)) * math.sqrt(1 - rho)
    corrected = np.mean([corrected_t_p(list(row), SHARE) < 0.05 for row in draws.tolist()])
    plain = np.mean([paired_t_p(list(row)) < 0.05 for row in draws.tolist()])
    assert corrected == pytest.approx(0.05, abs=0.015)
    assert plain > 0.2
