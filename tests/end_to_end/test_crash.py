"""A sweep that is killed repeatedly ends like an undisturbed sweep."""

import importlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
BENCH = Path(__file__).parents[2] / "scripts" / "bench"
KILLS = 5


def test_a_sweep_killed_five_times_equals_an_undisturbed_one(
    seqsweep: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCH)
    crash: Any = importlib.import_module("crash")
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    alone.mkdir()
    killed.mkdir()
    overrides = (
        *crash.OVERRIDES,
        "trainer.max_epochs=100",  # seconds, by the native engine
        "data.batch_size=64",
        "callbacks.early_stopping.patience=25",
        # On a busy machine three kills may strike a run before its next checkpoint. That counts as
        # a failure, and is tried again.
        "sweep.on_error=retry",
    )
    assert seqsweep("train", f"output_dir={alone}", *overrides).code == 0
    training = 0.3 * crash.training_seconds(alone)  # the machine may be quicker the next time
    kills, in_write = crash.disturb(killed, overrides, KILLS, random.Random(0), training)
    assert (kills, in_write > 0) == (KILLS, True)
    assert seqsweep("train", f"output_dir={killed}", *overrides).code == 0
    assert len(crash.runs(killed)) == 12
    assert crash.mismatches(killed, alone) == []

    again = seqsweep("train", f"output_dir={killed}", *overrides)
    assert "12 done, 0 to train" in again.out
