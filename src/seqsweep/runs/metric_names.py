"""Decides which way a metric is better, and which ranks runs."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from seqsweep.runs.identity import is_below
from seqsweep.runs.ledger import differing_keys

DEFAULT_MONITOR = "val/acc"


def lower_is_better(metric: str) -> bool:
    """Returns whether a lower value is better: for losses it is.

    >>> lower_is_better("val/loss"), lower_is_better("val/acc")
    (True, False)
    """
    return metric.endswith("loss")


def is_bounded(metric: str) -> bool:
    """Returns whether the values of a metric lie between 0 and 1."""
    return metric.rpartition("/")[2] in ("acc", "f1")


def epoch_score(metrics: Mapping[str, float], monitor: str) -> tuple[float, float]:
    """Returns the key that ranks epochs; higher is better.

    The metric of the monitor decides, then `val/loss`. Of equal epochs the first one is the best.

    >>> epoch_score({"train/loss": 0.5, "val/loss": 2.0}, "train/loss")
    (-0.5, -2.0)
    """
    sign = -1 if lower_is_better(monitor) else 1
    # The loss breaks ties, which are frequent among accuracies of small validation splits.
    return sign * metrics[monitor], -metrics.get("val/loss", 0.0)


def monitor_of(configs: Iterable[Mapping[str, Any]]) -> str:
    """Returns the metric that ranks runs and chose their best epochs.

    Runs with different monitors are ranked by the default. A training loss ranks runs only if it is
    the same loss in all of them.
    """
    configs = list(configs)
    names = {config.get("monitor") or DEFAULT_MONITOR for config in configs}
    monitor = names.pop() if len(names) == 1 else DEFAULT_MONITOR
    return without_validation(configs) if monitor == "train/loss" else monitor


def without_validation(configs: Iterable[Mapping[str, Any]]) -> str:
    """Returns the metric that ranks runs without a validation split.

    It is `train/loss`, or `train/acc` where `loss.*` differs: then training losses have different
    scales.

    >>> without_validation([{"loss.label_smoothing": 0.0}, {"loss.label_smoothing": 0.3}])
    'train/acc'
    """
    differing = differing_keys(list(configs))
    return "train/acc" if any(is_below(key, ("loss",)) for key in differing) else "train/loss"


def compared_metric(monitor: str, available: Collection[str]) -> str:
    """Returns the metric that compares configs which the monitor has ranked.

    It is the metric of the test split where there is one, because that split has chosen nothing. It
    is of the monitored kind. But where a loss is monitored, it is the accuracy of a split that has
    chosen nothing; on the split of the loss it is the loss, since a ranking by another metric would
    contradict it, and the accuracy may be 1 everywhere.

    >>> compared_metric("val/f1", ["val/f1", "test/acc", "test/f1"])
    'test/f1'
    >>> compared_metric("train/loss", ["train/acc", "train/loss"])
    'train/loss'
    """
    ranking_split, _, kind = monitor.rpartition("/")
    wanted: list[str] = []
    for split in ("test", "val", "train"):
        is_accuracy = lower_is_better(kind) and split != ranking_split
        kinds = ["acc", kind] if is_accuracy else [kind, "acc", "loss"]
        wanted += [f"{split}/{name}" for name in kinds]
    return next((name for name in wanted if name in available), monitor)
