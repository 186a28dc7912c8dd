"""The classifier for aeon passes aeon's own checks and trains the estimator's run."""

from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.durability]

SHORT: dict[str, Any] = {"hidden_size": 4, "max_epochs": 3, "lr": 0.02}


@pytest.fixture(scope="module")
def classifier_type():
    from seqsweep.aeon import SeqsweepClassifier  # in `make durability` alone

    return SeqsweepClassifier


def collection(count=30, unequal=False, seed=0) -> Any:
    """Cases (C, T) of two channels; the class is their level."""
    rng = np.random.default_rng(seed)
    y = np.array(["low", "middle", "top"])[np.arange(count) % 3]
    lengths = rng.integers(6, 12, count) if unequal else np.full(count, 9)
    x = [rng.normal(size=(2, t)) + 2 * (k % 3) for k, t in enumerate(lengths)]
    return (x if unequal else np.stack(x)), y


def test_it_passes_the_checks_of_aeon(classifier_type):
    from aeon.testing.estimator_checking import check_estimator

    results = check_estimator(classifier_type, raise_exceptions=True)
    assert len(results) > 20
    assert set(results.values()) == {"PASSED"}


@pytest.mark.parametrize("unequal", [False, True])
def test_it_is_the_estimator_with_the_channels_first(classifier_type, unequal):
    from seqsweep.sklearn import RecurrentClassifier

    x, y = collection(unequal=unequal)
    classifier = classifier_type(**SHORT).fit(x, y)
    rows = [case.T for case in x]
    estimator = RecurrentClassifier(**SHORT).fit(rows, y)
    assert np.array_equal(classifier.predict_proba(x), estimator.predict_proba(rows))
    assert classifier.predict(x).tolist() == estimator.predict(rows).tolist()
    assert classifier.score(x, y) == estimator.score(rows, y)
    assert classifier.estimator_.n_features_in_ == 2
    expected = RecurrentClassifier().get_params()
    assert expected.pop("layout") == "batch_first"
    assert classifier_type().get_params() == expected


def test_missing_values_are_a_capability_if_they_are_filled(classifier_type):
    x, y = collection()
    x[2, 1, 3] = np.nan
    with pytest.raises(ValueError, match="missing values"):
        classifier_type(**SHORT).fit(x, y)
    filled = classifier_type(**SHORT).set_params(missing="mean").fit(x, y)
    assert np.isfinite(filled.predict_proba(x)).all()
    assert not classifier_type().get_tag("capability:missing_values")
