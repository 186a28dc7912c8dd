"""Checks the X and y of an estimator, and converts them to arrays.

N sequences, T steps, F features (channels).
"""

import inspect
from collections.abc import Collection, Iterable
from typing import Any, Literal, Self, get_args

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    column_or_1d,
)

from seqsweep.data.checks import Array
from seqsweep.data.table_options import ROLES
from seqsweep.runs.files import say_once
from seqsweep.text import did_you_mean, listed

Layout = Literal["batch_first", "channels_first"]
"""The order of the axes of X: (N, T, F) or (N, F, T)."""

_LAYOUTS: tuple[str, ...] = get_args(Layout)

_OF_LONG_TABLES = {name for role in ("id", "step") for name in ROLES[role][0]}

Rows = Array | list[Array]
"""An array (N, T, F), or N arrays (T, F) that may differ in T."""

_INSTEAD = {
    **dict.fromkeys(("max_iter", "n_epochs", "epochs"), "max_epochs=N is the number of epochs"),
    **dict.fromkeys(("hidden_layer_sizes", "n_units"), "hidden_size=H, num_layers=L size it"),
    **dict.fromkeys(("validation_data", "eval_set"), "val_fraction=0.2 holds sequences out"),
    **dict.fromkeys(("learning_rate", "learning_rate_init"), "lr=0.003 is the learning rate"),
    **dict.fromkeys(("alpha", "optimizer", "solver"), "overrides={KEY: VALUE} sets such keys"),
    "warm_start": "with folder=FOLDER a fit of more epochs continues a shorter one",
    "device": "overrides={'trainer.accelerator': 'gpu'} trains on a GPU",
    "n_jobs": "threads=N are the threads of torch; the native engine needs one",
    "sample_weight": "class_weight='balanced' weighs classes; single sequences have no weight",
}
"""The counterparts of arguments of other estimators."""


def refuse_unknown(owner: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raises TypeError for an argument that an estimator or its `fit` does not have."""
    for name in given:
        if name not in known:
            hint = f"; {_INSTEAD[name]}" if name in _INSTEAD else did_you_mean(name, known)
            raise TypeError(f"{owner}({name}=...): no such argument{hint}")


class KnownArguments:
    """An estimator whose constructor refuses unknown arguments with a hint."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        refuse_unknown(cls.__name__, kwargs, inspect.signature(cls.__init__).parameters)
        return super().__new__(cls)


def sequences(x: Any, layout: str) -> Rows:
    """Returns X with the channels as the last axis.

    Args:
        x: (N, T, F), or (N, T) for one channel; or a list of N sequences (T, F) or (T,).
        layout: `channels_first` if an array is (N, F, T) and each sequence of a list is (F, T);
            otherwise `batch_first`.

    Raises:
        ValueError, TypeError: X does not have one of these forms, or the layout is unknown.
    """
    if layout not in _LAYOUTS:
        hint = did_you_mean(str(layout), _LAYOUTS)
        raise ValueError(f"layout={layout!r}: must be one of {listed(_LAYOUTS)}{hint}")
    if _is_list(x):
        return _list_of_arrays(list(x), layout)
    names = {str(name).casefold() for name in getattr(x, "columns", ())}
    if long := sorted(names & _OF_LONG_TABLES):
        raise ValueError(
            f"X has the column {long[0]!r}, as a long table with a row for each step has; expected"
            " a row for each sequence, or a list: [part[FEATURES].to_numpy() for _, part in"
            " X.groupby(ID)]"
        )
    if names and np.ndim(x.iloc[0, 0]):
        unpacked = "[np.column_stack(row) for row in X.to_numpy()]"
        raise ValueError(f"X is a nested table, with a series in each cell; expected {unpacked}")
    # scikit-learn's own check refuses texts, complex numbers and sparse matrices.
    array = check_array(x, allow_nd=True, ensure_all_finite=False, input_name="X")
    if array.ndim > 3:
        raise ValueError(f"X has shape {array.shape}; must be (N, T, F) or (N, T)")
    if 0 in array.shape:
        raise ValueError(f"X has shape {array.shape}; no dimension may be 0")
    if array.ndim == 2:
        return array[:, :, None]
    if layout == "channels_first":
        return array.swapaxes(1, 2)
    _, steps, channels = array.shape
    if channels > 2 * steps > 2:
        shape = f"X has shape {array.shape}: {steps} steps of {channels} channels"
        say_once(f"{shape}; layout='channels_first' reads {channels} steps of {steps} channels")
    return array


def labels(y: Any, x: Rows) -> Array:
    """Returns y as (N,) numbers or texts.

    Raises:
        ValueError: y has another length than X, or its values are not classes.
    """
    if y is None:
        raise ValueError("RecurrentClassifier requires y to be passed, but the target y is None")
    check_consistent_length(x, y)
    array = np.asarray(column_or_1d(y, warn=True))
    if array.dtype.kind == "f":
        assert_all_finite(array, input_name="y")
    check_classification_targets(array)
    # pandas and mixed lists give texts as objects, which an .npz file cannot hold.
    return array.astype(np.str_) if array.dtype.kind == "O" else array


def num_channels(x: Rows) -> int:
    return x.shape[2] if isinstance(x, np.ndarray) else x[0].shape[1]


def _is_list(x: Any) -> bool:
    """Returns whether X is a list, or a column, of sequences."""
    if isinstance(x, (list, tuple)):
        return True
    if str(getattr(x, "dtype", "")) != "object" or x.ndim != 1 or len(x) == 0:
        return False
    return np.ndim(next(iter(x))) > 0


def _list_of_arrays(rows: list[Any], layout: str) -> list[Array]:
    if not rows:
        raise ValueError("X=[]: must be at least one sequence")
    arrays = [_sequence(row, index, layout) for index, row in enumerate(rows)]
    channels = arrays[0].shape[1]
    for index, array in enumerate(arrays):
        if 0 in array.shape:
            raise ValueError(f"X[{index}] has shape {np.shape(rows[index])}; no dimension may be 0")
        if array.shape[1] != channels:
            turned = "batch_first" if layout == "channels_first" else "channels_first"
            # If the other axis has one size in all sequences, it may hold the channels.
            hint = f"; did you mean layout={turned!r}?" if len({*map(len, arrays)}) == 1 else ""
            raise ValueError(
                f"X[{index}] has {array.shape[1]} channels, but X[0] has {channels}; all sequences"
                f" must have the same channels{hint}"
            )
    return arrays


def _sequence(row: Any, index: int, layout: str) -> Array:
    """Returns one sequence of a list as (T, F)."""
    try:
        array = np.asarray(row)
    except ValueError:
        raise ValueError(f"X[{index}] is ragged; must be (T, F) or (T,)") from None
    if array.dtype.kind not in "biuf":  # numbers skip this check, which takes 50 us
        array = check_array(
            array, ensure_2d=False, allow_nd=True, ensure_all_finite=False, input_name=f"X[{index}]"
        )
    if array.ndim not in (1, 2):
        raise ValueError(f"X[{index}] has shape {array.shape}; must be (T, F) or (T,)")
    if array.ndim == 1:
        return array[:, None]
    return array.T if layout == "channels_first" else array
