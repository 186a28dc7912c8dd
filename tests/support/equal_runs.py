"""Compares the runs of two folders to the last bit."""

import json
from pathlib import Path

import torch

from seqsweep.training.checkpoints import load_sealed


def count_equal_runs(one: Path, other: Path) -> int:
    """Compares records, logs and checkpoints of the complete runs of two folders.

    Returns:
        the number of runs.
    """
    folders = [
        {path.parent.name: path.parent for path in folder.rglob("record.json")}
        for folder in (one, other)
    ]
    assert folders[0].keys() == folders[1].keys()
    for name in folders[0]:
        pair = [runs[name] for runs in folders]
        logs = [(run / "metrics.csv").read_bytes() for run in pair]
        assert logs[0] == logs[1], name
        metrics = [json.loads((run / "record.json").read_text())["metrics"] for run in pair]
        assert metrics[0] == metrics[1], name
        for checkpoint in ("best.ckpt", "last.ckpt"):
            saved = [load_sealed(run / "checkpoints" / checkpoint) for run in pair]
            assert saved[0]["epoch"] == saved[1]["epoch"], name
            first, second = (each["state_dict"] for each in saved)
            assert first.keys() == second.keys(), name
            assert all(torch.equal(first[key], second[key]) for key in first), name
    return len(folders[0])
