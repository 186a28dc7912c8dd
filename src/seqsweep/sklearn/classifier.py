"""Defines a scikit-learn classifier of sequences.

N sequences, T steps, F features (channels), C classes.
"""

from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from seqsweep.data.checks import Array, class_indices
from seqsweep.data.scaling import Missing
from seqsweep.models.classifier import AnyCell, Pooling
from seqsweep.runs.identity import targets
from seqsweep.runs.metrics_csv import read_columns
from seqsweep.sklearn.arrays import (
    KnownArguments,
    Layout,
    labels,
    num_channels,
    refuse_unknown,
    sequences,
)
from seqsweep.sklearn.runs import (
    config_of,
    folder_of_runs,
    in_arguments,
    kept_content,
    one_at_a_time,
    store,
    train_one,
)
from seqsweep.training.checkpoint_files import save_sealed
from seqsweep.training.devices import restored_torch_state
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.using.load import LoadedRun, run_of


class RecurrentClassifier(KnownArguments, ClassifierMixin, BaseEstimator):
    """A recurrent classifier of sequences for scikit-learn.

    `fit` trains the same run as the command `seqsweep train data=npz data.test_fraction=0` on the
    same arrays. The results are equal to the last bit. The arguments in `sklearn.runs.KEYS` stand
    for keys of the config, and have the same defaults.

    X is a list of N sequences (T, F) or (T,), which may differ in T, or an array (N, T, F) or
    (N, T). So the columns of a 2-D array are the steps of one channel.

    Args:
        hidden_size, cell, nonlinearity, num_layers, bidirectional, dropout, pooling: the
            options of the network, see `RNNClassifier`.
        max_epochs: the number of epochs; the weights of the best epoch are kept.
        batch_size: `auto` is 32, or the number of training sequences if that is smaller.
        lr, weight_decay: the options of the optimizer, which is Adam by default.
        class_weight: None, `balanced`, or a dict of label: weight.
        standardize: whether to scale each channel to mean 0 and deviation 1, measured in `fit`.
        missing: how to replace NaN: `error` (refuses NaN), `zero`, `mean` or `forward`.
        val_fraction: the fraction of the sequences that decides which epoch is best. With 0 the
            last epoch counts as the best.
        layout: `channels_first` if an array X is (N, F, T) and each sequence of a list is (F, T).
        random_state: the run's seed, which decides weights, order and dropout. None draws a seed
            from NumPy's global generator; a `RandomState` draws the seed itself.
        engine: `auto`, `native` or `autograd`.
        threads: the number of threads that torch uses; more make small networks slower.
        folder: the folder that keeps the runs. An interrupted fit resumes; a finished fit is not
            repeated. None trains in a temporary folder.
        overrides: further keys of a config with their values, such as
            `{"optimizer": "adamw", "loss.label_smoothing": 0.1}`.
        verbose: whether to show notes on the data, and a progress bar in a terminal.

    Attributes:
        classes_: (C,) the labels, sorted.
        n_classes_: C, the number of classes.
        n_features_in_: F, the number of channels.
        history_: the metrics of each epoch by their names, such as `train/loss` and `val/acc`.
        n_iter_: the number of epochs.
        loss_curve_: the training loss of each epoch.
        run_: the `LoadedRun` that `seqsweep.load_run` would return.
    """

    missing: Missing
    layout: Layout
    random_state: int | np.random.RandomState | None
    threads: int
    folder: str | Path | None
    verbose: bool

    def __init__(
        self,
        hidden_size: int = 32,
        cell: AnyCell = "rnn",
        *,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: Pooling = "last",
        max_epochs: int = 30,
        batch_size: int | Literal["auto"] = "auto",
        lr: float = 0.003,
        weight_decay: float = 0.0,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        standardize: bool = True,
        missing: Missing = "error",
        val_fraction: float = 0.2,
        layout: Layout = "batch_first",
        random_state: int | np.random.RandomState | None = 0,
        engine: Literal["auto", "native", "autograd"] = "auto",
        threads: int = 1,
        folder: str | Path | None = None,
        overrides: dict[str, Any] | None = None,
        verbose: bool = False,
    ) -> None:
        arguments = dict(locals())
        # scikit-learn requires an attribute for each argument.
        for name in self._get_param_names():
            setattr(self, name, arguments[name])

    def fit(self, X: Any, y: Any, **others: Any) -> Self:
        """Trains on X and y; takes no other arguments.

        Raises:
            ValueError, TypeError: an argument, X or y is refused, or the training diverged.
            RuntimeError: the training failed.
            KeyboardInterrupt, SystemExit: a signal came; with `folder`, the same call resumes.
        """
        refuse_unknown("fit", others, ("X", "y"))
        # X and y are checked before they are stored, so that no message names a temporary file.
        x = sequences(X, self.layout)
        targets = labels(y, x)
        with one_at_a_time, folder_of_runs(self.folder) as root:
            path = store(x, targets, root)
            planned = self.planned_run(path, targets, root)
            try:
                outcome = train_one(planned, root, self.verbose)
            except (ValueError, TypeError) as error:
                raise in_arguments(error, str(path)) from error
            self._set_fitted(outcome, targets)
        return self

    def predict(self, X: Any) -> Array:
        """Returns the most probable label of each sequence, (N,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Returns the probability of each class, (N, C), ordered as `classes_`."""
        check_is_fitted(self)
        x = sequences(X, self.layout)
        if num_channels(x) != self.n_features_in_:
            raise ValueError(
                f"X has {num_channels(x)} channels, but {type(self).__name__} is expecting"
                f" {self.n_features_in_} channels as input"
            )
        try:
            with one_at_a_time, restored_torch_state(self.threads, draws=False):
                size = self.run_.config["data"]["eval_batch_size"]
                probabilities = self.run_.apply(self.run_.prepare(x), size)
        except ValueError as error:
            raise in_arguments(error) from error
        return probabilities[:, self._order]

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Returns the log probabilities (N, C); of two classes their difference (N,)."""
        scores = np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))
        return scores[:, 1] - scores[:, 0] if self.n_classes_ == 2 else scores

    def save(self, path: str | Path) -> None:
        """Writes the fitted network to a checkpoint file for `seqsweep.load_run`."""
        check_is_fitted(self)
        file = Path(path).expanduser()
        file.parent.mkdir(parents=True, exist_ok=True)
        save_sealed(self._checkpoint, file)

    def planned_run(self, path: Path, y: Array, root: Path) -> PlannedRun:
        """Returns the planned run (a checked config with its run_id) that a fit trains.

        Raises:
            ValueError, TypeError: an argument, X or y is refused.
        """
        seed = self.random_state
        if seed is None or isinstance(seed, np.random.RandomState):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        arguments = self.get_params() | {"random_state": seed}
        config = config_of(arguments, y, str(path), str(root))
        try:
            return plan(config)
        except (ValueError, TypeError) as error:
            raise in_arguments(error, str(path)) from error

    def _set_fitted(self, outcome: Outcome, y: Array) -> None:
        """Sets the fitted attributes from a finished run."""
        path = outcome.folder.path / "checkpoints" / "best.ckpt"
        self._path = str(path)
        self._checkpoint = kept_content(path)
        self.history_ = read_columns(outcome.folder.path / "metrics.csv")
        self.loss_curve_ = self.history_["train/loss"]
        self.n_iter_ = len(self.loss_curve_)
        self.run_ = self._loaded()
        self.classes_ = np.unique(y)
        self.n_classes_ = len(self.classes_)
        self.n_features_in_ = len(self.run_.source_channels)
        # The run sorts numeric texts by their values, but `np.unique` sorts them as texts.
        self._order = class_indices(self.classes_, self.run_.class_names, "y")

    def _loaded(self) -> LoadedRun:
        # The user has given the code of the cell, or has unpickled this object.
        allowed = [path for _, path in targets(self._checkpoint["config"]["model"])]
        return run_of(self._checkpoint, Path(self._path), allowed)

    def __getstate__(self) -> dict[str, Any]:
        """Returns plain values and arrays, from which unpickling rebuilds the network."""
        # A pickled module would depend on the versions of torch and of this package.
        state: dict[str, Any] = dict(cast("Any", super().__getstate__()))
        state.pop("run_", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_checkpoint" in state:
            self.run_ = self._loaded()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "error"
        return tags
