"""Runs that differ in seed, fold or split seed repeat one config; the words say what varied."""

import pytest
from replicate_runs import crossed, ranked

from seqsweep.results.replicates import Replicate, varied_words
from seqsweep.results.tables import leaderboard_notes


@pytest.mark.parametrize(
    ("replicates", "words"),
    [
        ([Replicate()], "1 seed"),
        ([Replicate(seed=s) for s in range(3)], "3 seeds"),
        ([Replicate(f, seed=f) for f in range(5)], "5 folds, each with its own seed"),
        ([Replicate(0, p, p) for p in range(4)], "4 random splits, each with its own seed"),
        ([Replicate(f, p) for f in range(3) for p in (0, 1)], "3 folds x 2 split seeds, one seed"),
        ([Replicate(), Replicate(1, 1, 1)], "2 runs over 2 folds, 2 split seeds and 2 seeds"),
    ],
)  # fmt: skip
def test_the_words_say_what_varied(replicates, words):
    assert varied_words(replicates) == words


def test_configs_are_paired_by_the_replicates_that_they_share(tmp_path):
    """The second config has the folds 0 to 2 of 5."""
    runs = [run for run in crossed((0, 1)) if run[0] == 0 or run[1].fold < 3]
    board = ranked(tmp_path, runs, lambda h, r: 0.9 - h / 10 - r.fold / 20 + h * r.fold**2 / 100)
    assert [row.config["h"] for row in board.rows] == [0, 1]
    difference = board.rows[1].difference
    assert difference is not None and difference.n == 3
    assert difference.interval is not None
    expected = sum(-0.1 + fold**2 / 100 for fold in range(3)) / 3
    assert difference.interval.mean == pytest.approx(expected)


def test_configs_without_a_shared_fold_are_ranked_with_a_note_and_not_compared(tmp_path):
    runs = [run for run in crossed((0, 1), folds=4) if (run[0] == 0) == (run[1].fold < 2)]
    board = ranked(tmp_path, runs)
    assert board.rows[1].difference is None
    assert board.rows[1].apart == "no shared replicate"
    note = "[yellow]no split is common to all configs: each is ranked by its own splits[/]"
    assert note in leaderboard_notes(board)


def test_a_split_seed_without_effect_is_a_seed(tmp_path):
    """All splits are given, so the split seed changes nothing, and the seeds are independent."""
    runs = [(h, Replicate(0, s, s)) for h in (0, 1) for s in range(7)]
    board = ranked(tmp_path, runs, lambda h, r: 0.9 - h / 10 - r.seed / 100, has_effect=False)
    assert not board.variation.resampled
    assert board.rows[1].difference is not None
    assert board.rows[1].difference.verdict == "different"
    assert board.rows[1].difference.p == pytest.approx(2 / 2**7)


def test_the_notes_name_what_varied_and_the_test(tmp_path):
    board = ranked(tmp_path / "a", crossed((0, 1), folds=3, seeds=2))
    assert (board.keys, [row.n for row in board.rows]) == (["h"], [6, 6])
    shares = [board.variation.share(metric) for metric in ("test/acc", "val/acc", "params")]
    assert shares == pytest.approx([20 / 80, 10 / 80, 20 / 80])
    notes = "\n".join(leaderboard_notes(board))
    assert "± is one standard deviation over the replicates (3 folds x 2 seeds)" in notes
    assert "1 config differs from the first in test/acc" in notes
    assert "paired by replicate, corrected resampled t-test, Holm, 5%" in notes
    close = ranked(tmp_path / "b", crossed((0, 1)), lambda h, r: 0.5 + (h * 2 - 1) * (-1) ** r.fold)
    assert any(note.startswith("≈") and "corrected" in note for note in leaderboard_notes(close))
    # Without sizes of the splits there is no test.
    board = ranked(tmp_path / "c", crossed((0, 1)), has_sizes=False)
    difference = board.rows[1].difference
    assert difference is not None and difference.verdict == "undecided"
    assert difference.interval is not None and difference.interval.low is None
    assert board.rows[0].metrics["test/acc"].low is None
    assert "the sizes of the splits are unknown" in "\n".join(leaderboard_notes(board))


def test_runs_that_a_split_seed_does_not_change_are_one_replicate(tmp_path):
    """Ten equal runs are no sample of ten: they would make any difference significant."""
    runs = [(h, Replicate(0, s)) for h in (0, 1) for s in range(10)]
    # The runs of the two configs ended in another order, so other runs are the newest.
    runs = runs[:10] + runs[:9:-1]
    board = ranked(tmp_path, runs, lambda h, r: 0.9 - h / 10, has_effect=False)
    assert [row.n for row in board.rows] == [1, 1]
    difference = board.rows[1].difference
    assert difference is not None and (difference.n, difference.verdict) == (1, "undecided")
    assert board.left_out == 18
    note = "[yellow]18 runs left out: a newer run has the same config, data and seed[/]"
    assert note in leaderboard_notes(board)


def test_an_unfinished_config_with_the_easy_folds_is_not_first(tmp_path):
    """The second config is worse on each fold, but has only the two that are easy."""
    runs = [run for run in crossed((0, 1)) if run[0] == 0 or run[1].fold >= 3]
    board = ranked(tmp_path, runs, lambda h, r: 0.5 + r.fold / 10 - h / 100 - h * r.fold / 1000)
    assert [row.config["h"] for row in board.rows] == [0, 1]
    own = [row.metrics["val/acc"].mean for row in board.rows]
    assert own[0] < own[1]
    assert "[yellow]ranked by the 2 splits that all configs have[/]" in leaderboard_notes(board)


def test_a_cross_validation_with_one_complete_fold_asks_for_the_other_folds(tmp_path):
    runs = [(h, Replicate()) for h in (0, 1)]
    assert leaderboard_notes(ranked(tmp_path, runs, folds=5)) == [
        "[dim]one of 5 folds per config is complete: no confidence intervals and no tests. A"
        " corrected t-test needs at least 3 folds: 'data.fold=range(5)'[/]"
    ]


def test_each_reason_against_a_test_has_its_configs(tmp_path):
    """The second config lacks two folds, and the third is as much worse on each fold."""
    runs = [run for run in crossed((0, 1, 2), folds=4) if run[0] != 1 or run[1].fold < 2]
    board = ranked(tmp_path, runs, lambda h, r: 0.9 - h / 10 - (h == 1) * r.fold / 100)
    note = next(note for note in leaderboard_notes(board) if "not tested" in note)
    assert "1 of 3 configs not tested: 2 shared splits are too few" in note
    assert "1 of 3 configs not tested: the difference is the same on all splits" in note
