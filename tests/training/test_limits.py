"""The best epoch is found, and a search ends or pauses a run, by its finished epochs alone."""

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
    ("monitor", "names", "rows", "best"),
    [
        ("val/loss", "val/loss", [0.5, 0.6, 0.4, 0.45], [0, 0, 2, 2]),
        # Equal accuracies are decided by the loss, then by the earlier epoch.
        (
            "val/acc",
            "val/acc val/loss",
            [(0.5, 1.0), (0.5, 1.1), (0.5, 0.9), (0.5, 0.9), (0.4, 0.1), (0.6, 3.0), (0.6, 3.0)],
            [0, 0, 2, 2, 2, 5, 5],
        ),
        # Without the metric the last epoch is the best.
        ("val/acc", "train/loss", [0.5, 0.6, 0.7], [0, 1, 2]),
        # As with trainer.check_val_every_n_epoch=2; an epoch with the metric is always better.
        (
            "val/acc",
            "train/loss val/acc val/loss",
            [(1.0,), (0.9, 0.1, 1.0), (0.8,), (0.7, 0.0, 1.0), (0.6, 0.2, 1.0)],
            [0, 1, 1, 1, 4],
        ),
    ],
)
def test_the_best_epoch_is_that_of_the_best_metric(monitor, names, rows, best):
    found, state = list[int | None](), BestEpoch(monitor)
    for epoch, row in enumerate(rows):
        values = row if isinstance(row, tuple) else (row,)
        state.see(epoch, dict(zip(names.split(), values, strict=False)), 0.1)
        found.append(state.best_epoch)
    assert found == best
    restored = BestEpoch(monitor)
    restored.load_state_dict(state.state_dict())
    assert restored.state_dict() == state.state_dict()
    assert restored.seconds == pytest.approx(0.1 * len(rows))


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
    ],
)
def test_the_best_value_decides_by_the_metrics_direction(monitor, values, threshold, is_pruned):
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
