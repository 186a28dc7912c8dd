"""Turns raw sequences into a network's input, by what was measured on train.

Means, deviations and the standardisation are computed in float64; the result is float32.

N sequences, T steps, S valid steps of all sequences together, F features (channels).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqsweep.data.checks import (
    Array,
    Float32,
    Float64,
    Floats,
    Int64,
    Mask,
    blocks,
    float_values,
    ranges,
    refuse_missing,
)
from seqsweep.data.transforms import Shaping
from seqsweep.text import listed

Missing = Literal["error", "zero", "mean", "forward"]

ARRAYS = ("fill", "mean", "deviation", "seen")  # of a `Scaling`

_PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
# The smallest value, quantiles, the largest value, and 1 if the channel changes in every sequence.
SEEN = len(_PROBABILITIES) + 3
_TIMES, _FEW = 5, 10  # the ratio of two spreads that is named; the sequences that a small one needs
_NAMED = 3  # the most channels of a note


@dataclass(frozen=True, eq=False)
class Scaling:
    """The preparation of a run's data: transform, missing values, then standardisation.

    `prepare` fits it on train; a checkpoint holds it, for use without the training data.

    Args:
        missing: how NaN is replaced, see `prepare`.
        dtype: the type of the training split before scaling; new values are converted to it.
        fill: (F,) the replacement of a missing value; None if `missing` is `error`.
        mean, deviation: (F,) measured on train after the transform; None without standardisation.
        shaping: the operations of `data.transform`; None if they change nothing.
        seen: the `description` of train's channels; None for texts.
        step: the usual time from row to row in train, if the source has equal steps.
    """

    missing: Missing
    dtype: Literal["float32", "float64"]
    fill: Floats | None = None
    mean: Float64 | None = None
    deviation: Float64 | None = None
    shaping: Shaping | None = None
    seen: Float64 | None = None
    step: float | None = None

    def apply(self, x: Array, lengths: Int64, where: str = "x") -> tuple[Float32, Int64]:
        """Returns the network's input for raw values (N, T, F), and its lengths (N,)."""
        values = float_values(x, lengths, where).astype(self.dtype, copy=False)
        shaping = self.shaping or Shaping()  # which changes nothing
        values, lengths = shaping.crop(values, lengths, where)
        if self.fill is None:
            refuse_missing(values, shaping.first, range(values.shape[2]), where)
        values, lengths = shaping.shorten(values, lengths)
        values, lengths = self.fill_in(values, lengths)
        valid = np.arange(values.shape[1]) < lengths[:, None]
        return self.standardize(values, valid, range(values.shape[2]), where), lengths

    def fill_in(self, x: Floats, lengths: Int64) -> tuple[Floats, Int64]:
        """Returns the filled x with mask channels and frames, and its lengths."""
        missing = np.isnan(x)
        if self.fill is not None and missing.any():
            if self.missing == "forward":
                steps = np.arange(x.shape[1], dtype=np.int64)[:, None]  # (T, 1)
                # The last step with a value up to each step, or 0 if there is none yet.
                seen = np.maximum.accumulate(np.where(missing, 0, steps), axis=1)  # (N, T, F)
                x = np.take_along_axis(x, seen, axis=1)
            x = np.where(np.isnan(x), self.fill, x)
        return (x, lengths) if self.shaping is None else self.shaping.widen(x, missing, lengths)

    def standardize(
        self, x: Floats, valid: Mask, channels: Sequence[object], where: str
    ) -> Float32:
        """Returns x as float32, standardised if there is a mean.

        Args:
            channels: F names or numbers, for the message on a value that float32 cannot hold.
        """
        if self.mean is None or self.deviation is None:
            return x.astype(np.float32, copy=False)
        result = np.zeros(x.shape, dtype=np.float32)
        with np.errstate(over="ignore"):
            for rows in blocks(x):
                steps = valid[rows]
                result[rows][steps] = (x[rows][steps] - self.mean) / self.deviation
        if not np.isfinite(result).all():
            f = int(np.argwhere(~np.isfinite(result))[0, 2])
            raise ValueError(
                f"{where}: channel {channels[f]!r} is too far from train's for float32"
                f" (mean {self.mean[f]:.3g}, deviation {self.deviation[f]:.3g}); check its unit"
            )
        return result


def description(x: Array, lengths: Array) -> Float64:
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
    then, now = scaling.seen[:-1], description(x[:, :, :count], lengths)[:-1]
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
    told = f"other values than in training; check units and sensors: {first_channels(found)}"
    return [f"{where}: {told}"] if found else []


def _span(ends: Float64, reach: float) -> str:
    """Returns two values as text, rounded to a hundredth of the reach of their channel."""
    low, high = (round(float(end), 2 - math.floor(math.log10(reach))) + 0.0 for end in ends)
    return f"{low:.6g} throughout" if low == high else f"{low:.6g} to {high:.6g}"


def first_channels(found: list[str]) -> str:
    """Returns the first of some channels: `channels 'a', 'b', 'c' and 2 more`."""
    word = "channel" if len(found) == 1 else "channels"
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{word} {listed(found[:_NAMED])}{more}"


def fill_value(x: Floats, valid: Mask, missing: Missing, names: tuple[str, ...]) -> Floats | None:
    """Returns the replacement (F,) of missing values; None if they are refused."""
    if missing == "error":
        return None
    if missing == "zero":
        return np.zeros(x.shape[2], dtype=x.dtype)
    values = x[valid]  # (S, F)
    present = ~np.isnan(values)
    # The sums are in float64, because float32 loses digits over millions of steps.
    sums = values.sum(axis=0, dtype=np.float64, where=present)
    counts = present.sum(axis=0)
    empty = [names[f] for f in np.flatnonzero(counts == 0)]
    if empty:
        raise ValueError(
            f"data: channel {listed(empty)} has no value in train, so it has no mean; leave it"
            " out, or set data.missing=zero"
        )
    return (sums / counts).astype(x.dtype)


def moments(x: Floats, valid: Mask) -> tuple[Float64, Float64, Mask]:
    """Returns mean, deviation (1 if constant), and whether a channel is constant, each (F,)."""
    # Where nothing is padded, the reshaped array avoids a copy of large data.
    values = x.reshape(-1, x.shape[2]) if valid.all() else x[valid]
    values = values.astype(np.float64, copy=False)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    # The deviation of a constant channel may differ from 0, because it is a rounded sum.
    constant = values.min(axis=0) == values.max(axis=0)
    mean[constant], deviation[constant] = values[0, constant], 1.0
    return mean, deviation, constant
