"""A search's limits end or pause a run by its finished epochs alone."""

import math
from collections.abc import Sequence

import pytest

from seqsweep.training.limits import BestEpoch, Limits, Paused, Pruned


def seen(monitor: str, values: Sequence[float | None]) -> BestEpoch:
    """The best epoch after epochs with these values; None is an epoch without validation."""
    best = BestEpoch(monitor)
    for epoch, value in enumerate(values):
        best.see(epoch, {"train/loss": 1.0} | ({} if value is None else {monitor: value}), 0.1)
    return best


@pytest.mark.parametrize(
    ("monitor", "values", "threshold", "is_pruned"),
    [
        ("val/acc", [0.5, 0.4], 0.5, False),
        ("val/acc", [0.5, 0.4], 0.51, True),
        ("val/loss", [0.5, 0.9], 0.5, False),
        ("val/loss", [0.5, 0.9], 0.49, True),
        ("val/acc", [0.5, None], 0.6, True),
        ("val/acc", [None, None], 0.6, False),
        ("val/acc", [math.nan, math.nan], 0.1, True),
        ("val/acc", [0.1], 0.9, False),  # only the epoch of a threshold is judged
        ("val/acc", [0.1, 0.2, 0.3], 0.9, False),
    ],
)
def test_the_best_value_so_far_decides_in_the_direction_of_the_metric(
    monitor, values, threshold, is_pruned
):
    end = Limits({2: threshold}).judge(seen(monitor, values))
    assert isinstance(end, Pruned) == is_pruned
    if isinstance(end, Pruned):
        assert (end.epoch, end.threshold) == (2, threshold)
        assert end.value == values[0] or math.isnan(end.value or 0)


def test_a_run_pauses_at_its_last_epoch_or_later_unless_it_is_pruned():
    limits = Limits({2: 0.9}, until=2)
    assert limits.judge(seen("val/acc", [0.1])) is None
    assert limits.judge(seen("val/acc", [0.95, 0.2])) == Paused(2)
    assert limits.judge(seen("val/acc", [0.1] * 3)) == Paused(3)
    assert limits.judge(seen("val/acc", [0.1, 0.2])) == Pruned(2, 0.2, 0.9)


def test_limits_survive_a_file():
    for limits in (Limits({1: 0.1, 3: 1 / 3}), Limits({1: 0.1}, 4)):
        assert Limits.from_plain(limits.plain()) == limits
    assert Limits.from_plain(None) is None
