"""Keeps channels that float32 would round away: time stamps of 1.7e9, readings of 1e-50.

N sequences, T steps, F features (channels).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SMALL = 1e-6
"""The rounding that float32 data usually have, relative to the deviation of the channel."""


class Units(NamedTuple):
    """The zero points and units of channels: their values are `zero + one * x`."""

    zero: Float64
    one: Float64

    @property
    def changed(self) -> list[int]:
        """The channels whose x differs from the value itself."""
        return np.flatnonzero((self.zero != 0) | (self.one != 1)).tolist()


def units_for(x: npt.NDArray[Any], rounded: Float32, valid: Mask) -> Units | None:
    """Returns units in which float32 keeps every channel, or None where `rounded` does.

    A channel changes its units only if its rounding is large relative to its deviation. So data
    that were float32 before, and most others, keep their numbers to the bit.

    Args:
        x: (N, T, F) the original values, finite or NaN.
        rounded: these values as float32.
        valid: (N, T) False at padding.
    """
    if np.can_cast(x.dtype, np.float32):
        return None
    units = Units(np.zeros(x.shape[2]), np.ones(x.shape[2]))
    for f in range(x.shape[2]):  # one at a time: float64 copies of all channels would be large
        values = x[:, :, f][valid].astype(np.float64)
        present = ~np.isnan(values)
        values = values[present]
        if not len(values) or values.min() == values.max():
            continue
        rounding = np.abs(rounded[:, :, f][valid][present] - values).max()
        if rounding > SMALL * values.std():
            # The median, because one outlier must not reduce the precision of all other values.
            units.zero[f] = np.median(values)
            farthest = np.abs(values - units.zero[f]).max()
            units.one[f] = np.ldexp(1.0, np.frexp(farthest)[1])  # a power of two rounds nothing
    return units if units.changed else None


def in_units(x: npt.NDArray[Any], rounded: Float32, valid: Mask, units: Units) -> Float32:
    """Returns `rounded` with the channels that have units computed from x; padding stays 0."""
    result = rounded.copy()
    for f in units.changed:
        with np.errstate(over="ignore"):  # the caller reports what overflows
            values = (x[:, :, f].astype(np.float64) - units.zero[f]) / units.one[f]
            result[:, :, f] = np.where(valid, values, 0)
    return result


def converted(x: Float32, valid: Mask, before: Units | None, after: Units | None) -> Float32:
    """Converts x from the units `before` to `after`; None stands for the values themselves."""
    plain = Units(np.zeros(x.shape[2]), np.ones(x.shape[2]))
    old, new = before or plain, after or plain
    result = x.copy()
    for f in sorted({*old.changed, *new.changed}):
        with np.errstate(over="ignore"):
            # The zero points are subtracted first: adding one to x could lose all digits of x.
            shift = old.zero[f] - new.zero[f]
            values = (x[:, :, f].astype(np.float64) * old.one[f] + shift) / new.one[f]
            result[:, :, f] = np.where(valid, values, 0)
    return result
