"""Runs that differ in seed, fold or split seed repeat one config: its words, tests and power."""

import statistics
from pathlib import Path

import numpy as np
import pytest
from replicate_runs import crossed, ranked
from scipy import stats

from seqsweep.results.measures import (
    corrected_estimate,
    split_means,
)
from seqsweep.results.power import (
    needed_replicates,
    plan_replicates,
    replicates_for,
    spread_bounds,
)
from seqsweep.results.replicates import Replicate, varied_words
from seqsweep.results.significance import signed_rank_p
from seqsweep.results.words import leaderboard_notes
from seqsweep.runs.metrics import as_metric
from seqsweep.sweeping.reproduce import reproduce
from seqsweep.using.find_run import find_run


@pytest.mark.parametrize(
    ("replicates", "words"),
    [
        ([Replicate(seed=s) for s in range(3)], "3 seeds"),
        ([Replicate(0, p, p) for p in range(4)], "4 random splits, each with its own seed"),
        ([Replicate(f, p) for f in range(3) for p in (0, 1)], "3 folds x 2 split seeds, one seed"),
        ([Replicate(), Replicate(1, 1, 1)], "2 runs over 2 folds, 2 split seeds and 2 seeds"),
    ],
)  # fmt: skip
def test_the_words_say_what_varied(replicates, words):
    assert varied_words(replicates) == words


def test_the_notes_name_what_varied_and_the_test(tmp_path):
    board = ranked(tmp_path / "a", crossed((0, 1), folds=3, seeds=2))
    assert (board.keys, [row.n for row in board.rows]) == (["h"], [6, 6])
    names = map(as_metric, ("test/acc", "val/acc", "params"))
    shares = [board.variation.share(metric) for metric in names]
    assert shares == pytest.approx([20 / 80, 10 / 80, 20 / 80])
    notes = "\n".join(leaderboard_notes(board))
    assert "± is one standard deviation over the replicates (3 folds x 2 seeds)" in notes
    close = ranked(tmp_path / "b", crossed((0, 1)), lambda h, r: 0.5 + (h * 2 - 1) * (-1) ** r.fold)
    test = "in test/acc (paired by replicate, corrected resampled t-test, Holm, 5%)"
    assert any(note.startswith("≈") and test in note for note in leaderboard_notes(close))
    # Without sizes of the splits there is no test.
    board = ranked(tmp_path / "c", crossed((0, 1)), has_sizes=False)
    difference = board.rows[1].difference
    assert difference is not None and difference.verdict == "undecided"
    assert difference.interval is not None and difference.interval.low is None
    assert board.rows[0].metrics["test/acc"].low is None
    assert "the sizes of the splits are unknown" in "\n".join(leaderboard_notes(board))


def test_runs_that_a_split_seed_does_not_change_are_one_replicate(tmp_path):
    """Ten equal runs are not a sample of ten: they would make any difference significant."""
    runs = [(h, Replicate(0, s)) for h in (0, 1) for s in range(10)]
    # The runs of the two configs ended in another order, so other runs are the newest.
    runs = runs[:10] + runs[:9:-1]
    board = ranked(tmp_path, runs, lambda h, r: 0.9 - h / 10, has_effect=False)
    assert [row.n for row in board.rows] == [1, 1]
    difference = board.rows[1].difference
    assert difference is not None and (difference.n, difference.verdict) == (1, "undecided")
    assert board.left_out == 18
    note = "18 runs left out: a newer run has the same config, data and seed"
    assert note in leaderboard_notes(board)


def test_an_unfinished_config_with_the_easy_folds_is_not_first(tmp_path):
    """The second config is worse on each fold, but has only the two that are easy."""
    runs = [run for run in crossed((0, 1)) if run[0] == 0 or run[1].fold >= 3]
    board = ranked(tmp_path, runs, lambda h, r: 0.5 + r.fold / 10 - h / 100 - h * r.fold / 1000)
    assert [row.config["h"] for row in board.rows] == [0, 1]
    own = [row.metrics["val/acc"].mean for row in board.rows]
    assert own[0] < own[1]
    assert "ranked by the 2 splits that all configs have" in leaderboard_notes(board)


SHARE = 0.25
VALUES = [0.03, -0.01, 0.02, 0.05, 0.01]


def by_fold(values: list[float]) -> dict[Replicate, float]:
    return {Replicate(fold): value for fold, value in enumerate(values)}


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


NOISE = np.random.default_rng(0).normal(0, 0.02, size=(3, 30)).tolist()


@pytest.mark.parametrize("difference", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("comparisons", [1, 11, 99])
@pytest.mark.parametrize("share", [0.0, 0.04])
def test_the_number_is_almost_that_of_the_noncentral_t(difference, comparisons, share):
    spread, alpha = 0.02, 0.05 / comparisons

    def power(n: int) -> float:
        noncentrality = difference / spread / (1 / n + share) ** 0.5
        return float(stats.nct.sf(stats.t.ppf(1 - alpha / 2, n - 1), n - 1, noncentrality))

    n = replicates_for(difference, spread, alpha, share)
    slack = 1 + (n or 0) // 20
    assert n is None or power(n + slack) >= 0.8 > power(n - slack)


def by_seed(folder: Path, configs: int, seeds: int):
    runs = [(h, Replicate(seed=s)) for h in range(configs) for s in range(seeds)]
    return ranked(folder, runs, lambda h, r: 0.7 - h / 10 + NOISE[h][r.seed])


def test_so_many_seeds_find_the_difference_with_the_signed_rank_test(tmp_path):
    seeds_needed = needed_replicates(by_seed(tmp_path, 2, 10), 0.025)
    assert seeds_needed is not None and seeds_needed["n"] is not None
    spread = statistics.stdev(NOISE[1][s] - NOISE[0][s] for s in range(10))
    draws = np.random.default_rng(0).normal(0.025, spread, size=(1000, seeds_needed["n"]))
    power = np.mean([signed_rank_p(row) < 0.05 for row in draws.tolist()])
    assert power == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize(("configs", "seeds", "first"), [(2, 3, 1), (9, 4, 3)])
def test_the_true_spread_is_in_its_interval(configs, seeds, first):
    """The share is 95 % with two configs, and more with several, which share the first."""
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


def test_no_number_may_be_enough(tmp_path):
    """The error of the mean over splits stays above spread * sqrt(share)."""
    runs = crossed((0, 1), folds=5)
    board = ranked(tmp_path / "splits", runs, lambda h, r: 0.7 - h / 9 + NOISE[h][r.fold])
    assert needed_replicates(board, 0.001) == {"n": None, "low": None, "high": None}
    seeds_needed = needed_replicates(board, 0.5)
    assert seeds_needed is not None and seeds_needed["n"] is not None
    # Runs without a spread have no number.
    assert needed_replicates(by_seed(tmp_path / "one", 2, 1), 0.1) is None


def test_splits_are_counted_where_splits_are_needed(tmp_path):
    """Three seeds of each of five folds are five splits, and `more` is a number of splits."""
    plans = [plan_replicates(ranked(tmp_path / str(n), crossed((1, 2), seeds=n))) for n in (1, 3)]
    assert [plan and plan["have"] for plan in plans] == [5, 5]


def test_the_best_run_is_one_everywhere(tmp_path):
    """`predict` and `reproduce` name the best run of the best config on its first fold."""
    runs = crossed((1,), folds=2, seeds=3)
    found = ranked(tmp_path, runs, lambda h, r: (1 + r.seed % 2 + 3 * r.fold) / 9)
    assert (found.best.config["data.fold"], found.best.config["seed"]) == (0, 1)
    assert find_run(tmp_path)[0] == found.best.folder.path
    with pytest.raises(ValueError, match=found.best.folder.run_id):
        reproduce(tmp_path)
