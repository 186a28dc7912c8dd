"""Fits the scaling on train, and applies it to all splits.

Means, deviations and the standardisation are computed in float64; the result is float32.

S valid steps of all sequences together, F features (channels).
"""

import math
import re
from dataclasses import replace

import numpy as np

from seqsweep.data.checks import Array, Float64, Floats, Mask, channel_blocks, integer, ranges
from seqsweep.data.fitted import Missing, Scaling, Shaping
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms import Transform
from seqsweep.text import listed

_CODE = "-99+|9999+"
"""The numbers by which other programs write a missing value."""
_CODE_TIMES, _OUTLIER_TIMES = 2, 1000
"""The factor by which a named outlier widens the range of the others."""
_PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
# The smallest value, quantiles, the largest value, and 1 if the channel changes in every sequence.
SEEN = len(_PROBABILITIES) + 3
_TIMES, _FEW = 5, 10  # the ratio of two spreads that is named; the sequences that a small one needs
_NAMED = 3  # the most channels of a note


def scale(
    splits: Splits, standardize: bool, missing: Missing, transform: Transform, shaping: Shaping
) -> Splits:
    """Downsamples, fills in, frames and standardises cropped splits, and adds mask channels.

    Only train decides the mask channels, the fill values, the means and the deviations.

    Args:
        shaping: the operations of the transform; its mask channels are not known yet.
    """
    fitted = None
    notes = [*splits.notes, *_outlier_notes(splits.train)]
    if transform.reshapes:
        reason = ", the steps of the longest training sequence"
        longest = int(splits.train.lengths.max())
        integer("data.transform.downsample", shaping.downsample, 1, longest, reason)
        splits = splits.map(
            lambda _, part: part.with_values(*shaping.shorten(part.x, part.lengths))
        )
        longest = int(splits.train.lengths.max())
        integer("data.transform.frame", shaping.frame, 1, longest, reason)
        fitted = shaping
    if transform.impute is not None:
        missed = np.isnan(splits.train.x).any(axis=(0, 1)) | (transform.impute == "all")
        fitted = replace(shaping, masked=tuple(np.flatnonzero(missed).tolist()))
        if not fitted.masked:
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
    splits = splits.map(lambda name, part: _standardized(name, part, scaling))
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


def describe(splits: Splits) -> Splits:
    """Returns prepared splits whose scaling describes train."""
    scaling, train = splits.scaling, splits.train
    if scaling is None or splits.vocabulary is not None:
        return splits
    # Mask channels, and the steps of a frame after its first, come behind the first channels.
    channels = len(scaling.shaping.channel_names) if scaling.shaping else train.input_size
    seen = _description(train.x[:, :, :channels], train.lengths)
    return replace(splits, scaling=replace(scaling, seen=seen, step=splits.step))


def _description(x: Array, lengths: Array) -> Float64:
    """Returns the numbers (SEEN, F) that describe each channel."""
    every = max(1, min(len(x) // 64, x.size >> 20))  # some of many sequences show as much
    x, lengths = x[::every], lengths[::every]
    valid = np.arange(x.shape[1]) < lengths[:, None]
    values = np.ascontiguousarray(x[valid].T)  # (F, S)
    some = values[:, :: 1 + (values.size >> 16)]
    # This method takes values as they are, so no quantile is rounded.
    inner = np.quantile(some, _PROBABILITIES, axis=1, method="inverted_cdf")
    moves = ((np.diff(x, axis=1) != 0) & valid[:, 1:, None]).any(axis=1).all(axis=0)
    least, most = ranges(values)
    return np.stack([least, *inner, most, moves])


def difference_notes(
    x: Array, lengths: Array, scaling: Scaling | None, channels: tuple[str, ...], where: str
) -> list[str]:
    """Returns lines on channels that differ from train by more than chance.

    Args:
        x: (N, T, ...) the scaled sequences, with the channels of the source first.
    """
    if scaling is None or scaling.seen is None:
        return []
    count = len(channels)
    then, now = scaling.seen[:-1], _description(x[:, :, :count], lengths)[:-1]
    if scaling.mean is not None and scaling.deviation is not None:
        then, now = (v * scaling.deviation[:count] + scaling.mean[:count] for v in (then, now))
    reach, width, spread = then[-1] - then[0], then[-2] - then[1], now[-2] - now[1]
    varies = (then[2] < then[-3]) & (scaling.seen[-1] > 0)
    is_far = now[-1] - now[0] > 2 * _TIMES * reach
    is_outside = (now[2] > then[-1]) | (now[-3] < then[0])
    is_wide = spread > np.maximum(_TIMES * width, reach)
    # A few sequences may change little, but a signal of theirs is not constant.
    is_narrow = (_TIMES * spread < width) & (len(x) >= _FEW) | (now[0] == now[-1])
    is_other = is_far | is_outside | is_wide | (is_narrow & varies)
    found: list[str] = []
    for f in np.flatnonzero(is_other & (reach > 0)):  # a constant channel has no unit
        ends = [0, -1] if is_far[f] else [1, -2]  # all values, or 90 % of them
        spans = (_span(of[ends, f], reach[f]) for of in (now, then))
        found.append(f"{channels[f]!r} ({'; in training '.join(spans)})")
    unlike = f"{where}: other values than in training; check units and sensors: {_first(found)}"
    return [unlike] if found else []


def _span(ends: Float64, reach: float) -> str:
    """Returns two values as text, rounded to a hundredth of the reach of their channel."""
    low, high = (round(float(end), 2 - math.floor(math.log10(reach))) + 0.0 for end in ends)
    return f"{low:.6g} throughout" if low == high else f"{low:.6g} to {high:.6g}"


def _first(found: list[str]) -> str:
    """Returns the first of some channels: `channels 'a', 'b', 'c' and 2 more`."""
    word = "channel" if len(found) == 1 else "channels"
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{word} {listed(found[:_NAMED])}{more}"


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
    if train.lengths.min() == train.max_length:  # avoids a copy of large data
        values = train.x.reshape(-1, train.input_size).astype(np.float64, copy=False)
    else:  # padding is left out, because its zeros would pull the means to 0
        values = train.x[train.valid].astype(np.float64, copy=False)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    # The deviation of a constant channel may differ from 0, because it is a rounded sum.
    constant = values.min(axis=0) == values.max(axis=0)
    mean[constant], deviation[constant] = values[0, constant], 1.0
    return mean, deviation, constant


def _standardized(name: str, part: Sequences, scaling: Scaling) -> Sequences:
    """Returns a split in float32; refuses values that float32 cannot hold."""
    x = scaling.standardize(part.x, part.valid)
    if scaling.mean is not None and scaling.deviation is not None and not np.isfinite(x).all():
        f = int(np.argwhere(~np.isfinite(x))[0, 2])
        mean, deviation = scaling.mean[f], scaling.deviation[f]
        raise ValueError(
            f"data: channel {part.channel_names[f]!r} of {name} is too far from train's for float32"
            f" (mean {mean:.3g}, deviation {deviation:.3g}); check its unit"
        )
    return part.with_values(x, part.lengths)
