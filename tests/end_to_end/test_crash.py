"""A sweep that is killed repeatedly ends like an undisturbed sweep."""

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "crash.py"
KILLS = 5


@pytest.fixture(scope="module")
def crash() -> Any:
    """Imports the script scripts/bench/crash.py as a module."""
    spec = importlib.util.spec_from_file_location("crash", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_sweep_killed_five_times_equals_an_undisturbed_one(
    crash: Any, seqsweep: Command, tmp_path: Path
) -> None:
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
