"""Each mistake has one message, which names the argument and what it must be."""

import importlib
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from seqsweep.sklearn import RecurrentClassifier, RecurrentClassifierCV

X = np.random.default_rng(0).normal(size=(30, 6, 2))
Y = np.arange(30) % 3
LIST = [row[: 3 + index % 4] for index, row in enumerate(X)]
SHORT: dict[str, Any] = {"hidden_size": 3, "max_epochs": 1}


def with_value(value):
    x = X.copy()
    x[4, 2, 1] = value
    return x


ARGUMENTS = [
    ({"cell": "gruu"}, r"^cell='gruu': must be .*did you mean 'gru'"),
    ({"batch_size": 25}, r"^batch_size=25: must be between 1 and 24"),
    ({"class_weight": {0: 1, 7: 2}}, r"^class_weight: label 7 is not in y; known: 0, 1, 2"),
    ({"class_weight": {0: -1}}, r"^class_weight=\[-1.0, 1.0, 1.0\]: must be .* above 0"),
    ({"layout": "batch"}, r"^layout='batch': must be one of .*did you mean 'batch_first'"),
    ({"overrides": ["lr=1"]}, r"^overrides=\['lr=1'\]: must be a dict"),
    ({"overrides": {"optimizer.momentun": 1}}, r"^optimizer.momentun: no such key in optimizer"),
    ({"overrides": {"model.hidden_size": 3}}, r"^overrides: model.hidden_size must be given as"),
]
INPUTS = [
    ([*LIST[:4], LIST[4][:0]], Y[:5], r"^X\[4\] has shape \(0, 2\); no dimension may be 0"),
    (np.zeros((30, 2, 3, 4)), Y, r"X has shape \(30, 2, 3, 4\); must be \(N, T, F\) or \(N, T\)"),
    (with_value(np.nan), Y, r"^X: train: 1 missing.*sequence 4, step 2.*train with missing=mean"),
    ([], [], r"^X=\[\]: must be at least one sequence"),
    ([*LIST[:-1], np.zeros((3, 1))], Y, r"^X\[29\] has 1 channels, but X\[0\] has 2"),
    ([*LIST[:-1], [[1, 2], [3]]], Y, r"^X\[29\] is ragged; must be"),
    ([row.T for row in LIST], Y, r"^X\[1\] has 4 channels.*did you mean layout='channels_first'"),
    (X, np.zeros(30, int), r"^X, y: there is only one class"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        RecurrentClassifier(**SHORT | arguments).fit(X, Y)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("x", "y", "message"), INPUTS)
def test_wrong_sequences_and_labels_are_named(x, y, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        RecurrentClassifier(**SHORT).fit(x, y)
    assert "seqsweep-" not in str(error.value)  # a temporary folder


@pytest.mark.parametrize(
    ("estimator", "grid", "options", "message"),
    [
        (LogisticRegression(), {"C": [1]}, {}, "estimator: must be a RecurrentClassifier, got Log"),
        (RecurrentClassifier(), {"hiden_size": [1]}, {}, "Invalid parameter 'hiden_size'"),
        (RecurrentClassifier(), {"folder": ["a"]}, {}, "param_grid: folder must be set at"),
        (RecurrentClassifier(), {"cell": ["rnn"]}, {"n_jobs": 0}, "n_jobs == 0 in Parallel"),
    ],
)
def test_a_wrong_search_is_refused_before_it_trains(estimator, grid, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        RecurrentClassifierCV(estimator, grid, **options).fit(X, Y)


def test_wrong_sequences_of_a_prediction_are_named():
    estimator = RecurrentClassifier(**SHORT).fit(X, Y)
    message = "X has 3 channels, but RecurrentClassifier is expecting 2 channels"
    with pytest.raises(ValueError, match=message):
        estimator.predict(np.zeros((3, 6, 3)))
    message = r"1 missing value \(NaN\); the first is in .*; train with missing=mean"
    with pytest.raises(ValueError, match=message):
        estimator.predict(with_value(np.nan))


@pytest.mark.parametrize("extra", ["sklearn", "aeon"])
def test_a_missing_package_is_named(monkeypatch, extra):
    for name in [name for name in sys.modules if name.startswith(f"seqsweep.{extra}")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"pip install 'seqsweep\[{extra}\]'"):
        importlib.import_module(f"seqsweep.{extra}")


def test_a_long_table_is_not_read_as_rows_of_steps() -> None:
    table = pd.DataFrame({"id": [0, 0, 1, 1], "step": [0, 1, 0, 1], "x": [0.1, 0.2, 0.3, 0.4]})
    with pytest.raises(ValueError, match=r"'id', as a long table .* X\.groupby"):
        RecurrentClassifier().fit(table, [0, 0, 1, 1])
