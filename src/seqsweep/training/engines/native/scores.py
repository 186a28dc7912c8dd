"""The scores of an epoch, from counts and rows of metrics.

K members, C classes.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.models.module import Diverged

Array = npt.NDArray[np.float64]


def scores(counts: npt.NDArray[Any]) -> dict[str, Array]:
    """Returns accuracy and macro-F1 (K,) from counts (K, C, C).

    The rows of the counts are the true classes. Macro-F1 is the mean over the classes that occur,
    as labels or as predictions.
    """
    table = counts.astype(np.float64)
    hits = np.diagonal(table, axis1=1, axis2=2)
    # F1 is 2 TP / (labelled + predicted), which needs neither precision nor recall. It is that of
    # `models.metrics` and of the baselines, which add up in another order: to share one of them
    # would change the last bit of every fourth score.
    seen = table.sum(1) + table.sum(2)
    f1 = np.divide(2 * hits, seen, out=np.zeros_like(hits), where=seen > 0)
    return {
        "acc": hits.sum(1) / table.sum((1, 2)),
        "f1": f1.sum(1) / (seen > 0).sum(1),
    }


def metrics_of(row: Mapping[str, Any]) -> dict[str, float]:
    """Returns the row of an epoch without its counters."""
    return {name: value for name, value in row.items() if name not in ("epoch", "step")}


def why_diverged(row: Mapping[str, Any], epoch: int) -> Diverged | None:
    """Returns the error of a row that is not finite, or None."""
    # The gradient counts too: an infinite one spoils the weights while the losses are still finite.
    for name in ("train/loss", "val/loss", "train/grad_norm"):
        if not math.isfinite(row.get(name, 0.0)):
            return Diverged(name, row[name], epoch)
    return None
