"""Elementary functions and normal numbers are right, and the same on every processor."""

import hashlib
import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from seqsweep.elementary import cos_of_turns, log, macro_f1, normal, softmax


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_functions_are_those_of_numpy_within_a_few_units_of_the_last_place(kind):
    x = np.random.default_rng(0).random(100_000).astype(kind)
    exact = x.astype(np.float64)
    bound = 4 * float(np.finfo(kind).eps)
    assert np.abs(cos_of_turns(x) - np.cos(2 * np.pi * exact)).max() < bound
    for scale in (1, 1e-6, 1e6):
        values = (x[x > 0] * kind(scale)).astype(kind)
        reference = np.log(values.astype(np.float64))
        error = np.abs(log(values) - reference)
        assert (error <= bound * np.maximum(np.abs(reference), 1e-3)).all()
    assert cos_of_turns(x).dtype == log(x + kind(1)).dtype == kind


def test_quarters_of_a_turn_and_powers_of_two_are_exact():
    turns = np.arange(-8, 9) / 4
    assert cos_of_turns(turns).tolist() == [(1, 0, -1, 0)[index % 4] for index in range(-8, 9)]
    assert log(np.array([1.0, 2.0, 0.5])).tolist() == [0, math.log(2), -math.log(2)]


def test_softmax_is_that_of_long_doubles_and_each_row_has_its_own():
    rng, digest = np.random.default_rng(0), hashlib.sha256()
    for scale, classes in ((1, 2), (30, 9), (400, 150)):
        logits = (scale * (6 * rng.random((300, classes)) - 3)).astype(np.float32)
        result = softmax(logits)
        exact = logits.astype(np.longdouble)
        exact = np.exp(exact - exact.max(axis=1, keepdims=True))
        exact /= exact.sum(axis=1, keepdims=True)
        normal = exact > 1e-300  # smaller numbers have fewer digits
        assert np.abs(result / exact - 1)[normal].max() < 4e-14
        assert result[~normal].max(initial=0) < 1e-299
        rows = [softmax(row[None]) for row in logits]
        assert np.array_equal(np.concatenate(rows), result)
        digest.update(result.tobytes())
    assert digest.hexdigest()[:16] == "2c9010df7e8d9974"


def test_softmax_of_infinite_and_missing_logits():
    inf, nan = np.inf, np.nan
    rows = softmax(np.array([[0, -inf, 0], [1, nan, 2], [inf, 0, 0], [-inf, -inf, -inf]]))
    assert rows[0].tolist() == [0.5, 0, 0.5]
    assert np.isnan(rows[1:]).any(axis=1).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_normal_numbers_have_the_moments_of_the_normal_distribution(kind):
    draws = normal(np.random.default_rng(1).random((400_000, 2), dtype=kind))
    assert draws.dtype == kind and np.isfinite(draws).all()
    for power, moment in enumerate((0, 1, 0, 3), start=1):
        assert abs((draws.astype(np.float64) ** power).mean() - moment) < 0.06
    assert abs((np.abs(draws) > 1.959964).mean() - 0.05) < 0.002
    assert not normal(np.zeros((3, 2), dtype=kind)).any()


@pytest.mark.parametrize(
    ("kind", "digest"), [(np.float32, "3785cc1e595f251d"), (np.float64, "216c2ee1b0a404d1")]
)
def test_a_seed_gives_these_bits_on_every_processor(kind, digest):
    draws = normal(np.random.default_rng(2).random((5000, 2), dtype=kind))
    assert hashlib.sha256(draws.tobytes()).hexdigest()[:16] == digest


def test_macro_f1_is_scikit_learns_and_has_equal_bits_in_any_order_of_the_classes():
    generator = np.random.default_rng(2)
    for _ in range(20):
        labels, predicted = generator.integers(0, 40, (2, 200))
        counts = np.zeros((41, 41), dtype=np.int64)  # the last class never occurs
        np.add.at(counts, (labels, predicted), 1)
        hits, seen = counts.diagonal(), counts.sum(0) + counts.sum(1)
        score = macro_f1(hits, seen)
        assert score == pytest.approx(f1_score(labels, predicted, average="macro"), rel=1e-14)
        orders = (generator.permutation(41) for _ in range(10))
        assert {macro_f1(hits[order], seen[order]) for order in orders} == {score}
