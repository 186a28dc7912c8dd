"""Compares the runs of two folders to the last bit."""

import json
from pathlib import Path
from typing import Any

from run_files import plain

from seqsweep.training.checkpoint_files import load_sealed


def count_equal_runs(one: Path, other: Path) -> int:
    """Compares the complete runs of two folders; returns their number."""
    found, expected = (sorted(folder.rglob("record.json")) for folder in (one, other))
    assert {path.parent.name for path in found} == {path.parent.name for path in expected}
    theirs = {path.parent.name: results_of(path.parent) for path in expected}
    for path in found:
        assert results_of(path.parent) == theirs[path.parent.name], path.parent.name
    return len(theirs)


def results_of(run: Path) -> tuple[Any, ...]:
    """Returns the log, the metrics of the record, and the weights and epochs of checkpoints."""
    saved = [load_sealed(run / "checkpoints" / f"{name}.ckpt") for name in ("best", "last")]
    weights = [(content["epoch"], plain(content["state_dict"])) for content in saved]
    metrics = json.loads((run / "record.json").read_text())["metrics"]
    return (run / "metrics.csv").read_bytes(), metrics, weights
