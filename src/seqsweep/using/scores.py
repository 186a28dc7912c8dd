"""Scores predictions, with intervals.

N sequences, C classes, R resamples, M metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seqsweep.using.intervals import LEVEL, Float64, of_f1, of_mean, of_share

Int64 = npt.NDArray[np.int64]

BINS = 15
"""The equal bins of the confidence, over which the calibration error is measured."""

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "calibration_error",
    "roc_auc",
)
OF_A_CLASS = ("precision", "recall", "f1")

_EQUAL = 1e-12
"""The range of scores that differ by rounding alone."""


class Score(NamedTuple):
    """A metric with its interval at LEVEL; the bounds are None without resamples.

    They are also None for a log loss and a calibration error that are the same in all resamples.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evaluation:
    """The scores of predictions on labelled sequences.

    Attributes:
        class_names: C names.
        confusion: (C, C) counts, with the true class in the rows.
        metrics: by name, see METRICS; one that is not defined for these labels is missing, such as
            the area under the ROC curve where only one class occurs.
        classes: the precision, recall and F1 of each class that occurs as a label or prediction.
    """

    class_names: tuple[str, ...]
    confusion: Int64
    metrics: dict[str, Score]
    classes: dict[str, dict[str, Score]]

    @property
    def sequences(self) -> int:
        return int(self.confusion.sum())

    @property
    def support(self) -> dict[str, int]:
        """The number of sequences of each class."""
        return dict(zip(self.class_names, self.confusion.sum(axis=1).tolist(), strict=True))

    def as_json(self) -> dict[str, Any]:
        """Returns plain values, for a JSON file."""
        support = self.support
        return {
            "sequences": self.sequences,
            "class_names": list(self.class_names),
            "metrics": {name: score._asdict() for name, score in self.metrics.items()},
            "classes": {
                name: {"support": support[name]} | {key: s._asdict() for key, s in scores.items()}
                for name, scores in self.classes.items()
            },
            "confusion": self.confusion.tolist(),
        }


def evaluate(
    probabilities: Float64,
    labels: Int64,
    class_names: tuple[str, ...],
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Scores the probabilities (N, C) of classes against the labels (N,), positions of classes.

    Balanced accuracy is the mean recall of the classes that occur as labels, macro F1 the mean F1
    of those that occur as labels or predictions. The log loss is the mean of -ln p of the true
    class. The calibration error is the mean distance between confidence and accuracy over 15 equal
    bins of the confidence, weighted by the number of sequences (Guo et al. 2017, On Calibration of
    Modern Neural Networks, ICML). The area under the ROC curve is the mean over the classes, each
    against the rest.

    Accuracy, precision, recall and F1 have intervals of shares. Those of the other metrics are
    percentiles of the scores of resamples: N sequences drawn with replacement. If all resamples
    have one score, as perfect predictions do, the interval of a mean over the classes follows from
    those of the classes. The area of a class is then a share of pairs without a common sequence.

    Args:
        resamples: 0 for no intervals.
        seed: decides the resamples.
    """
    cases = _Cases(probabilities, labels)
    count = len(labels)
    values = cases.measure(np.ones(count))
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, len(values)))  # (R, M)
    for row in drawn:
        # A sequence that is drawn twice counts twice, so a resample is a vector of weights.
        weights = np.bincount(rng.integers(0, count, count), minlength=count)
        row[:] = cases.measure(weights.astype(np.float64))
    confusion = cases.confusion(np.ones(count))
    shares = _shares(confusion)
    closed = _closed(confusion, shares, cases)
    metrics = {
        name: Score(value, *_interval(name, column, closed.get(name)))
        for name, value, column in zip(METRICS, values.tolist(), drawn.T, strict=True)
        if not np.isnan(value)
    }
    classes = {
        class_names[index]: {
            key: Score(*(of[:, index].tolist() if resamples else (float(of[0, index]), None, None)))
            for key, of in shares.items()
        }
        for index in np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1))
    }
    return Evaluation(class_names, confusion.astype(np.int64), metrics, classes)


def _shares(confusion: Float64) -> dict[str, Float64]:
    """Returns precision, recall and F1 of the classes with their bounds (3, C)."""
    hits, actual, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = _ratio(hits, predicted, 0.0), _ratio(hits, actual, 0.0)
    f1 = _ratio(2 * hits, actual + predicted, 0.0)
    return {
        "precision": np.array([precision, *of_share(hits, predicted)]),
        "recall": np.array([recall, *of_share(hits, actual)]),
        "f1": np.array([f1, *of_f1(hits, actual, predicted)]),
    }


def _closed(
    confusion: Float64, shares: Mapping[str, Float64], cases: "_Cases"
) -> dict[str, tuple[float, float]]:
    """Returns the intervals in closed form, by the name of the metric."""
    actual, total = confusion.sum(axis=1), confusion.sum()
    seen = actual + confusion.sum(axis=0) > 0
    low, high = of_share(confusion.trace(), total)
    result = {
        "accuracy": (float(low), float(high)),
        "balanced_accuracy": of_mean(shares["recall"][:, actual > 0]),
        # A wrong prediction lowers the F1 of two classes.
        "macro_f1": of_mean(shares["f1"][:, seen], hit_by_an_error=2),
    }
    pairs = np.array([min(len(r.positive), len(r.negative)) for r in cases.ranked], np.float64)
    areas = np.array([r.area(np.ones(int(total), np.uint16)) for r in cases.ranked])
    if pairs.any():
        areas, pairs = areas[pairs > 0], pairs[pairs > 0]
        # The areas of several classes share the sequences.
        pairs /= min(2, len(pairs))
        result["roc_auc"] = of_mean(np.array([areas, *of_share(areas * pairs, pairs)]))
    return result


def _interval(
    name: str, column: Float64, closed: tuple[float, float] | None
) -> tuple[float | None, float | None]:
    """Returns the bounds of a metric in closed form, or the percentiles of its resamples (R,)."""
    # A resample may lack a class, whose scores are then not defined.
    defined = column[~np.isnan(column)]
    if name == "accuracy" or len(defined) == 0 or np.ptp(defined) < _EQUAL:
        return closed if closed and len(column) else (None, None)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(defined, [tail, 100 - tail]).tolist()
    return low, high


class _Cases:
    """The predictions and labels of all sequences, which `measure` scores with any weights."""

    def __init__(self, probabilities: Float64, labels: Int64) -> None:
        count, self.classes = probabilities.shape
        predicted = probabilities.argmax(axis=1)
        confidence = probabilities.max(axis=1)
        self.cells = labels * self.classes + predicted
        of_label = probabilities[np.arange(count), labels]
        # A probability of 0 would make the mean infinite.
        self.losses = -np.log(np.maximum(of_label, np.finfo(np.float64).eps))
        self.bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        self.gaps = (predicted == labels) - confidence
        # With two classes both have the same curve.
        ranked = range(1, 2) if self.classes == 2 else range(self.classes)
        self.ranked = [_Ranked(probabilities[:, c], labels == c) for c in ranked]

    def confusion(self, weights: Float64) -> Float64:
        """Returns the weighted counts (C, C) with the true class in the rows."""
        counts = np.bincount(self.cells, weights=weights, minlength=self.classes**2)
        return counts.astype(np.float64).reshape(self.classes, self.classes)

    def measure(self, weights: Float64) -> Float64:
        """Returns the scores by METRICS; NaN: not defined."""
        confusion = self.confusion(weights)
        hits, total = confusion.diagonal(), weights.sum()
        actual, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
        seen = actual + predicted > 0
        recall, f1 = _ratio(hits, actual, 0.0), _ratio(2 * hits, actual + predicted, 0.0)
        gaps = np.bincount(self.bins, weights=weights * self.gaps, minlength=BINS)
        # Small integers stay in the cache of a core while each class reads them in its own order.
        counts = weights.astype(np.uint16)
        areas = np.array([ranked.area(counts) for ranked in self.ranked])
        defined = areas[~np.isnan(areas)]
        of_all = [
            hits.sum() / total,
            recall[actual > 0].mean(),
            f1[seen].mean(),
            (self.losses * weights).sum() / total,
            np.abs(gaps).sum() / total,
            defined.mean() if len(defined) else np.nan,
        ]
        return np.array(of_all)


class _Ranked:
    """The sequences in the order of one class's probability, for the area under its curve."""

    def __init__(self, scores: Float64, positive: npt.NDArray[np.bool_]) -> None:
        self.positive = np.flatnonzero(positive)
        negative = np.flatnonzero(~positive)
        self.negative = negative[np.argsort(scores[negative], kind="stable")]
        ordered = scores[self.negative]
        # The negatives below each positive, and those that are not above it.
        self.below = np.searchsorted(ordered, scores[self.positive], "left")
        self.not_above = np.searchsorted(ordered, scores[self.positive], "right")
        self._sums = np.zeros(len(ordered) + 1, np.int64)

    def area(self, weights: npt.NDArray[np.uint16]) -> float:
        """Returns the weighted share of pairs that are in order; a tie counts half."""
        of_positive = weights[self.positive].astype(np.float64)
        np.cumsum(weights[self.negative], out=self._sums[1:])
        pairs = of_positive.sum() * self._sums[-1]
        if pairs == 0:
            return float("nan")
        in_order = self._sums[self.below] + self._sums[self.not_above]
        # A product of vectors would start the threads of BLAS, which take longer than the sum.
        return float((of_positive * in_order).sum() / (2 * pairs))


def _ratio(part: Float64, whole: Float64, otherwise: float) -> Float64:
    """Returns part / whole, and `otherwise` where the whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), otherwise), where=whole > 0)
