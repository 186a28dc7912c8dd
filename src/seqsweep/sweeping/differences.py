"""The differences between two trainings of one run, read from their folders."""

import math
from pathlib import Path
from typing import Any

import torch

from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoints import load_sealed


def epochs_of(folder: Path) -> list[dict[str, float]]:
    """Returns the metrics of each epoch; an empty list for a run without metrics.csv."""
    return read_rows(folder / "metrics.csv")


def differences_by_epoch(one: Path, other: Path) -> list[dict[str, float]]:
    """Returns the absolute difference of each metric in each epoch that both runs have trained.

    A difference is NaN where only one of the runs has a finite number.
    """
    return [
        {
            name: abs(first.get(name, math.nan) - second.get(name, math.nan))
            for name in dict.fromkeys((*first, *second))
        }
        for first, second in zip(epochs_of(one), epochs_of(other), strict=False)
    ]


def weight_difference(one: Path, other: Path, name: str) -> float | None:
    """Returns the largest absolute difference of the weights in two checkpoints.

    Args:
        one, other: the folders of the runs.
        name: the file of the checkpoint, such as `last.ckpt`.

    Returns:
        NaN if a difference is not a number; None if the weights have other names.
    """
    first, second = (
        load_sealed(folder / "checkpoints" / name)["state_dict"] for folder in (one, other)
    )
    if first.keys() != second.keys():
        return None
    # Unlike Python's, torch's maximum is NaN if one of the numbers is.
    return float(torch.stack([(first[key] - second[key]).abs().max() for key in first]).max())


def metrics_of(folder: Path) -> dict[str, Any]:
    """Returns the metrics of a run's record."""
    return (RunFolder(folder).record() or {}).get("metrics", {})
