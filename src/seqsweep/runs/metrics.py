"""Metrics as values: what a number of a run means, and which direction is better."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any, Self

from seqsweep.runs.identity import FlatConfig, is_below, is_own_module
from seqsweep.runs.ledger import differing_keys
from seqsweep.runs.record import Direction, Record

SPLITS = {"val": "validation", "test": "test", "train": "training"}
"""The words for the splits."""

_SPLIT_OF = {"valid": "val"} | {
    word: split for split, words in SPLITS.items() for word in (split, words)
}
# A word ends at a character that is not a letter, and where the case changes.
_WORD = rf"(?:(?<![A-Za-z])|(?=[A-Z][a-z]))(?i:{'|'.join(_SPLIT_OF)})(?![a-z]|(?<=[A-Z])[A-Z])"
_SPLIT_PART = re.compile(rf"^{_WORD}[/_.\- ]?|[/_.\- ]?{_WORD}")
_PART = re.compile(r"(IoU|[A-Z]+(?![a-z])|[A-Z]?[a-z]+)\d*")


class Metric(str):
    """The name of a number that a run measures, with what is known about it.

    It is a text, so it selects a value wherever its name does. The record of a run names its
    metrics with their directions; what those of our networks mean is in `OURS` too.

    Args:
        name: the name under which the run logs the number, such as `val/acc` or `val_loss`.
        direction: `min` if a lower value is better, else `max`; None if it is unknown.
        bounds: the smallest and the largest possible value.
        words: the metric in words, such as `validation accuracy`; by default its name, because the
            meaning of a user's own metric is unknown.
    """

    direction: Direction | None
    bounds: tuple[float, float]
    words: str

    def __new__(
        cls,
        name: str,
        direction: Direction | None,
        bounds: tuple[float, float] = (-math.inf, math.inf),
        words: str | None = None,
    ) -> Self:
        metric = super().__new__(cls, name)
        metric.direction, metric.bounds, metric.words = direction, bounds, words or name
        return metric

    def __getnewargs__(self) -> Any:  # for copies
        return str(self), self.direction, self.bounds, self.words

    @property
    def lower_is_better(self) -> bool:
        return self.direction == "min"

    @property
    def is_bounded(self) -> bool:
        """Returns whether the values are known to lie between two numbers."""
        return all(map(math.isfinite, self.bounds))

    @property
    def is_ours(self) -> bool:
        """Returns whether it is known what the metric means."""
        return self.words != self

    @cached_property
    def split_name(self) -> str:
        """The split that a part of the name names: `train`, `val` or `test`; else empty."""
        part = _SPLIT_PART.search(self)
        return _SPLIT_OF[part[0].strip("/_.- ").lower()] if part else ""

    @cached_property
    def kind(self) -> str:
        """The name without the part that names the split: `acc` for `val/acc` and `acc_val`."""
        return _SPLIT_PART.sub("", self, count=1) or self


BY_RECORDING = "recording_acc"
"""The accuracy of the majority of a recording's windows, which compares windows of other sizes."""

_ACCURACY, _F1, _LOSS = ("acc", "accuracy", 1.0), ("f1", "F1", 1.0), ("loss", "loss", math.inf)

OURS = {
    name: Metric(name, "min" if kind == "loss" else "max", (0.0, most), f"{in_words} {words}")
    for split, in_words in SPLITS.items()
    for kind, words, most in (_ACCURACY, _F1, _LOSS)
    for name in (f"{split}/{kind}",)
} | {
    f"{split}/{BY_RECORDING}": Metric(
        f"{split}/{BY_RECORDING}", "max", (0.0, 1.0), f"{SPLITS[split]} accuracy by recording"
    )
    for split in ("val", "test")
}
"""The metrics of the project's networks, by name, in the order of tables."""

DEFAULT_MONITOR = OURS["val/acc"]


def as_metric(name: str) -> Metric:
    """Returns what is known about a name: a metric, or a quantity such as `params`.

    >>> as_metric("val/loss").direction, as_metric("params").bounds
    ('min', (0.0, inf))
    """
    if isinstance(name, Metric):
        return name
    least = 0.0 if "/" not in name or name == "train/grad_norm" else -math.inf
    return OURS.get(name) or Metric(name, proposed_direction(name), (least, math.inf))


LOWER = {
    "bce", "bits", "brier", "calibration", "ce", "cer", "cost", "crps", "distance", "divergence",
    "ece", "eer", "entropy", "err", "error", "errors", "fid", "hinge", "kl", "kld", "levenshtein",
    "logloss", "loss", "mae", "mape", "mase", "mse", "nll", "nmae", "nrmse", "penalty",
    "perplexity", "ppl", "regret", "rmse", "rmsle", "smape", "surprise", "wer", "xent",
}  # fmt: skip
"""The words in the names of metrics of which lower values are better."""

_HIGHER = {
    "acc", "accuracy", "ap", "auc", "aupr", "auprc", "auroc", "bleu", "chrf", "corr", "correlation",
    "dcg", "dice", "elbo", "explained", "f1", "fbeta", "fscore", "hit", "hits", "iou", "jaccard",
    "kappa", "likelihood", "map", "matthews", "mcc", "miou", "mrr", "ndcg", "nse", "pearson",
    "precision", "psnr", "quality", "r2", "recall", "return", "returns", "reward", "roc", "rouge",
    "sdr", "sensitivity", "snr", "spearman", "specificity", "ssim", "success", "tnr", "tpr",
}  # fmt: skip
"""The words in the names of metrics of which higher values are better."""


def proposed_direction(name: str) -> Direction | None:
    """Returns the direction that the name of a metric tells, or None.

    >>> proposed_direction("valRMSE"), proposed_direction("val/f1"), proposed_direction("val/gap")
    ('min', 'max', None)
    """
    parts = [text.lower() for part in _PART.finditer(name) for text in (part[0], part[1])]
    words = {*parts, *re.findall("[a-z]+", name.lower())}  # `mAP` is one word too
    if words & {"neg", "negative"}:
        # `neg_mse` may be a negated error, or the error of the negative sequences.
        return "min" if "likelihood" in words else None
    if "loss" in words:  # also of a `dice_loss`
        return "min"
    is_lower, is_higher = bool(words & LOWER), bool(words & _HIGHER)
    return None if is_lower == is_higher else "min" if is_lower else "max"


def is_evaluated(name: str) -> bool:
    """Returns whether it is a metric, and not of the training split."""
    return isinstance(name, Metric) and name.split_name != "train"


def monitor_of_config(config: Mapping[str, Any]) -> Metric | None:
    """Returns the metric that chooses the best epoch; None chooses the last.

    Args:
        config: nested or flat; `monitor_mode` is a key only for a LightningModule of the user.
    """
    name = config.get("monitor")
    if knows_metrics(config):
        return as_metric(name or DEFAULT_MONITOR)
    return None if name is None else Metric(name, config["monitor_mode"])


def knows_metrics(config: Mapping[str, Any]) -> bool:
    """Returns whether the metrics of a run are `OURS`, from its nested or flat config."""
    return not is_own_module(config)


def metrics_in(record: Record) -> dict[str, float]:
    """Returns the finite metrics in a record, those of a user's module by `directions`."""
    values, directions = finite(record.metrics), record.directions
    if knows_metrics(record.config):
        return {OURS.get(name, name): value for name, value in values.items()}
    return {Metric(name, directions[name]): values[name] for name in directions if name in values}


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """Returns the values that are finite numbers."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }


def own_metrics(names: Iterable[str]) -> list[Metric]:
    """Returns the users' own metrics among the names that `metrics_in` has given."""
    return list(dict.fromkeys(n for n in names if isinstance(n, Metric) and not n.is_ours))


def epoch_score(metrics: Mapping[str, float], monitor: Metric) -> tuple[float, float]:
    """Returns the key that ranks epochs; higher is better.

    The monitored metric decides, then `val/loss`. The first of several equal epochs is the best.

    >>> epoch_score({"train/loss": 0.5, "val/loss": 2.0}, OURS["train/loss"])
    (-0.5, -2.0)
    """
    sign = -1 if monitor.lower_is_better else 1
    # The loss breaks ties, which are frequent among accuracies of small validation splits.
    return sign * metrics[monitor], -metrics.get("val/loss", 0.0)


def ranking_metric(configs: Iterable[FlatConfig], records: Iterable[Record] = ()) -> Metric:
    """Returns the metric that ranks runs: the monitor that chose their best epochs.

    Runs with different monitors are ranked by the default, and runs on different windows by their
    recordings, if these have a label each. A training loss ranks runs only if it is
    the same loss in all of them. If a run trains a user's own LightningModule, it is the first
    metric that the most records have; monitors come first.

    Args:
        records: the records of the complete runs.

    Raises:
        ValueError: two runs disagree on the direction of a metric.
    """
    configs, records = list(configs), list(records)
    by_recording = OURS[f"val/{BY_RECORDING}"]
    has_all = records and all(by_recording in record.metrics for record in records)
    if has_all and has_other_windows(configs):
        return by_recording
    monitors = [monitor_of_config(config) for config in configs]
    if all(map(knows_metrics, configs)):
        only = monitors[0] if len(set(monitors)) == 1 else None
        return without_validation(configs) if only == "train/loss" else only or DEFAULT_MONITOR
    recorded = [metrics_in(record) for record in records]
    names = [n for s in (monitors, *recorded) for n in s if isinstance(n, Metric) and n.direction]
    known: dict[str, Metric] = {}
    for name in names:
        # Of two metrics with one name, the user's own has the wider bounds.
        known[name] = known.get(name, name) if name.is_ours else name
    number = {name: sum(name in each for each in recorded) for name in known}
    ranks = known[max(number, key=number.__getitem__)] if number else Metric("", None)
    if any(name == ranks and name.direction != ranks.direction for name in names):
        raise ValueError(
            f"{ranks}: expected one direction, but the lowest value is best in some runs and the"
            " highest in others; train them in folders of their own"
        )
    return ranks


def has_other_windows(configs: Iterable[FlatConfig]) -> bool:
    """Returns whether configs cut recordings into different windows."""
    keys = ("data.transform.window", "data.transform.stride")
    return len({tuple(config.get(key) for key in keys) for config in configs}) > 1


def without_validation(configs: Iterable[FlatConfig]) -> Metric:
    """Returns the metric that ranks runs without a validation split.

    It is `train/loss`, or `train/acc` if keys of `loss.*` differ, because training losses then have
    different scales.

    >>> without_validation([{"loss.label_smoothing": 0.0}, {"loss.label_smoothing": 0.3}])
    'train/acc'
    """
    differing = differing_keys(list(configs))
    return OURS["train/acc" if any(is_below(key, ("loss",)) for key in differing) else "train/loss"]


def compared_metric(monitor: Metric, available: Collection[str]) -> Metric:
    """Returns the metric that compares configs which the monitor has ranked.

    The test split is used if it exists, because no choice depended on it. The metric is of the same
    kind as the monitor (`acc`, `f1` or `loss`), with one exception: if a loss is monitored, other
    splits are compared by their accuracy. On the monitored split the loss itself is compared,
    because another metric could contradict the ranking, and the accuracy may be 1 everywhere.
    For a user's own monitor it is the test metric of the same kind, or else the monitor itself.

    >>> compared_metric(Metric("val_mse", "min"), [Metric("mse/test", "min")])
    'mse/test'
    >>> compared_metric(OURS["val/f1"], ["val/f1", "test/acc", "test/f1"])
    'test/f1'
    >>> compared_metric(OURS["train/loss"], ["train/acc", "train/loss"])
    'train/loss'
    """
    if not monitor.is_ours:
        own = own_metrics(available)
        tested = (name for name in own if name.split_name == "test")
        return next((name for name in tested if name.kind in (monitor.kind, monitor)), monitor)
    wanted: list[str] = []
    for split in ("test", "val", "train"):
        is_accuracy = monitor.lower_is_better and split != monitor.split_name
        kinds = ["acc", monitor.kind] if is_accuracy else [monitor.kind, "acc", "loss"]
        wanted += [f"{split}/{name}" for name in kinds]
    return next((as_metric(name) for name in wanted if name in available), monitor)
