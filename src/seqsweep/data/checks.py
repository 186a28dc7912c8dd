"""Checks of raw arrays: type, layout, lengths, labels, names; each error names the place.

N sequences, T steps of the longest, F features (channels). Sequences, steps and channels are
counted from 0 in every message, as NumPy counts them.
"""

import re
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from seqsweep.suggest import did_you_mean, listed

Array = npt.NDArray[Any]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

Layout = Literal["batch_first", "time_first", "channels_first"]
"""The order of the axes of x: (N, T, F), (T, N, F) or (N, F, T)."""

_LAYOUTS: tuple[str, ...] = get_args(Layout)


def label_names(*arrays: npt.ArrayLike, where: str = "labels") -> tuple[str, ...]:
    """The names of all labels that occur, sorted as numbers if all look like numbers.

    Give the labels of all splits at once, so that a class has the same index in each.
    """
    texts = {str(t) for a in arrays for t in np.unique(_texts(label_array(a, where), where))}
    if all(_NUMBER.fullmatch(text) for text in texts):
        return tuple(sorted(texts, key=lambda text: (float(text), text)))
    return tuple(sorted(texts))


def check_lengths(
    lengths: npt.ArrayLike, count: int, longest: int | None, where: str, channels: int = 0
) -> npt.NDArray[np.int64]:
    """(count,) int64 lengths, each at least 1 and at most `longest` (None: no upper bound).

    If they fit the number of channels instead, the error says so.
    """
    steps = as_array(lengths, "lengths", "iu", "integers", where)
    if steps.shape != (count,):
        raise ValueError(f"{where}: lengths has shape {steps.shape}; needed is ({count},)")
    bad = (steps < 1) if longest is None else (steps < 1) | (steps > longest)
    if bad.any():
        first = int(bad.argmax())
        allowed = "at least 1" if longest is None else f"1 to {longest}"
        fits = steps.min() >= 1 and steps.max() <= channels
        hint = "; it looks channels first, set data.source.layout=channels_first" if fits else ""
        raise ValueError(
            f"{where}: sequence {first} has length {steps[first]}; must be {allowed}{hint}"
        )
    return steps.astype(np.int64)


def as_array(value: npt.ArrayLike, name: str, kinds: str, allowed: str, where: str) -> Array:
    """`value` as an array whose dtype is of one of `kinds`, the letters of `dtype.kind`."""
    try:
        array = np.asarray(value)
    except ValueError:  # NumPy's word for rows that differ in length
        raise ValueError(f"{where}: {name} is ragged; pad it and give lengths") from None
    if array.dtype.kind not in kinds:
        raise TypeError(f"{where}: {name} has dtype {array.dtype}; allowed are {allowed}")
    return array


def batch_first(x: Array, count: int, layout: str, where: str) -> Array:
    """x as (N, T, F), where N must be `count`, the number of labels."""
    if layout not in _LAYOUTS:
        hint = did_you_mean(layout, _LAYOUTS)
        raise ValueError(f"{where}: layout={layout!r}: must be one of {listed(_LAYOUTS)}{hint}")
    if x.ndim not in (2, 3):
        raise ValueError(f"{where}: x has shape {x.shape}; allowed are (N, T, F) and (N, T)")
    if 0 in x.shape:
        raise ValueError(f"{where}: x has shape {x.shape}; no dimension may be 0")
    turned = x.swapaxes(0, 1) if layout == "time_first" else x
    if len(turned) != count:
        message = f"{where}: x has shape {x.shape}, so with layout={layout} {len(turned)} sequences"
        if turned.shape[1] == count:
            other = "batch_first" if layout == "time_first" else "time_first"
            fix = f"it looks {other.replace('_', ' ')}, set data.source.layout={other}"
            raise ValueError(f"{message}, but there are {count} labels; {fix}")
        raise ValueError(f"{message}, but there are {count} labels; both must be equal")
    if turned.ndim == 2:
        return turned[:, :, None]
    return turned.swapaxes(1, 2) if layout == "channels_first" else turned


def channels_first_note(x: Array, where: str) -> list[str]:
    """Returns a line if x, taken as (N, T, F), looks like (N, F, T), which nothing forbids.

    It does where there are far more channels than steps, or somewhat more, and neighbours along
    the channels are much closer than along the steps, as those along time are.
    """
    _, steps, channels = x.shape
    if steps >= channels:
        return []
    some = x[:64].astype(np.float64)
    if channels < 8 * steps and not _roughness(some, 2) < _roughness(some, 1) / 4:
        return []
    count = f"{len(x)} sequences of {steps} step{'s' * (steps > 1)} with {channels} channels"
    return [f"{where} looks like channels first: {count}; data.source.layout=channels_first?"]


def _roughness(x: npt.NDArray[np.float64], axis: int) -> float:
    """The mean square of the differences along an axis; NaN where there are none."""
    differences = np.diff(x, axis=axis)
    present = differences[np.isfinite(differences)]
    return float(np.square(present).mean()) if len(present) else float("nan")


def finite_float32(x: Array, valid: npt.NDArray[np.bool_], where: str) -> npt.NDArray[np.float32]:
    """A float32 copy of x, zero at its padding; infinite values are refused."""
    with np.errstate(over="ignore"):  # what overflows is infinite, and reported below
        values = np.array(x, dtype=np.float32, order="C")
    values[~valid] = 0
    infinite = np.isinf(values)
    if infinite.any():
        n, t, f = np.argwhere(infinite)[0]
        place = f"sequence {n}, step {t}, channel {f}"
        raise ValueError(
            f"{where}: x is {x[n, t, f]} at {place} ({infinite.sum()} such values);"
            " allowed are numbers within float32, and NaN for a missing value"
        )
    return values


def label_array(labels: npt.ArrayLike, where: str) -> Array:
    """(N,) labels of an allowed type, NaN and numbers to be predicted refused."""
    array = as_array(labels, "labels", "biufUST", "whole numbers, strings, booleans", where)
    if array.ndim != 1:
        hint = "; if a row is one-hot, give y.argmax(axis=1)" if array.ndim == 2 else ""
        raise ValueError(f"{where}: labels have shape {array.shape}; needed is (N,){hint}")
    if array.dtype.kind == "f" and (bad := array != np.floor(array)).any():  # NaN differs from NaN
        row = int(bad.argmax())
        hint = "it is missing" if np.isnan(array[row]) else "a number to predict, as in regression"
        raise ValueError(
            f"{where}: sequence {row} has label {array[row]}: {hint}; a label names a class"
        )
    if array.dtype.kind in "if" and (bad := (array == -100) | np.isinf(array)).any():
        row = int(bad.argmax())
        raise ValueError(
            f"{where}: sequence {row} has label {array[row]}, which is no class"
            " (-100 tells PyTorch to ignore an example); leave such sequences out"
        )
    return array


def _texts(labels: Array, where: str) -> npt.NDArray[np.str_]:
    """(N,) names of the labels: whole numbers without a point, bytes decoded as UTF-8."""
    kind = labels.dtype.kind
    if kind == "f":
        values, index = np.unique(labels, return_inverse=True)
        return np.array([str(int(value)) for value in values], dtype=np.str_)[index]
    try:
        texts = np.char.decode(labels, "utf-8") if kind == "S" else labels.astype(np.str_)
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: labels are not UTF-8: {error.object!r}") from None
    missing = np.isin(texts, ("", "nan", "NaN"))
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(f"{where}: sequence {row} has label {str(texts[row])!r}: it is missing")
    return texts


def class_indices(labels: Array, class_names: tuple[str, ...], where: str) -> npt.NDArray[np.int64]:
    """(N,) positions in `class_names`."""
    if labels.dtype.kind in "iu" and not any(map(_NUMBER.fullmatch, class_names)):
        position = {str(i): i for i in range(len(class_names))}
        allowed = f"0 to {len(class_names) - 1}, the positions in class_names"
    else:
        position = {name: i for i, name in enumerate(class_names)}
        allowed = listed(class_names)
    texts = _texts(labels, where)
    values, index = np.unique(texts, return_inverse=True)
    for value in map(str, values):
        if value not in position:
            row = int((texts == value).argmax())
            hint = did_you_mean(value, position)
            raise ValueError(
                f"{where}: sequence {row} has label {value!r}; allowed are {allowed}{hint}"
            )
    return np.array([position[str(value)] for value in values], dtype=np.int64)[index]


def check_names(argument: str, names: tuple[str, ...], where: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{where}: {argument} has {twice!r} more than once")
