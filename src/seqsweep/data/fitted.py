"""Turns raw values into a network's input by a scaling fitted on train.

N sequences, T steps, F features (channels).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqsweep.data.checks import Array, finite_float32
from seqsweep.data.precision import Float32, Float64, Mask, Units, converted, in_units
from seqsweep.data.transforms.shaping import Shaping
from seqsweep.data.transforms.steps import Lengths

Missing = Literal["error", "zero", "mean", "forward"]


@dataclass(frozen=True, eq=False)
class Scaling:
    """The scaling of a run's data: units, missing values and standardisation, in this order.

    The steps of `data.transform` lie between them, see `Shaping`.

    `prepare` fits it on the training split and leaves it in `Splits.scaling`. A checkpoint holds
    it, so that a network can be used without the training data.

    Args:
        missing: what becomes of NaN, see `prepare`.
        units: of the source; None where it keeps the values themselves.
        fill: (F,) takes the place of a missing value; None where `missing` is `error`.
        mean, deviation: (F,) of the training split in its units, after the transform; None where
            nothing is standardised.
        shaping: the steps of `data.transform`; None where they change nothing.
    """

    missing: Missing
    units: Units | None = None
    fill: Float32 | None = None
    mean: Float64 | None = None
    deviation: Float64 | None = None
    shaping: Shaping | None = None

    def apply(self, x: Array, lengths: Lengths, where: str = "x") -> tuple[Float32, Lengths]:
        """Returns the input (N, T, F) of a network and its lengths (N,), padded with zeros.

        Args:
            x: (N, T, F) raw values; with a transform, both T and F may differ from the result's.

        Raises:
            ValueError: a value is missing where `missing` is `error`, or too large for float32; or
                a sequence is too short to be cropped.
        """
        valid = np.arange(x.shape[1]) < lengths[:, None]
        rounded = finite_float32(x, valid, where)
        values = rounded if self.units is None else in_units(x, rounded, valid, self.units)
        # Without standardisation the network takes the values themselves, not those in units.
        if self.mean is None:
            values = converted(values, valid, self.units, None)
        if self.shaping is not None:
            values, lengths = self.shaping.crop(values, lengths, where)
        if self.fill is None:
            _refuse_missing(values, where)
        values, lengths = self._reshaped(values, lengths)
        result = self.standardize(values, np.arange(values.shape[1]) < lengths[:, None])
        if not np.isfinite(result).all():
            raise ValueError(f"{where}: has values too far from those of the training split")
        return result, lengths

    def _reshaped(self, values: Float32, lengths: Lengths) -> tuple[Float32, Lengths]:
        """Fills in missing values, between the steps of the transform."""
        if self.shaping is not None:
            values, lengths = self.shaping.shorten(values, lengths)
        missing = np.isnan(values)
        if self.fill is not None and missing.any():
            values = filled(values, self.fill, forward=self.missing == "forward")
        return (
            (values, lengths)
            if self.shaping is None
            else self.shaping.widen(values, missing, lengths)
        )

    def standardize(self, x: Float32, valid: Mask) -> Float32:
        """Returns each channel of x less its mean, by its deviation; padding is 0."""
        if self.mean is None or self.deviation is None:
            return x
        result = np.zeros_like(x)
        with np.errstate(over="ignore"):  # the caller reports what overflows
            result[valid] = (x[valid] - self.mean) / self.deviation
        return result


def _refuse_missing(values: Float32, where: str) -> None:
    number = int(np.isnan(values).sum())
    if number:
        subject = "1 value is" if number == 1 else f"{number} values are"
        raise ValueError(f"{where}: {subject} missing (NaN), which data.missing=error refuses")


def filled(x: Float32, fill: Float32, forward: bool) -> Float32:
    """Returns x (N, T, F) with `fill` (F,) for NaN, or the last value before it in the sequence."""
    if forward:
        steps = np.arange(x.shape[1], dtype=np.int64)  # (T,)
        # For each step this is the last step so far with a value, and 0 where there is none yet.
        seen = np.maximum.accumulate(np.where(np.isnan(x), 0, steps[:, None]), axis=1)  # (N, T, F)
        x = np.take_along_axis(x, seen, axis=1)
    return np.where(np.isnan(x), fill, x)
