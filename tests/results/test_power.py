"""The number of replicates has the power that simulations find."""

import re
import statistics
from pathlib import Path

import numpy as np
import pytest
from replicate_runs import crossed, ranked
from scipy import stats

from seqsweep.results.power import needed_replicates_words, replicates_for, spread_bounds
from seqsweep.results.replicates import Replicate
from seqsweep.results.significance import signed_rank_p

NOISE = np.random.default_rng(0).normal(0, 0.02, size=(3, 30)).tolist()


@pytest.mark.parametrize("difference", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("comparisons", [1, 11, 99])
@pytest.mark.parametrize("share", [0.0, 0.04])
def test_the_number_is_the_fewest_by_the_noncentral_t_distribution(difference, comparisons, share):
    spread, alpha = 0.02, 0.05 / comparisons

    def power(n: int) -> float:
        noncentrality = difference / spread / (1 / n + share) ** 0.5
        return float(stats.nct.sf(stats.t.ppf(1 - alpha / 2, n - 1), n - 1, noncentrality))

    n = replicates_for(difference, spread, alpha, share)
    assert n is None or power(n) >= 0.8 > power(n - 1)


def by_seed(folder: Path, configs: int, seeds: int):
    runs = [(h, Replicate(seed=s)) for h in range(configs) for s in range(seeds)]
    return ranked(folder, runs, lambda h, r: 0.7 - h / 10 + NOISE[h][r.seed])


def test_so_many_seeds_find_the_difference_with_the_signed_rank_test(tmp_path):
    words = needed_replicates_words(by_seed(tmp_path, 2, 10), 0.025)
    sentence = "To find a difference of 0.025 in .* by a signed-rank test .* about (.*) seeds are"
    found = re.search(sentence, str(words))
    assert found is not None
    spread = statistics.stdev(NOISE[1][s] - NOISE[0][s] for s in range(10))
    draws = np.random.default_rng(0).normal(0.025, spread, size=(1000, int(found[1])))
    power = np.mean([signed_rank_p(row) < 0.05 for row in draws.tolist()])
    assert power == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize(("configs", "seeds", "first"), [(2, 3, 1), (9, 4, 3)])
def test_the_true_spread_is_in_its_interval(configs, seeds, first):
    """In 95 % of the cases with two configs, and in more with several, which share the first."""
    rng = np.random.default_rng(0)
    spread = np.hypot(1, first)
    inside = 0
    for _ in range(500):
        draws = rng.normal(size=(configs, seeds))
        groups = (draws[1:] - first * draws[0]).tolist()
        pooled = np.sqrt(np.mean([statistics.variance(group) for group in groups]))
        low, high = spread_bounds(groups)
        inside += low * pooled <= spread <= high * pooled
    assert inside >= 460
    assert configs > 2 or inside <= 490


def test_the_number_of_seeds_has_the_interval_of_the_spread(tmp_path):
    words = str(needed_replicates_words(by_seed(tmp_path, 2, 3), 0.001)).replace("\xa0", " ")
    found = re.search(r"about (.*) seeds are needed \(95 % interval: (.*) to (.*)\)\.", words)
    assert found is not None
    about, low, high = (int(text.replace(",", "")) for text in found.groups())
    # The number follows the square of the spread, apart from the smallest samples.
    factors = 2 / stats.chi2.ppf([0.975, 0.025], 2)
    assert [low / about, high / about] == pytest.approx(factors, rel=0.05)


def test_no_number_may_be_enough(tmp_path):
    """For splits the error of the mean stays above spread * sqrt(share)."""
    assert replicates_for(0.01, 0.03, 0.05, 0.25) is None
    limit = float(stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * 0.015
    assert replicates_for(limit * 0.999, 0.03, 0.05, 0.25) is None
    assert replicates_for(limit * 1.1, 0.03, 0.05, 0.25) is not None
    runs = crossed((0, 1), folds=5)
    board = ranked(tmp_path / "splits", runs, lambda h, r: 0.7 - h / 9 + NOISE[h][r.fold])
    words = str(needed_replicates_words(board, 0.001))
    assert "No number of splits up to 1,000,000 is enough" in words
    assert "splits are needed" in str(needed_replicates_words(board, 0.5))
    words = str(needed_replicates_words(by_seed(tmp_path / "seeds", 2, 8), 1e-7))
    assert "No number of seeds up to 1,000,000 is enough" in words
    # Runs without a spread have no number.
    assert needed_replicates_words(by_seed(tmp_path / "one", 2, 1), 0.1) is None
