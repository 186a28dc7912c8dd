"""Checks raw arrays: type, layout, lengths, labels and names.

N sequences, T steps of the longest, F features (channels). Messages count all three from 0.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from seqsweep.errors import check_known
from seqsweep.text import count, did_you_mean, listed, short

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any]]
"""Values as a file has them: float32 or float64."""
Int64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_AT_ONCE = 1 << 20
"""The largest number of values in a block of `blocks`; padding counts too."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")

LONGEST = 1_000
"""The most characters of a label or an id: NumPy gives each text the space of the longest."""

Layout = Literal["batch_first", "time_first", "channels_first"]
"""The order of the axes of x: (N, T, F), (T, N, F) or (N, F, T)."""


def label_names(*arrays: npt.ArrayLike, where: str = "labels") -> tuple[str, ...]:
    """Returns the distinct labels as names, sorted as numbers if all are numbers.

    The caller passes the labels of all splits, so that a class has the same index in all splits.
    """
    texts = {text for a in arrays for text in label_texts(label_array(a, where), where).tolist()}
    are_numbers = all(map(_NUMBER.fullmatch, texts))
    return tuple(sorted(texts, key=lambda text: (float(text) if are_numbers else 0, text)))


def check_lengths(lengths: npt.ArrayLike, count: int, longest: int | None, where: str) -> Int64:
    """Returns the lengths as (count,) int64, each from 1 to `longest`, if given."""
    steps = as_array(lengths, "lengths", "iu", "integers", where)
    if steps.shape != (count,):
        raise ValueError(f"{where}: lengths has shape {steps.shape}; must be ({count},)")
    is_wrong = (steps < 1) if longest is None else (steps < 1) | (steps > longest)
    if is_wrong.any():
        first = int(is_wrong.argmax())
        most = f"between 1 and {longest}, the steps of x; data.source.layout orders its axes"
        allowed = "at least 1" if longest is None else most
        raise ValueError(f"{where}: sequence {first} has length {steps[first]}; must be {allowed}")
    return steps.astype(np.int64)


def as_array(value: npt.ArrayLike, name: str, kinds: str, allowed: str, where: str) -> Array:
    """Converts a value to an array, whose `dtype.kind` must be in `kinds` (`allowed` in words)."""
    try:
        array = np.asarray(value)
    except ValueError:  # the rows differ in length
        raise ValueError(f"{where}: {name} is ragged; pad it and give lengths") from None
    if array.dtype.kind not in kinds:
        raise TypeError(f"{where}: {name} has dtype {array.dtype}; expected {allowed}")
    return array


def batch_first(x: Array, count: int | None, layout: str, where: str) -> Array:
    """Returns x as (N, T, F), where a given `count` is N; (N, T) has F = 1."""
    # A script may pass any text, because only the layout of a config is checked before.
    check_known(f"{where}: layout", layout, get_args(Layout))
    if x.ndim not in (2, 3) or 0 in x.shape:
        must = "must be (N, T, F) or (N, T), without a dimension of 0"
        raise ValueError(f"{where}: x has shape {x.shape}; {must}")
    turned = x.swapaxes(0, 1) if layout == "time_first" else x
    if count is not None and len(turned) != count:
        fix = "both must be equal"
        if turned.shape[1] == count:
            other = "batch_first" if layout == "time_first" else "time_first"
            fix = f"it looks like {other.replace('_', ' ')}, set data.source.layout={other}"
        raise ValueError(
            f"{where}: x has shape {x.shape}, so with layout={layout} {len(turned)} sequences, but"
            f" there are {count} labels; {fix}"
        )
    if turned.ndim == 2:
        return turned[:, :, None]
    return turned.swapaxes(1, 2) if layout == "channels_first" else turned


def float_values(x: Array, lengths: Int64, where: str) -> Floats:
    """Returns a copy of x as floats, with zeros at its padding.

    Floats of at most 32 bits, booleans and whole numbers of at most 16 bits give float32; other
    types give float64. Refuses values that are infinite in float32, the type that networks read.
    """
    dtype = np.float32 if np.can_cast(x.dtype, np.float32) else np.float64
    values = np.array(x, dtype=dtype, order="C")
    values[np.arange(x.shape[1]) >= lengths[:, None]] = 0
    # Only the smallest and the largest value are converted: a float32 copy of x could be large.
    ends = np.array([np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)])
    if exceeds_float32(ends).any():
        infinite = exceeds_float32(values)
        n, t, f = np.argwhere(infinite)[0]
        position = f"sequence {n}, step {t}, channel {f}"
        raise ValueError(
            f"{where}: x is {x[n, t, f]} at {position} ({infinite.sum()} such values);"
            " must be a number within float32, or NaN for a missing value"
        )
    return values


def refuse_missing(x: Floats, first: int, channels: Sequence[object], where: str) -> None:
    """Refuses NaN in cropped values (N, T, F), whose step 0 is step `first` of the source."""
    missing = np.isnan(x)
    if missing.any():
        n, t, f = map(int, np.unravel_index(missing.argmax(), missing.shape))
        ends = ", or give lengths, if the ends are padding" if missing[n, -1].all() else ""
        holes = f"{count(int(missing.sum()), 'missing value')} (NaN)"
        raise ValueError(
            f"{where}: {holes}; the first is in sequence {n}, step {first + t}, channel"
            f" {channels[f]!r}; train with data.missing=mean|zero|forward{ends}"
        )


def blocks(x: Array) -> Iterator[slice]:
    """Yields slices of the N sequences; a copy of the whole x could be large."""
    count = max(1, _AT_ONCE // max(1, x[:1].size))
    return (slice(start, start + count) for start in range(0, len(x), count))


def channel_blocks(parts: Sequence[tuple[Floats, Mask]]) -> Iterator[tuple[int, list[Floats]]]:
    """Yields blocks of channels: the first one, and each part's valid values (F, S).

    A table may have 100,000 channels, so a caller computes nothing for each of them alone.
    """
    count = max(1, _AT_ONCE // sum(int(valid.sum()) for _, valid in parts))
    for f in range(0, parts[0][0].shape[2], count):
        values = (x[:, :, f : f + count][valid] for x, valid in parts)
        yield f, [np.ascontiguousarray(block.T) for block in values]


def ranges(values: Floats) -> tuple[Float64, Float64]:
    """Returns the smallest and the largest of values (..., S); NaN where all are missing."""
    least, most = np.fmin.reduce(values, axis=-1), np.fmax.reduce(values, axis=-1)
    return least.astype(np.float64), most.astype(np.float64)


def exceeds_float32(values: Floats) -> Mask:
    """Returns which values are infinite, or too large for float32."""
    with np.errstate(over="ignore"):  # too large values become infinite
        return np.isinf(values.astype(np.float32))


def check_short(texts: Iterable[object], role: str, where: str) -> None:
    """Refuses labels or ids of more than LONGEST characters; numbers pass."""
    for text in texts:
        if isinstance(text, str) and len(text) > LONGEST:
            must = f"has {len(text):,} characters; must have at most {LONGEST:,}"
            raise ValueError(f"{where}: the {role} {short(text)} {must}")


def label_array(labels: npt.ArrayLike, where: str) -> Array:
    """Returns the labels (N,) as an array, floats as int64; refuses fractional numbers."""
    array = as_array(labels, "labels", "biufUST", "whole numbers, strings, booleans", where)
    if array.ndim != 1:
        hint = "; if a row is one-hot, give y.argmax(axis=1)" if array.ndim == 2 else ""
        raise ValueError(f"{where}: labels have shape {array.shape}; must be (N,){hint}")
    if array.dtype.kind != "f":
        return array
    with np.errstate(invalid="ignore"):  # NaN and infinity differ from any whole number
        whole = array.astype(np.int64)
    if (whole != array).any():
        label = array[row := int((whole != array).argmax())]
        hint = "it is missing" if np.isnan(label) else "a number to predict, as in regression"
        raise ValueError(
            f"{where}: sequence {row} has label {label}: {hint}; a label names a class, and"
            " docs/extend.md has numbers to predict"
        )
    return whole


def label_texts(labels: Array, where: str) -> npt.NDArray[np.str_]:
    """Returns the labels (N,) of `label_array` as texts; refuses missing labels."""
    try:
        is_bytes = labels.dtype.kind == "S"
        texts = np.char.decode(labels, "utf-8") if is_bytes else labels.astype(np.str_)
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: labels are not UTF-8: {error.object!r}") from None
    missing = np.isin(texts, ("", "nan", "NaN"))
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(f"{where}: sequence {row} has label {str(texts[row])!r}: it is missing")
    return texts


def class_indices(labels: npt.ArrayLike, class_names: tuple[str, ...], where: str) -> Int64:
    """Returns the position of each label in `class_names`, (N,)."""
    array, names, allowed = label_array(labels, where), class_names, f"one of {listed(class_names)}"
    # Whole numbers cannot be names if no name is a number, so they are positions.
    if array.dtype.kind in "iu" and not any(map(_NUMBER.fullmatch, class_names)):
        names = tuple(map(str, range(len(class_names))))
        allowed = f"between 0 and {len(names) - 1}, a position in class_names"
    position = {name: i for i, name in enumerate(names)}
    texts: list[str] = label_texts(array, where).tolist()
    for row, text in enumerate(texts):
        if text not in position:
            must = f"must be {allowed}{did_you_mean(text, names)}"
            raise ValueError(f"{where}: sequence {row} has label {text!r}; {must}")
    return np.array([position[text] for text in texts], dtype=np.int64)


def numbered(values: Array) -> Int64:
    """Returns values as numbers from 0, by their first appearance."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def check_names(argument: str, names: tuple[str, ...], where: str) -> None:
    """Refuses names that are not distinct."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{where}: {argument} has {twice!r} more than once")
