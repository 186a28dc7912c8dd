"""The best epoch is found, and a search ends or pauses a run, by its finished epochs alone."""

import math
import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn

from seqsweep.training.callbacks import EarlyStop
from seqsweep.training.limits import BestEpoch, Limits, Patience, Paused, Pruned


def seen(monitor: str, values: Sequence[float | None]) -> BestEpoch:
    """The best epoch after epochs with these values; None is an epoch without validation."""
    best = BestEpoch(monitor)
    for epoch, value in enumerate(values):
        best.see(epoch, {"train/loss": 1.0} | ({} if value is None else {monitor: value}), 0.1)
    return best


@pytest.mark.parametrize(
    ("monitor", "names", "rows", "best"),
    [
        # Equal accuracies are decided by the loss, then by the earlier epoch.
        (
            "val/acc",
            "val/acc val/loss",
            [(0.5, 1.0), (0.5, 1.1), (0.5, 0.9), (0.5, 0.9), (0.4, 0.1), (0.6, 3.0), (0.6, 3.0)],
            [0, 0, 2, 2, 2, 5, 5],
        ),
        # A value that is not finite is worse than any other, and than none before.
        ("val/loss", "val/loss", [math.inf, math.nan, 0.4, -math.inf, math.nan], [0, 1, 2, 2, 2]),
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
        ("val/acc", [0.5, 0.4], 0.51, True),
        ("val/loss", [0.5, 0.9], 0.5, False),
        ("val/loss", [0.5, 0.9], 0.49, True),
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
        assert end.value == values[0] or (end.value is None and math.isnan(values[0] or 0))


def test_a_run_pauses_at_its_last_epoch_or_later_unless_it_is_pruned():
    limits = Limits({2: 0.9}, until=2)
    assert limits.judge(seen("val/acc", [0.1])) is None
    assert limits.judge(seen("val/acc", [0.95, 0.2])) == Paused(2)
    assert limits.judge(seen("val/acc", [0.1] * 3)) == Paused(3)
    assert limits.judge(seen("val/acc", [0.1, 0.2])) == Pruned(2, 0.2, 0.9)


def test_limits_survive_a_file():
    for limits in (Limits({1: 0.1, 3: 1 / 3}), Limits({1: 0.1}, 4)):
        assert Limits.from_plain(limits.plain()) == limits


def lightnings_end(stop: EarlyStop, values: Sequence[float]) -> int | None:
    """Returns the index of the value after which Lightning's early stopping ends a run."""
    trainer: Any = SimpleNamespace(
        state=SimpleNamespace(fn=TrainerFn.FITTING), sanity_checking=False, fast_dev_run=False,
        val_check_interval=1.0, check_val_every_n_epoch=1, should_stop=False, current_epoch=0,
        strategy=SimpleNamespace(reduce_boolean_decision=lambda decision, all: decision),
    )  # fmt: skip
    module: Any = None
    stop.setup(trainer, module, "fit")
    for index, value in enumerate(values):
        trainer.callback_metrics = {stop.monitor: torch.tensor(value)}
        stop.on_train_epoch_end(trainer, module)
        if trainer.should_stop:
            return index
    return None


@pytest.mark.parametrize("monitor", ["val/loss", "val/acc"])
@pytest.mark.parametrize("min_delta", [0.0, 0.1])
@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("goal", [None, 0.5])
def test_native_runs_stop_early_where_lightning_does(monitor, min_delta, patience, goal):
    """Some numbers differ only in float64, which Lightning does not use, or are not finite."""
    given = (monitor, patience, min_delta, goal)
    draw, ends = random.Random(0), set[int | None]()
    for _ in range(100):
        odd = [0, 1e-9, 0, 1e-9, math.nan, math.inf, -math.inf]
        values = [draw.randint(0, 9) / 10 + draw.choice(odd) for _ in range(12)]
        end = lightnings_end(EarlyStop(*given), values)
        ends.add(end)
        whole = Patience(*given)
        seen_at = next((n for n, value in enumerate(values) if whole.see(value)), None)
        assert seen_at == end
        # A run that is resumed after each validation goes on in the same way.
        state = Patience(*given).state_dict()
        for n, value in enumerate(values):
            resumed = Patience(*given)
            resumed.load_state_dict(state)
            assert resumed.is_over is False
            if resumed.see(value):
                assert n == end and resumed.is_over
                break
            state = resumed.state_dict()
    assert len(ends) > 2


@pytest.mark.parametrize(
    ("monitor", "values", "end"),
    [
        ("val/acc", [0.9, 1.0, 0.8, 1.0, 1.0, 1.0], 5),
        ("val/loss", [0.2, 0.2, math.nan, 0.2, 0.2], None),
    ],
)
def test_with_a_goal_only_validations_in_a_row_that_reach_it_end_a_run(monitor, values, end):
    whole = Patience(monitor, patience=3, goal=1.0 if monitor == "val/acc" else 0.2)
    assert next((n for n, value in enumerate(values) if whole.see(value)), None) == end
