"""Fits the scaling on train, and applies it to all splits.

Means, deviations and the standardisation are computed in float64; the result is float32.

S valid steps of all sequences together, F features (channels).
"""

import re
from dataclasses import replace

import numpy as np

from seqsweep.data.checks import COARSE, Array, Float64, Floats, Mask, channel_blocks, ranges
from seqsweep.data.fitted import Missing, Scaling, Shaping
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms import Transform
from seqsweep.text import listed

_CODE = "-99+|9999+"
"""The numbers by which other programs write a missing value."""
_CODE_TIMES, _OUTLIER_TIMES = 2, 1000
"""The factor by which a named outlier widens the range of the others."""
_FAR, _TIMES = 5, 100
"""The distance of two means in deviations, and the ratio of two deviations, that are named."""
_FEW, _NAMED = 10, 3
"""The fewest sequences in which a small deviation counts; the most channels of a note."""


def scale(
    splits: Splits, standardize: bool, missing: Missing, transform: Transform, shaping: Shaping
) -> Splits:
    """Downsamples, fills in, frames and standardises cropped splits, and adds mask channels.

    Only train decides the mask channels, the fill values, the means and the deviations.

    Args:
        shaping: the operations of the transform; its mask channels are not known yet.
    """
    fitted, notes = None, [*splits.notes, *_outlier_notes(splits.train)]
    if transform.reshapes:
        splits, fitted = _shortened(splits, transform, shaping)
        if transform.impute == "missing" and not fitted.masked:
            lacking = "no value of train is missing"
            notes.append(f"{lacking}, so data.transform.impute=missing adds no channel")
    dtype = "float32" if splits.train.x.dtype == np.float32 else "float64"
    scaling = Scaling(missing, dtype, _fill_value(splits.train, missing), shaping=fitted)
    names = fitted.names if fitted else splits.channel_names
    splits = splits.map(
        lambda _, part: part.with_values(*scaling.fill_in(part.x, part.lengths), names)
    )
    if standardize:
        mean, deviation, constant = _fit(splits.train)
        if fitted:
            # Mask channels keep the values 0 and 1, and no note names a constant mask channel.
            masks = fitted.is_mask
            mean[masks], deviation[masks], constant[masks] = 0.0, 1.0, False
        scaling = replace(scaling, mean=mean, deviation=deviation)
        if constant.any():
            found = [repr(names[f]) for f in np.flatnonzero(constant)]
            are = f"s {listed(found)} are" if len(found) > 1 else f" {found[0]} is"
            notes.append(f"channel{are} constant in train: standardised to 0, without information")
    splits = splits.map(lambda name, part: _standardized(name, part, scaling, splits.train))
    return replace(splits, notes=tuple(notes), scaling=scaling)


def _outlier_notes(train: Sequences) -> list[str]:
    """Returns a line on channels with a value far from all others."""
    found: list[str] = []
    for start, (values,) in channel_blocks([(train.x, train.valid)]):
        ends = np.stack(ranges(values), axis=1)  # (F, 2), the lowest and the highest
        is_end = values[:, None] == ends[:, :, None]
        low, high = ranges(np.where(is_end, np.nan, values[:, None]))
        ratio = np.ptp(ends, axis=1, keepdims=True) / np.where(low < high, high - low, np.inf)
        for f, end in np.argwhere(ratio > _CODE_TIMES).tolist():
            at = f, end
            is_code = re.fullmatch(_CODE, f"{ends[at]:.0f}")
            if ratio[at] > (_CODE_TIMES if is_code else _OUTLIER_TIMES):
                share = f"{is_end[at].sum():,} of {(~np.isnan(values[f])).sum():,} values"
                others = f"{ends[at]:g} in {share}, else {low[at]:.3g} to {high[at]:.3g}"
                found.append(f"{train.channel_names[start + f]!r} ({others})")
    told = f"a value far from all others: {_first(found)}"
    return [f"{told}; a missing value must be empty or NaN"] if found else []


def unit_notes(
    x: Array, lengths: Array, scaling: Scaling | None, channels: tuple[str, ...], where: str
) -> list[str]:
    """Returns a line on the channels whose values are probably in other units than train's.

    Args:
        x: (N, T, ...) the network's input, with the channels of the source first. In train, each
            had the mean 0 and the deviation 1.
        scaling: the scaling of x; without standardisation there is nothing to compare.
    """
    if scaling is None or scaling.mean is None:
        return []
    # Mask channels, and the steps of a frame after its first, come behind the first channels.
    valid = np.arange(x.shape[1]) < lengths[:, None]
    found: list[str] = []
    for f, name in enumerate(channels):
        values = x[:, :, f][valid].astype(np.float64)
        mean, deviation = abs(values.mean()), values.std()
        # A channel may be constant in a file, and may change little within a few sequences.
        is_small = deviation < 1 / _TIMES and len(x) >= _FEW and np.ptp(values) > 0
        if mean > _FAR or deviation > _TIMES or is_small:
            distance = f"mean {mean:.3g} deviations from train's"
            found.append(f"{name!r} ({distance}, deviation {deviation:.3g} times train's)")
    return [f"{where}: other units than in training? {_first(found)}"] if found else []


def _first(found: list[str]) -> str:
    """Returns the first of some channels: `channels 'a', 'b', 'c' and 2 more`."""
    word = "channel" if len(found) == 1 else "channels"
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{word} {listed(found[:_NAMED])}{more}"


def _shortened(splits: Splits, transform: Transform, shaping: Shaping) -> tuple[Splits, Shaping]:
    """Returns the downsampled splits, and the shaping with its mask channels."""
    _check_size("downsample", shaping.downsample, splits.train)
    splits = splits.map(lambda _, part: part.with_values(*shaping.shorten(part.x, part.lengths)))
    _check_size("frame", shaping.frame, splits.train)
    if transform.impute is None:
        return splits, shaping
    missed = np.isnan(splits.train.x).any(axis=(0, 1)) | (transform.impute == "all")
    return splits, replace(shaping, masked=tuple(np.flatnonzero(missed).tolist()))


def _check_size(key: str, size: int, train: Sequences) -> None:
    """Refuses to join more steps than the longest training sequence has."""
    if size > (longest := int(train.lengths.max())):
        raise ValueError(
            f"data.transform.{key}={size}: must be at most {longest}, the steps of the longest"
            " training sequence"
        )


def _fill_value(train: Sequences, missing: Missing) -> Floats | None:
    """Returns the replacement (F,) of missing values; None if they are refused."""
    if missing == "error":
        return None
    if missing == "zero":
        return np.zeros(train.input_size, dtype=train.x.dtype)
    values = train.x[train.valid]  # (S, F)
    present = ~np.isnan(values)
    # The sums are in float64, because float32 loses digits over millions of steps.
    sums = values.sum(axis=0, dtype=np.float64, where=present)
    counts = present.sum(axis=0)
    empty = [train.channel_names[f] for f in np.flatnonzero(counts == 0)]
    if empty:
        raise ValueError(
            f"data: channel {listed(empty)} has no value in train, so it has no mean; leave it"
            " out, or set data.missing=zero"
        )
    return (sums / counts).astype(train.x.dtype)


def _fit(train: Sequences) -> tuple[Float64, Float64, Mask]:
    """Returns mean, deviation (1 if constant), and whether a channel is constant, each (F,)."""
    # Padding is left out, because its zeros would pull the means to 0.
    values = _valid_steps(train)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    # The deviation of a constant channel may differ from 0, because it is a rounded sum.
    constant = values.min(axis=0) == values.max(axis=0)
    mean[constant], deviation[constant] = values[0, constant], 1.0
    return mean, deviation, constant


def _standardized(name: str, part: Sequences, scaling: Scaling, train: Sequences) -> Sequences:
    """Returns a split in float32; refuses values that float32 cannot hold."""
    x = scaling.standardize(part.x, part.valid)
    if x is part.x:
        return part
    if scaling.mean is None:
        _check_rounding(np.abs(x - part.x).max(axis=(0, 1)), train)
    elif scaling.deviation is not None and not np.isfinite(x).all():
        f = int(np.argwhere(~np.isfinite(x))[0, 2])
        mean, deviation = scaling.mean[f], scaling.deviation[f]
        raise ValueError(
            f"data: channel {part.channel_names[f]!r} of {name} is too far from train's for float32"
            f" (mean {mean:.3g}, deviation {deviation:.3g}); check its unit"
        )
    return replace(part, x=x)


def _check_rounding(rounding: Float64, train: Sequences) -> None:
    """Refuses a channel whose differences float32 loses; `rounding` (F,) is its largest error."""
    _, deviation, constant = _fit(train)
    # A constant channel has no differences to lose.
    coarse = np.flatnonzero((rounding > COARSE * deviation) & ~constant)
    if len(coarse):
        f = int(coarse[0])
        raise ValueError(
            f"data.standardize=false: channel {train.channel_names[f]!r} has values near"
            f" {np.median(_valid_steps(train)[:, f]):.10g} with a deviation of {deviation[f]:.3g},"
            " which float32 cannot hold; set it to true, or subtract a constant"
        )


def _valid_steps(train: Sequences) -> Float64:
    """Returns the steps (S, F) of all sequences in float64, without padding."""
    if train.lengths.min() == train.max_length:  # avoids a copy of large data
        return train.x.reshape(-1, train.input_size).astype(np.float64, copy=False)
    return train.x[train.valid].astype(np.float64, copy=False)
