"""What a metric's name says: which way is better, which one ranks runs, which one compares them."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from seqsweep.runs.identity import is_below
from seqsweep.runs.ledger import differing_keys

DEFAULT_MONITOR = "val/acc"


def lower_is_better(metric: str) -> bool:
    """
    >>> lower_is_better("val/loss"), lower_is_better("val/acc")
    (True, False)
    """
    return metric.endswith("loss")


def is_bounded(metric: str) -> bool:
    """Whether its values lie between 0 and 1."""
    return metric.rpartition("/")[2] in ("acc", "f1")


def epoch_score(metrics: Mapping[str, float], monitor: str) -> tuple[float, float]:
    """Returns what ranks the epochs of a run: the higher, the better, of equal ones the first.

    The metric of the monitor decides, then `val/loss`.

    >>> epoch_score({"train/loss": 0.5, "val/loss": 2.0}, "train/loss")
    (-0.5, -2.0)
    """
    sign = -1 if lower_is_better(monitor) else 1
    return sign * metrics[monitor], -metrics.get("val/loss", 0.0)


def monitor_of(configs: Iterable[Mapping[str, Any]]) -> str:
    """The metric that ranks runs: the one that chose their best epochs.

    The default where runs were chosen by several; never a training loss that is not the same
    loss in all runs.
    """
    configs = list(configs)
    names = {config.get("monitor") or DEFAULT_MONITOR for config in configs}
    monitor = names.pop() if len(names) == 1 else DEFAULT_MONITOR
    return without_validation(configs) if monitor == "train/loss" else monitor


def without_validation(configs: Iterable[Mapping[str, Any]]) -> str:
    """The metric that ranks runs without a validation split.

    `train/loss`, or `train/acc` where `loss.*` differs: their training losses have other scales.

    >>> without_validation([{"loss.label_smoothing": 0.0}, {"loss.label_smoothing": 0.3}])
    'train/acc'
    """
    differing = differing_keys(list(configs))
    return "train/acc" if any(is_below(key, ("loss",)) for key in differing) else "train/loss"


def compared_metric(monitor: str, there: Collection[str]) -> str:
    """In which metric configs are compared that were ranked by the monitor.

    Of the test split where there is one, as it has chosen nothing, and of the monitored kind; of
    those that monitor the loss it is the accuracy.

    Args:
        there: the metrics that the runs have.

    >>> compared_metric("val/f1", ["val/f1", "test/acc", "test/f1"])
    'test/f1'
    """
    kind = monitor.rpartition("/")[2]
    kinds = ["acc", kind] if lower_is_better(kind) else [kind, "acc", "loss"]
    wanted = [f"{split}/{name}" for split in ("test", "val", "train") for name in kinds]
    return next((name for name in wanted if name in there), monitor)
