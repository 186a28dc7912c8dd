"""The scores equal those of scikit-learn, and the intervals cover what they should."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from seqsweep.elementary import accuracy_by_length
from seqsweep.using.scores import BINS, evaluate, share_with_bounds


def cases(classes=3, count=200, seed=0, digits=None):
    """Probabilities that are related to the labels; rounded they have ties."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    logits = rng.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]
    if digits is not None:
        logits = logits.round(digits)
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True), labels


def names(classes):
    return tuple("abcdefgh"[:classes])


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("digits", [None, 0])
def test_scores_equal_those_of_scikit_learn(classes, digits):
    p, labels = cases(classes, digits=digits)
    predicted = p.argmax(axis=1)
    result = evaluate(p, labels, names(classes), resamples=0)
    area = (
        sk.roc_auc_score(labels, p[:, 1])
        if classes == 2
        else sk.roc_auc_score(labels, p, multi_class="ovr", average="macro")
    )
    expected = {
        "accuracy": sk.accuracy_score(labels, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
        "macro_f1": sk.f1_score(labels, predicted, average="macro"),
        "log_loss": sk.log_loss(labels, p),
        "roc_auc": area,
    }
    for name, value in expected.items():
        assert result.metrics[name].value == pytest.approx(value, abs=1e-12), name
    assert np.array_equal(result.confusion, sk.confusion_matrix(labels, predicted))
    of_classes: Any = sk.precision_recall_fscore_support(labels, predicted)
    for index, name in enumerate(names(classes)):
        scores = result.classes[name]
        for key, values in zip(("precision", "recall", "f1"), of_classes, strict=False):
            assert scores[key].value == pytest.approx(values[index]), key
        assert result.support[name] == of_classes[3][index]
    assert result.sequences == len(labels)


def test_the_calibration_error_is_the_weighted_gap_of_its_bins():
    p, labels = cases()
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == labels
    edges = np.linspace(0, 1, BINS + 1)
    gap = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            gap += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    value = evaluate(p, labels, names(3), resamples=0).metrics["calibration_error"].value
    assert value == pytest.approx(gap)


def test_a_class_that_does_not_occur_is_left_out():
    p, labels = cases(3)
    labels[labels == 2] = 0
    p[:, 2] = 0
    p /= p.sum(axis=1, keepdims=True)
    result = evaluate(p, labels, names(3), resamples=10)
    assert set(result.classes) == {"a", "b"}
    recalls = [result.classes[name]["recall"].value for name in "ab"]
    assert result.metrics["balanced_accuracy"].value == pytest.approx(np.mean(recalls))
    expected = sk.f1_score(labels, p.argmax(axis=1), average="macro")
    assert result.metrics["macro_f1"].value == pytest.approx(expected)
    # One class alone has no area under the curve; a loss that never varies has no interval.
    alone = evaluate(np.tile([0.6, 0.4], (9, 1)), np.zeros(9, np.int64), names(2), 10)
    assert "roc_auc" not in alone.metrics and "accuracy" in alone.metrics
    assert alone.metrics["log_loss"][1:] == (None, None)
    json.dumps(alone.as_json(), allow_nan=False)


def test_intervals_follow_from_the_seed_and_shrink_with_the_number_of_sequences():
    p, labels = cases(count=400)
    one, again = (evaluate(p, labels, names(3), 200, seed=1) for _ in range(2))
    other = evaluate(p, labels, names(3), 200, seed=2)
    assert one.metrics == again.metrics and one.metrics != other.metrics
    few = evaluate(p[:50], labels[:50], names(3), 200)
    for name, score in one.metrics.items():
        assert score.low is not None and score.high is not None
        assert score.low < score.high
        if name != "calibration_error":  # it is larger on few sequences
            assert score.low <= score.value <= score.high
    wide, narrow = few.metrics["accuracy"], one.metrics["accuracy"]
    assert wide.high and wide.low and narrow.high and narrow.low
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (40, 40), (39, 40), (3, 9)])
def test_the_interval_of_a_share_is_that_of_wilson(hits, total):
    expected = stats.binomtest(hits, total).proportion_ci(method="wilson")
    found = share_with_bounds(hits, total)
    assert found.tolist() == pytest.approx([hits / total, expected.low, expected.high], abs=1e-12)


@pytest.mark.parametrize("support", [(20, 20), (37, 3), (9, 9, 9), (1, 1)])
def test_a_perfect_score_is_not_certain(support):
    labels = np.repeat(np.arange(len(support)), support)
    p = np.eye(len(support))[labels] + np.linspace(0.1, 0.2, len(labels))[:, np.newaxis]
    result = evaluate(p / p.sum(axis=1, keepdims=True), labels, names(len(support)), 100)
    scores = {**result.metrics, **{f"F1 of {key}": s["f1"] for key, s in result.classes.items()}}
    for name in scores.keys() - {"log_loss", "calibration_error"}:
        value, low, high = scores[name]
        assert value == high == 1
        assert low is not None and 0 < low < 1, name
    exact = stats.binomtest(sum(support), sum(support)).proportion_ci(method="wilson")
    assert result.metrics["accuracy"].low == pytest.approx(exact.low)
    # Few sequences of one class say little about it, however many the other classes have.
    least = min(share_with_bounds(n, n)[1] for n in support)
    mean = 1 - (1 - least) / len(support)
    for name in ("balanced_accuracy", "roc_auc"):
        assert (result.metrics[name].low or 0) <= mean


def test_the_interval_of_an_f1_holds_the_true_one():
    """Samples of a known confusion matrix are drawn: at least 93 % of the intervals do."""
    rng, counts = np.random.default_rng(0), np.array([[24, 4, 2], [3, 12, 0], [0, 1, 14]])
    of_class = 2 * counts.diagonal() / (counts.sum(axis=0) + counts.sum(axis=1))
    inside: list[bool] = []
    for cells in rng.choice(9, size=(300, 60), p=counts.ravel() / counts.sum()):
        labels, predicted = np.divmod(cells, 3)
        result = evaluate(np.eye(3)[predicted], labels, names(3), resamples=1)
        for name, true in zip(names(3), of_class, strict=True):
            _, low, high = result.classes[name]["f1"]
            assert low is not None and high is not None
            inside.append(low <= true <= high)
    assert np.mean(inside) > 0.93


def windows_of(rng, lengths):
    """Units, labels and predictions of windows; those of a unit are all right or all wrong."""
    unit = np.repeat(np.arange(len(lengths)), lengths)
    labels, right = unit % 2, rng.random(len(lengths)) < 0.8
    return unit, labels, np.where(right[unit], labels, 1 - labels)


def test_resampled_intervals_hold_the_middle_95_percent():
    p, labels = cases(count=400)
    score = evaluate(p, labels, names(3), resamples=2000).metrics["log_loss"]
    losses = -np.log(p[np.arange(400), labels])
    draws = np.random.default_rng(1).choice(losses, (2000, 400)).mean(axis=1)
    assert score.low is not None and score.high is not None
    low, high = np.percentile(draws, [2.5, 97.5])
    assert score.high - score.low == pytest.approx(high - low, rel=0.08)


def test_the_interval_over_units_is_that_of_wilson_with_as_many_equal_units_and_students_t():
    lengths = np.array([30, 5, 8, 5, 12, 20])
    unit, labels, predicted = windows_of(np.random.default_rng(1), lengths)
    result = evaluate(np.eye(2)[predicted], labels, names(2), units=unit)
    n = lengths.sum() ** 2 / (lengths**2).sum()
    z2 = stats.t.ppf(0.975, n - 1) ** 2
    # The bounds are the shares p with (value - p)² = z² p (1 - p) / n.
    for count, score in (
        (n, result.metrics["accuracy"]),
        (n * np.mean(predicted == 0), result.classes["a"]["precision"]),
        (n * np.mean(labels == 0), result.classes["a"]["recall"]),
    ):
        assert score.low is not None and score.high is not None
        for p in (score.low, score.high):
            assert (score.value - p) ** 2 == pytest.approx(z2 * p * (1 - p) / count)
    assert result.effective_units == pytest.approx(n)


@pytest.mark.parametrize("units", [7, 8])
def test_fewer_than_eight_units_are_not_resampled(units):
    unit, labels, predicted = windows_of(np.random.default_rng(0), [5] * units)
    p = 0.8 * np.eye(2)[predicted] + 0.1
    result = evaluate(p, labels, names(2), 50, units=unit)
    has_interval = {name for name, score in result.metrics.items() if score.low is not None}
    assert has_interval == ({"accuracy"} if units < 8 else {*result.metrics})


@pytest.mark.slow
@pytest.mark.parametrize("long", [5, 30])
def test_the_interval_over_recordings_of_any_lengths_holds_the_true_accuracy(long):
    rng, inside = np.random.default_rng(0), list[bool]()
    for _ in range(400):
        unit, labels, predicted = windows_of(rng, [long] + [5] * 29)
        result = evaluate(np.eye(2)[predicted], labels, names(2), resamples=1, units=unit)
        _, low, high = result.metrics["accuracy"]
        assert low is not None and high is not None
        inside.append(low <= 0.8 <= high)
    assert np.mean(inside) > 0.93


def test_the_accuracy_by_length_covers_all_sequences_in_ranges_of_equal_size():
    p, labels = cases(count=500)
    lengths = np.random.default_rng(1).permutation(500) // 2 + 41
    right = p.argmax(axis=1) == labels
    ranges = evaluate(p, labels, names(3), resamples=0, lengths=lengths).by_length
    assert [each["sequences"] for each in ranges] == [100] * 5
    assert [each["shortest"] for each in ranges] == [41, 91, 141, 191, 241]
    for each in ranges:
        inside = (lengths >= each["shortest"]) & (lengths <= each["longest"])
        assert each["accuracy"] == pytest.approx(right[inside].mean())
    # A length is never in two ranges, and a single range says nothing.
    assert accuracy_by_length(np.full(100, 3), np.arange(100) < 95) == []
    two = accuracy_by_length(np.repeat([3, 7], [90, 10]), np.arange(100) < 95)
    assert [(each["longest"], each["accuracy"]) for each in two] == [(3, 1.0), (7, 0.5)]
    assert "by_length" not in evaluate(p, labels, names(3), resamples=0).as_json()
