"""Defines a grid search whose fits train together."""

import contextlib
import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import check_random_state

from seqsweep.data.checks import Array
from seqsweep.errors import Interrupted
from seqsweep.runs.record import NO_RECORD
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sklearn.arrays import Rows, labels, sequences
from seqsweep.sklearn.classifier import RecurrentClassifier
from seqsweep.sklearn.runs import folder_of_runs, one_at_a_time, store
from seqsweep.sweeping.api import error_of_signal
from seqsweep.sweeping.train_groups import train_groups
from seqsweep.training.planned_run import PlannedRun

Split = tuple[Array, Array]
"""The positions of the training sequences, and of the test sequences."""

_SHARED = ("folder", "layout", "verbose")
"""The arguments of the estimator that all fits share."""


class RecurrentClassifierCV(GridSearchCV):
    """A `GridSearchCV` over a `RecurrentClassifier` whose fits train together.

    It has the attributes of `GridSearchCV`, with equal scores to the last bit. All fits on one fold
    train side by side, where each additional small network costs a few milliseconds.
    `mean_fit_time` is the mean time that the engine trained the network, in seconds.

    Args:
        estimator: a `RecurrentClassifier`; all fits share its arguments outside the grid. With
            `random_state=None` the search draws one seed for all fits. With `folder` and a
            `random_state`, an interrupted search resumes, and a larger grid trains only the rest.
        param_grid: a dict of argument: list of values, or a list of such dicts.
        scoring, refit, cv, error_score, return_train_score: see `GridSearchCV`.
        n_jobs: the number of networks that train in parallel threads; None is 1, -1 is all cores.
    """

    def __init__(
        self,
        estimator: RecurrentClassifier,
        param_grid: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            error_score=error_score,  # pyright: ignore[reportArgumentType]
            return_train_score=return_train_score,
        )

    def fit(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any, y: Any, groups: Any = None
    ) -> Self:
        """Trains all fits together, and with `refit` the best config on all of X.

        Args:
            groups: (N,) the group of each sequence, for a splitter that keeps groups together.

        Raises:
            ValueError, TypeError: an argument, X or y is refused.
            KeyboardInterrupt, SystemExit: a signal came; with a `folder`, the same call resumes.
        """
        if not isinstance(self.estimator, RecurrentClassifier):
            kind = type(self.estimator).__name__
            raise TypeError(f"estimator: must be a RecurrentClassifier, got {kind}")
        for name in _SHARED:
            if any(name in params for params in ParameterGrid(self.param_grid)):
                raise ValueError(f"param_grid: {name} must be set at the estimator")
        x = sequences(X, self.estimator.layout)
        targets = labels(y, x)
        splitter: Any = check_cv(cast("Any", self.cv), targets, classifier=True)
        splits = list(splitter.split(x, targets, groups))
        with one_at_a_time, folder_of_runs(self.estimator.folder) as root:
            base = self._base(root)
            fits = self._fits(base, x, targets, splits, root)
            try:
                planned = [fit for fit in fits if fit is not None]
                threads: Any = effective_n_jobs(cast("Any", self.n_jobs))
                train_groups(planned, root, threads=threads)
            except Interrupted as error:
                raise error_of_signal(error.exit_code) from error
            own: dict[str, Any] = {"estimator": base, "cv": splits, "n_jobs": None}
            search = GridSearchCV(**{**self.get_params(deep=False), **own})
            # Each fit of the search finds its run complete, and only loads the result.
            search.fit(X, y)
            self._copy_results(search, _seconds(fits, root).reshape(-1, len(splits)))
        return self

    def _base(self, root: Path) -> RecurrentClassifier:
        """Returns a copy of the estimator, with one seed and folder for all fits."""
        base = _copy(self.estimator)
        base.set_params(folder=root, verbose=False)
        # The pools and the search must plan the same runs, so the seed is drawn once.
        if base.random_state is None:
            base.set_params(random_state=check_random_state(None).randint(2**31 - 1))
        return base

    def _fits(
        self, base: RecurrentClassifier, x: Rows, y: Array, splits: Sequence[Split], root: Path
    ) -> list[PlannedRun | None]:
        """Returns the run of each config and fold, in the search's order.

        None stands for a refused run. The search meets the same error, and `error_score` decides
        how the error is handled.
        """
        estimators = [
            _copy(base).set_params(**copy.deepcopy(params))
            for params in ParameterGrid(self.param_grid)
        ]
        by_fold: list[list[PlannedRun | None]] = []
        # The folds are stored one by one, so that only one fold is in memory at a time.
        for train, _ in splits:
            path = store(_rows(x, train), y[train], root)
            by_fold.append([_planned(each, path, y[train], root) for each in estimators])
        return [fit for fits in zip(*by_fold, strict=True) for fit in fits]

    def _copy_results(self, search: GridSearchCV, seconds: npt.NDArray[np.float64]) -> None:
        """Copies the fitted attributes of a search, and sets the fit times."""
        for name, value in vars(search).items():
            if name.endswith("_") and not name.startswith("_"):
                setattr(self, name, value)
        self.cv_results_["mean_fit_time"] = seconds.mean(axis=1)
        self.cv_results_["std_fit_time"] = seconds.std(axis=1)
        # Without `refit` the search has no best estimator.
        if hasattr(self, "best_estimator_"):
            own = {name: getattr(self.estimator, name) for name in ("folder", "verbose")}
            self.best_estimator_.set_params(**own)


def _copy(estimator: RecurrentClassifier) -> RecurrentClassifier:
    return cast("RecurrentClassifier", clone(estimator))


def _planned(estimator: RecurrentClassifier, path: Path, y: Array, root: Path) -> PlannedRun | None:
    with contextlib.suppress(ValueError, TypeError):
        return estimator.planned_run(path, y, root)
    return None


def _rows(x: Rows, index: Array) -> Rows:
    return x[index] if isinstance(x, np.ndarray) else [x[row] for row in index]


def _seconds(fits: Sequence[PlannedRun | None], root: Path) -> npt.NDArray[np.float64]:
    """Returns each run's training time in seconds; NaN without a result."""
    seconds: list[float] = []
    for fit in fits:
        record = NO_RECORD if fit is None else RunFolder(root / fit.run_id).record() or NO_RECORD
        seconds.append(np.nan if record.train_seconds is None else record.train_seconds)
    return np.array(seconds)
