"""A search whose fits train together has the scores of a `GridSearchCV`, to the bit."""

import signal
from typing import Any

import numpy as np
import pytest
from sklearn import base
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold

from seqsweep.errors import Interrupted
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sklearn import RecurrentClassifier, RecurrentClassifierCV, search

pytestmark = pytest.mark.slow

clone: Any = base.clone
BASE = RecurrentClassifier(hidden_size=4, max_epochs=3, lr=0.02)
GRID: dict[str, Any] = {"hidden_size": [3, 6], "lr": np.logspace(-3, -1, 2)}


def waves(count=48, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 3
    x = [np.sin((0.2 + 0.2 * k) * np.arange(rng.integers(8, 15))[:, None]) for k in y]
    return [row + 0.3 * rng.normal(size=row.shape) for row in x], y


def assert_equal_results(ours, theirs):
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    for name, values in theirs.cv_results_.items():
        if not name.endswith("_time"):
            np.testing.assert_array_equal(ours.cv_results_[name], values, err_msg=name)


SHUFFLED: dict[str, Any] = {
    "cv": StratifiedKFold(2, shuffle=True, random_state=0),
    "scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "n_jobs", "options"),
    [
        ("native", 2, {"cv": GroupKFold(2), "return_train_score": True}),
        ("native", None, SHUFFLED),
        pytest.param("autograd", None, {"cv": 2}, marks=pytest.mark.durability),
    ],
)
def test_it_equals_a_grid_search_to_the_bit(engine, n_jobs, options: dict[str, Any]):
    x, y = waves()
    base = clone(BASE).set_params(engine=engine)
    by_group = isinstance(options["cv"], GroupKFold)
    more = {"groups": np.arange(len(y)) // 6} if by_group else {}
    theirs = GridSearchCV(base, GRID, **options).fit(x, y, **more)
    ours = RecurrentClassifierCV(base, GRID, n_jobs=n_jobs, **options).fit(x, y, **more)
    assert_equal_results(ours, theirs)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    assert ours.n_splits_ == theirs.n_splits_ and ours.n_features_in_ == 1
    assert ours.classes_.tolist() == [0, 1, 2]
    assert np.array_equal(ours.predict_proba(x), theirs.predict_proba(x))
    assert ours.score(x, y) == theirs.score(x, y)
    assert ours.best_estimator_.get_params() == theirs.best_estimator_.get_params()
    assert np.isfinite(ours.cv_results_["mean_fit_time"]).all()


def test_a_folder_resumes_and_extends_a_search(tmp_path):
    x, y = waves()
    base = clone(BASE).set_params(folder=tmp_path)
    small = RecurrentClassifierCV(base, {"hidden_size": [3]}, cv=2).fit(x, y)
    assert len(list(tmp_path.glob("*/record.json"))) == 3  # two folds and the refit
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/record.json")}
    large = RecurrentClassifierCV(base, {"hidden_size": [3, 5]}, cv=2).fit(x, y)
    assert all(path.stat().st_mtime_ns == written for path, written in times.items())
    column = "mean_test_score"
    assert large.cv_results_[column][0] == small.cv_results_[column][0]
    assert large.best_estimator_.folder == tmp_path
    # No seed is one seed for all fits.
    base.set_params(folder=tmp_path / "seed", random_state=None)
    search = RecurrentClassifierCV(base, {"hidden_size": [3, 5]}, cv=2).fit(x, y)
    configs = [RunFolder(path.parent).config() for path in tmp_path.glob("seed/*/record.json")]
    seeds = {config["seed"] for config in configs if config}
    assert seeds == {search.best_estimator_.random_state} and None not in seeds


def test_a_refused_fit_is_handled_as_scikit_learn_does():
    x, y = waves()
    grid = {"hidden_size": [3, 0]}
    failed = pytest.warns(FitFailedWarning, match="2 fits failed")
    with failed, pytest.warns(UserWarning, match="scores are non-finite"):
        search = RecurrentClassifierCV(BASE, grid, cv=2).fit(x, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert search.best_params_ == {"hidden_size": 3}
    with pytest.raises(ValueError, match="hidden_size=0: must be at least 1"):
        RecurrentClassifierCV(BASE, grid, cv=2, error_score="raise").fit(x, y)


def test_a_fit_that_diverges_is_an_error_of_the_fit():
    x, y = waves()
    base = clone(BASE).set_params(
        lr=1000.0, nonlinearity="relu", max_epochs=20, overrides={"trainer.gradient_clip_val": None}
    )
    with pytest.raises(ValueError, match=r"the training diverged: .*lower lr"):
        base.fit(x, y)
    with pytest.raises(ValueError, match=r"the training diverged: .*lower lr"):
        RecurrentClassifierCV(base, {"hidden_size": [4]}, cv=2, error_score="raise").fit(x, y)


def test_an_interrupted_search_is_a_keyboard_interrupt_and_resumes(tmp_path, monkeypatch):
    x, y = waves()
    base = clone(BASE).set_params(folder=tmp_path)
    train_groups = search.train_groups

    def interrupt(members, root, threads):
        train_groups(members[:1], root, threads=threads)
        raise Interrupted(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(search, "train_groups", interrupt)
        with pytest.raises(KeyboardInterrupt):
            RecurrentClassifierCV(base, {"hidden_size": [3, 5]}, cv=2).fit(x, y)
    (first,) = tmp_path.glob("*/record.json")
    written = first.stat().st_mtime_ns
    resumed = RecurrentClassifierCV(base, {"hidden_size": [3, 5]}, cv=2).fit(x, y)
    assert first.stat().st_mtime_ns == written
    assert_equal_results(resumed, GridSearchCV(BASE, {"hidden_size": [3, 5]}, cv=2).fit(x, y))
