"""A metric's name says which way is better, and which test metric goes with it."""

import pytest

from seqsweep.runs.metrics_csv import compared_metric, is_bounded, lower_is_better, monitor_of


@pytest.mark.parametrize(
    ("configs", "monitor"),
    [
        ([], "val/acc"),
        ([{}, {"monitor": None}], "val/acc"),
        ([{"monitor": "val/f1"}] * 2, "val/f1"),
        ([{"monitor": "val/f1"}, {"monitor": "val/loss"}], "val/acc"),
        ([{"monitor": "val/f1"}, {}], "val/acc"),
    ],
)
def test_the_monitor_is_the_one_of_all_runs_or_the_default(configs, monitor):
    assert monitor_of(configs) == monitor


@pytest.mark.parametrize(
    ("monitor", "there", "compared"),
    [
        ("val/acc", ("val/acc", "test/acc", "test/f1"), "test/acc"),
        ("val/f1", ("val/f1", "test/acc", "test/f1"), "test/f1"),
        ("val/loss", ("val/loss", "test/acc", "test/loss"), "test/acc"),
        ("val/loss", ("val/loss", "test/loss"), "test/loss"),
        ("val/acc", ("val/acc", "train/loss"), "val/acc"),
        ("train/loss", ("train/loss",), "train/loss"),
        ("val/mine", (), "val/mine"),
    ],
)
def test_what_has_chosen_nothing_is_compared_first(monitor, there, compared):
    assert compared_metric(monitor, there) == compared


def test_losses_fall_and_have_no_bounds():
    assert [lower_is_better(name) for name in ("val/loss", "loss", "val/acc")] == [
        True,
        True,
        False,
    ]
    assert [is_bounded(name) for name in ("val/loss", "test/acc", "f1")] == [False, True, True]
