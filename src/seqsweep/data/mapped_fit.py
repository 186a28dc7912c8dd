"""Fits a scaling on sequences in a file, part by part.

The results have the bits of those that `prepare` computes in memory.

S valid steps of all sequences together, F features (channels).
"""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seqsweep.data.fitted import Missing, Scaling
from seqsweep.data.mapped_sequences import MappedSequences
from seqsweep.data.moments import channel_sums, present_sums
from seqsweep.data.precision import Float32, Float64, Units, converted
from seqsweep.data.scaling import (
    COARSE,
    have_same_units,
    mean_values,
    note_on_constant,
    too_coarse,
    too_far,
    zero_in_units,
)
from seqsweep.data.sequences import Sequences, Splits


class Fit(NamedTuple):
    """A scaling, and which channels (F,) are constant in train."""

    scaling: Scaling
    constant: npt.NDArray[np.bool_]


class Missed(NamedTuple):
    """The missing values of a split.

    Attributes:
        total: how many there are.
        first: sequence, step and channel of the first one.
        reaches_end: whether its sequence has a missing value in the last step of all.
    """

    total: int
    first: tuple[int, int, int] = (0, 0, 0)
    reaches_end: bool = False


def missing_in(part: Sequences) -> Missed:
    """Returns the missing values of a split."""
    if not isinstance(part, MappedSequences):
        return _missed(part.x, 0)
    if part.is_whole and not part.store.extremes.missing.any():
        return Missed(0)
    # The count is that of the split; only the first sequence with a missing value is padded.
    total, first = 0, Missed(0)
    for index, values in part.parts():
        holes = int(np.isnan(values).sum())
        if holes and not total:
            first = _missed(_padded(part, index), int(index[0]))
        total += holes
    return first._replace(total=total)


def fit_by_parts(splits: Splits, standardize: bool, missing: Missing, where: str) -> Splits:
    """Fits on train and returns splits that every read fills in and scales.

    The arguments are those of `prepare`, and so are the results.
    """
    train = _mapped(splits.train)
    # A split has its own units if only its values need them.
    others = {n: p for n, p in splits.parts.items() if not have_same_units(p, train)}
    splits = replace(splits, **{n: _mapped(p).in_units(train.units) for n, p in others.items()})
    # A command prepares its data more than once, and each fit reads the whole file.
    key = f"{sha256(train.rows.starts.tobytes()).hexdigest()} {missing} {standardize}"
    fits = train.store.fits
    if key not in fits:
        fits[key] = _fit(splits, standardize, missing, where)
    scaling, constant = fits[key]
    if standardize:
        _check_range(splits, scaling, where)
    parts = {name: _mapped(part).scaled(scaling) for name, part in splits.parts.items()}
    notes = (*splits.notes, *note_on_constant(train, constant))
    return replace(splits, **parts, notes=notes, scaling=scaling)


def _fit(splits: Splits, standardize: bool, missing: Missing, where: str) -> Fit:
    train, units = _mapped(splits.train), splits.train.units
    if standardize:
        fill = _fill_value(train, None, missing, where)
        return _standardized(train, Scaling(missing, units, fill))
    if units is not None:
        _check_precision(splits, units, where)
    fill = _fill_value(train, units, missing, where)
    return Fit(Scaling(missing, units, fill), np.zeros(train.input_size, dtype=np.bool_))


def _mapped(part: Sequences) -> MappedSequences:
    assert isinstance(part, MappedSequences), "all splits of a source are in memory, or none"
    return part


def _padded(part: MappedSequences, index: npt.NDArray[np.int64]) -> Float32:
    return part.batch(index, part.max_length)


def _missed(x: Float32, before: int) -> Missed:
    """Returns the missing values of x (N, T, F), whose first sequence has the index `before`."""
    hole = np.isnan(x)
    if not hole.any():
        return Missed(0)
    n, t, f = (int(i) for i in np.argwhere(hole)[0])
    return Missed(int(hole.sum()), (before + n, t, f), bool(hole[n, -1].all()))


def _fill_value(
    train: MappedSequences, units: Units | None, missing: Missing, where: str
) -> Float32 | None:
    """Returns the values (F,) that replace missing ones; None if missing values are refused.

    Args:
        units: those of values that are converted back before they are filled in.
    """
    if missing == "error":
        return None
    if missing == "zero":
        return np.zeros(train.input_size, np.float32) if units else zero_in_units(train)

    def values() -> Iterator[Float32]:
        for _, part in train.parts():
            yield part if units is None else _converted(part, units, None)

    sums, counts = present_sums(values(), train.input_size)
    return mean_values(sums, counts, train, where)


def _converted(part: Float32, before: Units | None, after: Units | None) -> Float32:
    return converted(part[None], np.ones((1, len(part)), dtype=np.bool_), before, after)[0]


def _standardized(train: MappedSequences, scaling: Scaling) -> Fit:
    """Adds mean and deviation to a scaling, over the values of train, filled in."""
    steps, channels = int(train.lengths.sum()), train.input_size
    least, most = np.full(channels, np.inf), np.full(channels, -np.inf)
    filled = train.scaled(replace(scaling, units=None))

    def values(mean: Float64 | None) -> Iterator[Float64]:
        for _, part in filled.parts():
            if mean is None:
                np.minimum(least, part.min(axis=0), out=least)
                np.maximum(most, part.max(axis=0), out=most)
            yield _squares(part, mean)

    mean = channel_sums(values(None), steps, channels) / steps
    deviation = np.sqrt(channel_sums(values(mean), steps, channels) / steps)
    constant = least == most
    mean[constant], deviation[constant] = least[constant], 1.0
    return Fit(replace(scaling, mean=mean, deviation=deviation), constant)


def _squares(part: Float32, mean: Float64 | None) -> Float64:
    """Returns the squared differences from the mean, or without a mean the values."""
    values = part.astype(np.float64)
    if mean is None:
        return values
    values -= mean
    return np.multiply(values, values, out=values)


def _check_range(splits: Splits, scaling: Scaling, where: str) -> None:
    """Refuses a channel whose standardised values exceed float32."""
    for name, part in splits.parts.items():
        part = _mapped(part)
        # The whole split's range holds for each part of it, so most data need no look at all.
        ends = [*part.store.extremes[:2], *([] if scaling.fill is None else [scaling.fill])]
        if part.converts is None and _exceeding(np.stack(ends), scaling) is None:
            continue
        for _, values in part.scaled(replace(scaling, mean=None, units=None)).parts():
            f = _exceeding(values, scaling)
            if f is not None:
                raise too_far(part, f, name, scaling, where)


def _exceeding(values: npt.NDArray[np.floating], scaling: Scaling) -> int | None:
    """Returns the first channel with a value (s, F) that exceeds float32 when standardised."""
    x = values.astype(np.float32)[None]
    scaled = scaling.standardize(x, np.ones(x.shape[:2], dtype=np.bool_))[0]
    exceeding = np.argwhere(np.isinf(scaled))
    return int(exceeding[0, 1]) if len(exceeding) else None


def _check_precision(splits: Splits, units: Units, where: str) -> None:
    """Refuses channels that lose their differences as float32."""
    deviations = _deviations(_mapped(splits.train))
    for part in splits.parts.values():
        for _, values in _mapped(part).parts():
            # Converting there and back shows what float32 loses.
            back = _converted(_converted(values, units, None), None, units)
            for f in units.changed:
                rounding = np.abs(back[:, f].astype(np.float64) - values[:, f])
                if (rounding > COARSE * deviations[f]).any():  # NaN compares as False
                    raise too_coarse(part, f, units, float(deviations[f]), where)


def _deviations(train: MappedSequences) -> Float64:
    """Returns the deviation of each channel's present values, in its units."""
    count, total, square = (np.zeros(train.input_size) for _ in range(3))
    for _, values in train.parts():
        count += (~np.isnan(values)).sum(axis=0)
        total += np.nansum(values, axis=0, dtype=np.float64)
        square += np.nansum(np.square(values, dtype=np.float64), axis=0)
    # Values in units are near 0, so the difference of squares loses no digits that matter here.
    mean = total / np.maximum(count, 1)
    return np.sqrt(np.maximum(square / np.maximum(count, 1) - mean**2, 0))
