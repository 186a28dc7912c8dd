"""Scores predictions, with bootstrap intervals.

N sequences, C classes, R resamples, M metrics.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

BINS = 15
"""The equal bins of the confidence, over which the calibration error is measured."""

LEVEL = 0.95

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "calibration_error",
    "roc_auc",
)
OF_A_CLASS = ("precision", "recall", "f1")


class Score(NamedTuple):
    """A metric with its interval at LEVEL; the bounds are None without resamples."""

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

    The intervals are percentiles of the scores of resamples: N sequences drawn with replacement.

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
    scores = _with_intervals(values, drawn)
    of_all, by_class = scores[: len(METRICS)], scores[len(METRICS) :]
    classes: dict[str, dict[str, Score]] = {}
    for index, name in enumerate(class_names):
        own = by_class[index :: len(class_names)]
        if all(score is not None for score in own):
            classes[name] = _defined(OF_A_CLASS, own)
    confusion = cases.confusion(np.ones(count)).astype(np.int64)
    return Evaluation(class_names, confusion, _defined(METRICS, of_all), classes)


def _defined(names: tuple[str, ...], scores: list[Score | None]) -> dict[str, Score]:
    named = zip(names, scores, strict=True)
    return {name: score for name, score in named if score is not None}


def _with_intervals(values: Float64, drawn: Float64) -> list[Score | None]:
    """Returns each value (M,) with the percentiles of its resamples (R, M); None for NaN."""
    tail = 50 * (1 - LEVEL)
    scores: list[Score | None] = []
    for value, column in zip(values.tolist(), drawn.T, strict=True):
        # A resample may lack a class, whose scores are then not defined.
        defined = column[~np.isnan(column)]
        if np.isnan(value):
            scores.append(None)
        elif len(defined):
            low, high = np.percentile(defined, [tail, 100 - tail]).tolist()
            scores.append(Score(value, low, high))
        else:
            scores.append(Score(value, None, None))
    return scores


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
        """Returns the scores: METRICS, then OF_A_CLASS for all classes; NaN: not defined."""
        confusion = self.confusion(weights)
        hits, total = confusion.diagonal(), weights.sum()
        actual, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
        seen = actual + predicted > 0
        precision = np.where(seen, _ratio(hits, predicted, 0.0), np.nan)
        recall = np.where(seen, _ratio(hits, actual, 0.0), np.nan)
        f1 = _ratio(2 * hits, actual + predicted, np.nan)
        gaps = np.bincount(self.bins, weights=weights * self.gaps, minlength=BINS)
        areas = np.array([ranked.area(weights) for ranked in self.ranked])
        defined = areas[~np.isnan(areas)]
        of_all = [
            hits.sum() / total,
            recall[actual > 0].mean(),
            f1[seen].mean(),
            self.losses @ weights / total,
            np.abs(gaps).sum() / total,
            defined.mean() if len(defined) else np.nan,
        ]
        return np.concatenate([of_all, precision, recall, f1])


class _Ranked:
    """The sequences in the order of one class's probability, for the area under its curve."""

    def __init__(self, scores: Float64, positive: npt.NDArray[np.bool_]) -> None:
        self.order = np.argsort(scores, kind="stable")
        ordered = scores[self.order]
        self.positive = positive[self.order]
        # Sequences with equal scores form one group, as a threshold cannot separate them.
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])

    def area(self, weights: Float64) -> float:
        """Returns the weighted share of pairs that are in order; a tie counts half."""
        ordered = weights[self.order]
        positive = np.add.reduceat(ordered * self.positive, self.starts)
        negative = np.add.reduceat(ordered * ~self.positive, self.starts)
        pairs = positive.sum() * negative.sum()
        if pairs == 0:
            return float("nan")
        below = np.cumsum(negative) - negative
        return float(positive @ (below + negative / 2) / pairs)


def _ratio(part: Float64, whole: Float64, otherwise: float) -> Float64:
    """Returns part / whole, and `otherwise` where the whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), otherwise), where=whole > 0)
