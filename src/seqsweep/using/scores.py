"""Scores predictions, with confidence intervals.

N sequences, C classes, R resamples, M metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seqsweep.elementary import accuracy_by_length, log, macro_f1
from seqsweep.results.significance import LEVEL, quantile
from seqsweep.runs.files import JsonObject

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

BINS = 15
"""The number of bins into which the calibration error divides confidences (0 to 1)."""

FEWEST_UNITS = 8
"""The fewest recordings or groups of windows whose resamples give intervals."""

_Z2 = NormalDist().inv_cdf((1 + LEVEL) / 2) ** 2

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
    """A metric with its interval at LEVEL, if the metric has an interval."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evaluation:
    """The scores of predictions on labelled sequences.

    Attributes:
        class_names: C names.
        confusion: (C, C) counts, with the true class in the rows.
        metrics: the scores by name, see METRICS. A metric that is not defined for these labels is
            missing, for example the area under the ROC curve if only one class occurs.
        classes: the precision, recall and F1 of each class that occurs as a label or prediction.
        units: the number of recordings or groups of windows; None for other sequences.
        effective_units: the number of equally long units that would say as much. Below 2, one unit
            decides the scores, and they have no intervals.
        by_length: the accuracy in ranges of lengths, see `accuracy_by_length`.
    """

    class_names: tuple[str, ...]
    confusion: Int64
    metrics: dict[str, Score]
    classes: dict[str, dict[str, Score]]
    units: int | None = None
    effective_units: float | None = None
    by_length: list[JsonObject] = field(default_factory=list[JsonObject])

    @property
    def sequences(self) -> int:
        return int(self.confusion.sum())

    @property
    def support(self) -> dict[str, int]:
        """The number of sequences of each class."""
        return dict(zip(self.class_names, self.confusion.sum(axis=1).tolist(), strict=True))

    def as_json(self) -> JsonObject:
        """Returns plain values, for a JSON file."""
        support = self.support
        units = {"units": self.units, "effective_units": self.effective_units}
        return {
            "sequences": self.sequences,
            **({} if self.units is None else units),
            "class_names": list(self.class_names),
            "metrics": {name: score._asdict() for name, score in self.metrics.items()},
            "classes": {
                name: {"support": support[name]} | {key: s._asdict() for key, s in scores.items()}
                for name, scores in self.classes.items()
            },
            "confusion": self.confusion.tolist(),
            **({"by_length": self.by_length} if self.by_length else {}),
        }


def evaluate(
    probabilities: Float64,
    labels: Int64,
    class_names: tuple[str, ...],
    resamples: int = 1000,
    seed: int = 0,
    units: npt.NDArray[Any] | None = None,
    lengths: Int64 | None = None,
) -> Evaluation:
    """Scores the probabilities (N, C) against the class indices (N,) of the labels.

    Balanced accuracy is the mean recall of the classes that occur as labels. Macro F1 is the mean
    F1 of the classes that occur as labels or predictions. The log loss is the mean of -ln p of the
    true class. The calibration error is the mean distance between confidence and accuracy over 15
    equal bins of the confidence, weighted by the number of sequences (Guo et al. 2017, On
    Calibration of Modern Neural Networks, ICML). The area under the ROC curve is the mean over the
    classes, each class against the rest.

    The accuracy, and precision, recall and F1 of each class, have Wilson's intervals. The intervals
    of the other metrics are percentiles over resamples: N sequences drawn with replacement. If all
    resamples have the same score, for example with perfect predictions, the interval of a mean over
    classes follows from those. Log loss and calibration error then have no interval.

    Args:
        resamples: the number of resamples; 0 for no intervals.
        seed: decides the resamples.
        units: (N,) for windows, the recording or group of each. Resamples draw whole units, and
            only at least FEWEST_UNITS. Wilson's intervals count as many independent windows as
            there would be equally long units (Kish 1965, Survey Sampling), with Student's t.
        lengths: (N,) of sequences, for the accuracy by length; windows have none.
    """
    cases = _Cases(probabilities, labels)
    unit = np.arange(len(labels)) if units is None else np.unique(units, return_inverse=True)[1]
    sizes = np.bincount(unit)
    count, effective = len(sizes), len(labels) ** 2 / int((sizes**2).sum())
    z2 = _Z2
    if units is not None and effective < 2:
        resamples = 0  # one unit decides, and nothing is known about others
    elif units is not None:
        z2 = quantile(round(1 - LEVEL, 12), effective - 1) ** 2
    is_few = units is not None and count < FEWEST_UNITS
    rng = np.random.default_rng(seed)
    values = cases.measure(np.ones(len(labels), np.int64))
    drawn = np.empty((0 if is_few else resamples, len(METRICS)))
    for row in drawn:
        # A sequence that is drawn twice counts twice, so a resample is a vector of weights.
        drawn_units = np.bincount(rng.integers(0, count, count), minlength=count)
        row[:] = cases.measure(drawn_units[unit])
    confusion = cases.confusion()
    independent: Float64 = np.multiply(confusion, effective / len(labels), dtype=np.float64)
    shares = _shares(independent, z2)
    closed = _closed(independent, shares, values[-1], z2) if resamples else {}
    if is_few:
        closed = {name: bounds for name, bounds in closed.items() if name == "accuracy"}
    metrics = {
        name: Score(value, *_interval(name, column, closed))
        for name, value, column in zip(METRICS, values.tolist(), drawn.T, strict=True)
        if not np.isnan(value)
    }
    listed: dict[str, list[Any]] = {key: of.tolist() for key, of in shares.items()}
    if not resamples:
        listed = {key: [(each[0], None, None) for each in of] for key, of in listed.items()}
    classes = {
        class_names[index]: {key: Score(*of[index]) for key, of in listed.items()}
        for index in np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1))
    }
    of_units = (None, None) if units is None else (count, effective)
    by_length = (
        [] if lengths is None or units is not None else accuracy_by_length(lengths, cases.right)
    )
    return Evaluation(class_names, confusion, metrics, classes, *of_units, by_length)


def share_with_bounds(hits: npt.ArrayLike, total: npt.ArrayLike, z2: float = _Z2) -> Float64:
    """Returns shares with their bounds (..., 3), after Wilson (1927, JASA 22).

    Brown, Cai and DasGupta 2001 (Statistical Science 16) recommend this interval for few cases.
    With a total of 0 the share is 0, with the bounds 0 and 1.

    Args:
        z2: the square of the quantile at LEVEL.
    """
    hits, total = np.asarray(hits, np.float64), np.asarray(total, np.float64)
    share = hits / np.where(total > 0, total, 1.0)
    centre = (hits + z2 / 2) / (total + z2)
    half = np.sqrt(z2 * (share * (total - hits) + z2 / 4)) / (total + z2)
    # Rounding must not move a bound away from exactly 0 or 1.
    low, high = np.where(hits > 0, centre - half, 0.0), np.where(hits < total, centre + half, 1.0)
    return np.stack([share, low, high], axis=-1)


def _mean_bounds(shares: Float64, lowered: int = 1) -> tuple[float, float]:
    """Returns the interval of the mean of shares (C, 3).

    The distances to the bounds are added like independent errors (Zou, Huang and Zhang 2009,
    Computational Statistics & Data Analysis 53).

    Args:
        lowered: the number of shares that one wrong prediction lowers, which makes them dependent.
    """
    mean, distances = float(shares[:, 0].mean()), np.abs(shares[:, 1:] - shares[:, :1])
    sums = np.sqrt(lowered * (distances**2).sum(axis=0))
    below, above = (np.minimum(sums, distances.sum(axis=0)) / len(shares)).tolist()
    return max(mean - below, 0.0), min(mean + above, 1.0)


def _shares(confusion: Float64, z2: float) -> dict[str, Float64]:
    """Returns precision, recall and F1 with their bounds (C, 3)."""
    hits, actual, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    # F1 follows from the share of correct predictions among the sequences with the class as label
    # or prediction (Jaccard 1912, New Phytologist 11).
    jaccard = share_with_bounds(hits, actual + predicted - hits, z2)
    return {
        "precision": share_with_bounds(hits, predicted, z2),
        "recall": share_with_bounds(hits, actual, z2),
        "f1": 2 * jaccard / (1 + jaccard),
    }


def _closed(
    confusion: Float64, shares: Mapping[str, Float64], area: float, z2: float
) -> dict[str, tuple[float, float]]:
    """Returns the closed-form intervals of shares and of means of shares, by metric."""
    actual, total = confusion.sum(axis=1), confusion.sum()
    labels, seen = actual > 0, actual + confusion.sum(axis=0) > 0
    # The area under the curve is the share of pairs in the right order: one sequence of the class,
    # one of another class. Here each sequence is in one pair, so that the pairs are independent.
    pairs = np.minimum(actual, total - actual)[labels]
    pairs = pairs[:1] if len(pairs) == 2 else pairs / 2  # two classes have one area
    low, high = share_with_bounds(confusion.trace(), total, z2)[1:].tolist()
    return {
        "accuracy": (low, high),
        "balanced_accuracy": _mean_bounds(shares["recall"][labels]),
        "macro_f1": _mean_bounds(shares["f1"][seen], lowered=2),
        "roc_auc": _mean_bounds(share_with_bounds(area * pairs, pairs, z2)),
    }


def _interval(
    name: str, column: Float64, closed: Mapping[str, tuple[float, float]]
) -> tuple[float | None, float | None]:
    """Returns percentiles of the resamples (R,), or the closed-form interval."""
    # A score is not defined if the resample lacks a class.
    defined = column[~np.isnan(column)]
    # Scores that are equal in theory may differ by rounding.
    if name == "accuracy" or len(defined) == 0 or np.ptp(defined) < 1e-12:
        return closed.get(name, (None, None))
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(defined, [tail, 100 - tail]).tolist()
    return low, high


class _Cases:
    """The predictions and labels, which `measure` scores with any weights."""

    def __init__(self, probabilities: Float64, labels: Int64) -> None:
        count, self.classes = probabilities.shape
        self.labels, self.predicted = labels, probabilities.argmax(axis=1)
        confidence = probabilities.max(axis=1)
        of_label = probabilities[np.arange(count), labels]
        # A probability of 0 would make the mean infinite.
        self.losses = -log(np.maximum(of_label, np.finfo(np.float64).eps))
        self.bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        self.right = self.predicted == labels
        self.gaps = self.right - confidence
        # With two classes both classes have the same curve, so one is enough.
        first = 1 if self.classes == 2 else 0
        self.ranked = [_Ranked(p, labels == c) for c, p in enumerate(probabilities.T)][first:]

    def confusion(self) -> Int64:
        """Returns the counts (C, C) with the true class in the rows."""
        cells = self.labels * self.classes + self.predicted
        return np.bincount(cells, minlength=self.classes**2).reshape(self.classes, self.classes)

    def measure(self, counts: Int64) -> Float64:
        """Returns the scores (M,) in the order of METRICS; NaN if not defined.

        Args:
            counts: (N,) how often each sequence counts.
        """
        weights = counts.astype(np.float64)
        total = weights.sum()
        # Counts by class are enough; a matrix of thousands of classes would take longer to sum.
        hits = self._by_class(self.labels, weights * self.right)
        actual = self._by_class(self.labels, weights)
        predicted = self._by_class(self.predicted, weights)
        recall = _ratio(hits, actual)
        gaps = np.bincount(self.bins, weights=weights * self.gaps, minlength=BINS)
        areas = [area for one in self.ranked if not np.isnan(area := one.area(counts))]
        scores = [
            hits.sum() / total,
            recall[actual > 0].mean(),
            macro_f1(hits, actual + predicted),
            (self.losses * weights).sum() / total,
            np.abs(gaps).sum() / total,
            np.mean(areas) if areas else np.nan,
        ]
        return np.array(scores)

    def _by_class(self, of: Int64, weights: Float64) -> Float64:
        return np.bincount(of, weights=weights, minlength=self.classes).astype(np.float64)


class _Ranked:
    """The sequences ranked by one class's probability, for its ROC area."""

    def __init__(self, scores: Float64, positive: npt.NDArray[np.bool_]) -> None:
        self.positive = np.flatnonzero(positive)
        negative = np.flatnonzero(~positive)
        self.negative = negative[np.argsort(scores[negative], kind="stable")]
        ordered = scores[self.negative]
        # For each positive: the number of negatives below it, and of those not above it.
        self.below = np.searchsorted(ordered, scores[self.positive], "left")
        self.not_above = np.searchsorted(ordered, scores[self.positive], "right")
        self._sums = np.zeros(len(ordered) + 1, np.int64)

    def area(self, weights: Int64) -> float:
        """Returns the weighted share of ordered pairs; a tie counts half."""
        of_positive = weights[self.positive].astype(np.float64)
        np.cumsum(weights[self.negative], out=self._sums[1:])
        pairs = of_positive.sum() * self._sums[-1]
        if pairs == 0:
            return float("nan")
        in_order = self._sums[self.below] + self._sums[self.not_above]
        # A product of vectors would start the threads of BLAS, which take longer than the sum.
        return float((of_positive * in_order).sum() / (2 * pairs))


def _ratio(part: Float64, whole: Float64) -> Float64:
    """Returns part / whole, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
