"""`sweep=cross_validation` and `sweep=splits` are repeated, folded into rows and extended."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
DATA = ("data=digits", "trainer.max_epochs=1", "diagnostics=false", "sweep.report=false")


def _records(folder: Path) -> dict[str, Any]:
    paths = folder.glob("outputs/sweeps/*/*/record.json")
    return {path.parent.name: json.loads(path.read_text()) for path in paths}


def test_a_cross_validation_is_one_row_for_each_config(seqsweep: Command, tmp_path: Path) -> None:
    command = ("train", "-m", *DATA, "sweep=cross_validation", "data.folds=3")
    first = seqsweep(*command, "model.hidden_size=4,8")
    assert first.code == 0, first.err
    assert "sweep of 6 runs" in first.out
    assert "over the replicates (3 folds, each with its own seed)" in first.out
    assert "corrected resampled t-test" in first.out
    before = _records(tmp_path)
    sizes = [record["splits"]["test"]["sequences"] for record in before.values()]
    assert sum(sizes) == 2 * 1797
    # The same command repeats nothing, and more values train only the new ones.
    more = seqsweep(*command, "model.hidden_size=4,8,12")
    assert "6 done, 3 to train" in more.out
    after = _records(tmp_path)
    assert len(after) == 9 and before.items() <= after.items()


def test_a_fold_has_the_bits_of_its_run_alone(seqsweep: Command, tmp_path: Path) -> None:
    swept = seqsweep("train", "-m", *DATA, "data.folds=3", "data.fold=range(3)", "seed=5")
    alone = seqsweep("train", *DATA, "data.folds=3", "data.fold=2", "seed=5")
    assert swept.code == alone.code == 0, swept.err + alone.err
    (path,) = tmp_path.glob("outputs/runs/*/*/record.json")
    single = json.loads(path.read_text())
    member = _records(tmp_path)[path.parent.name]
    assert member["metrics"] == single["metrics"] and member["splits"] == single["splits"]


def test_splits_extend_a_sweep_of_the_same_question(seqsweep: Command, tmp_path: Path) -> None:
    options = ("train", "-m", *DATA, "model.hidden_size=4,8", "sweep.name=same")
    assert seqsweep(*options).code == 0
    more = seqsweep(*options, "sweep=splits", "data.split_seed=range(3)")
    assert "2 done, 4 to train" in more.out, more.err
    assert "3 random splits, each with its own seed" in more.out
    assert len({r["splits"]["test"]["fingerprint"] for r in _records(tmp_path).values()}) == 3


def test_data_with_a_test_split_are_refused(seqsweep: Command, tmp_path: Path) -> None:
    result = seqsweep("train", "-m", "data=japanese_vowels", "sweep=cross_validation")
    assert result.code == 2
    assert "data.folds=5: must be null, because the data have a test split" in result.err
    assert not list(tmp_path.glob("outputs/sweeps/*/*/config.yaml"))
