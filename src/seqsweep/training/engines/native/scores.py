"""The metrics of the members of a pool, from the counts of the native library.

N results (training, then validation), C classes.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.elementary import macro_f1
from seqsweep.errors import RunDiverged
from seqsweep.native.step import Result
from seqsweep.runs.metrics_csv import EpochRow
from seqsweep.training.engines.native.member import PoolMember

Array = npt.NDArray[np.float64]


def scores(counts: npt.NDArray[Any]) -> dict[str, Array]:
    """Returns accuracy and macro-F1 (N,) from counts (N, C, C).

    The rows of the counts are the true classes.
    """
    hits = np.diagonal(counts, axis1=1, axis2=2)
    f1 = np.array(list(map(macro_f1, hits, counts.sum(1) + counts.sum(2))))
    return {"acc": hits.sum(1) / counts.sum((1, 2)), "f1": f1}


def why_diverged(row: EpochRow, epoch: int) -> RunDiverged | None:
    """Returns the error of a row whose loss or gradient is not finite, or None."""
    # An infinite gradient counts too: it spoils the weights while the losses are still finite.
    for name in ("train/loss", "val/loss", "train/grad_norm"):
        if not math.isfinite(row.get(name, 0.0)):
            return RunDiverged(name, row[name], epoch)
    return None


def rows_of(members: Sequence[PoolMember], results: Sequence[Result]) -> list[EpochRow]:
    """Returns a row of metrics for the epoch that each member has finished."""
    # The training sums come first, then the validation sums of the validated members.
    sums = [result.train for result in results]
    sums += [result.val for result in results if result.val is not None]
    scored = scores(np.stack([each.confusion for each in sums]))  # (N, C, C), all at once
    measured = zip(sums, scored["acc"].tolist(), scored["f1"].tolist(), strict=True)
    rows: list[EpochRow] = []
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
