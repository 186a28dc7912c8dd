"""The rows of metrics of the epochs that a task has trained.

N sums of K members, C classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqsweep.native.step import Result
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.scores import scores


def rows_of(members: Sequence[PoolMember], results: Sequence[Result]) -> list[dict[str, Any]]:
    """Returns the row of each member's epoch: counters, lr, training and validation metrics."""
    # The sums of training come first, then those of the members that were validated.
    sums = [result.train for result in results]
    sums += [result.val for result in results if result.val is not None]
    scored = scores(np.stack([each.confusion for each in sums]))  # (N, C, C), all at once
    measured = zip(sums, scored["acc"].tolist(), scored["f1"].tolist(), strict=True)
    rows: list[dict[str, Any]] = []
    for member in members:
        train, acc, f1 = next(measured)
        rows.append(
            {
                "epoch": member.epochs,
                "step": member.native.steps,
                "lr": member.schedule.options(member.epochs)["lr"],
                "train/loss": train.loss,
                "train/acc": acc,
                "train/f1": f1,
                "train/grad_norm": train.grad_norm,
            }
        )
    for row, result in zip(rows, results, strict=True):
        if result.val is not None:
            val, acc, f1 = next(measured)
            row |= {"val/loss": val.loss, "val/acc": acc, "val/f1": f1}
    return rows
