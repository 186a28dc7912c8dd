"""The rows of the epochs that a task has trained.

K members, C classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqsweep.native.step import Result, Sums
from seqsweep.training.pools.member import PoolMember
from seqsweep.training.together.metrics import scores


def rows_of(members: Sequence[PoolMember], results: Sequence[Result]) -> list[dict[str, Any]]:
    """The row of each member's epoch: its counters, lr, metrics of training and validation."""
    rows = [
        {
            "epoch": member.epochs,
            "step": member.native.steps,
            "lr": member.schedule.options(member.epochs)["lr"],
        }
        for member in members
    ]
    _add("train", rows, [result.train for result in results])
    for row, result in zip(rows, results, strict=True):
        row["train/grad_norm"] = result.train.grad_norm
    validated = [index for index, result in enumerate(results) if result.val is not None]
    if validated:
        sums = [results[index].val for index in validated]
        _add("val", [rows[index] for index in validated], [s for s in sums if s is not None])
    return rows


def _add(split: str, rows: Sequence[dict[str, Any]], sums: Sequence[Sums]) -> None:
    found = scores(np.stack([each.confusion for each in sums]))
    acc, f1 = found["acc"].tolist(), found["f1"].tolist()
    for index, (row, each) in enumerate(zip(rows, sums, strict=True)):
        row[f"{split}/loss"] = each.loss
        row[f"{split}/acc"], row[f"{split}/f1"] = acc[index], f1[index]
