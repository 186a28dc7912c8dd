"""Turns raw values into a network's input by a scaling fitted on train.

N sequences, T steps, F features (channels).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import Array, finite_float32
from seqsweep.data.precision import Float32, Float64, Mask, Units, converted, in_units

Missing = Literal["error", "zero", "mean", "forward"]


@dataclass(frozen=True, eq=False)
class Scaling:
    """The scaling of a run's data: units, missing values and standardisation, in this order.

    `prepare` fits it on the training split and leaves it in `Splits.scaling`. A checkpoint holds
    it, so that a network can be used without the training data.

    Args:
        missing: what becomes of NaN, see `prepare`.
        units: of the source; None where it keeps the values themselves.
        fill: (F,) takes the place of a missing value; None where `missing` is `error`.
        mean, deviation: (F,) of the training split in its units; None where nothing is
            standardised.
    """

    missing: Missing
    units: Units | None = None
    fill: Float32 | None = None
    mean: Float64 | None = None
    deviation: Float64 | None = None

    def apply(self, x: Array, lengths: npt.NDArray[np.int64], where: str = "x") -> Float32:
        """Returns the input (N, T, F) of a network for raw values x (N, T, F), padded with zeros.

        Raises:
            ValueError: a value is missing where `missing` is `error`, or too large for float32.
        """
        valid = np.arange(x.shape[1]) < lengths[:, None]
        rounded = finite_float32(x, valid, where)
        values = rounded if self.units is None else in_units(x, rounded, valid, self.units)
        result = self.apply_in_units(values, valid, where)
        if not np.isfinite(result).all():
            raise ValueError(f"{where}: has values too far from those of the training split")
        return result

    def apply_in_units(self, values: Float32, valid: Mask, where: str = "x") -> Float32:
        """Returns the input of a network for values (N, T, F) in the units of the source.

        Raises:
            ValueError: a value is missing where `missing` is `error`.
        """
        # Without standardisation the network takes the values themselves, not those in units.
        if self.mean is None and self.units is not None:
            values = converted(values, valid, self.units, None)
        if np.isnan(values).any():
            if self.fill is None:
                number = int(np.isnan(values).sum())
                subject = "1 value is" if number == 1 else f"{number} values are"
                raise ValueError(
                    f"{where}: {subject} missing (NaN), which data.missing=error refuses"
                )
            values = filled(values, self.fill, forward=self.missing == "forward")
        return self.standardize(values, valid)

    def standardize(self, x: Float32, valid: Mask) -> Float32:
        """Returns each channel of x less its mean, by its deviation; padding is 0."""
        if self.mean is None or self.deviation is None:
            return x
        result = np.zeros_like(x)
        with np.errstate(over="ignore"):  # the caller reports what overflows
            result[valid] = (x[valid] - self.mean) / self.deviation
        return result


def filled(x: Float32, fill: Float32, forward: bool) -> Float32:
    """Returns x (N, T, F) with `fill` (F,) for NaN, or the last value before it in the sequence."""
    if forward:
        steps = np.arange(x.shape[1], dtype=np.int64)  # (T,)
        # For each step this is the last step so far with a value, and 0 where there is none yet.
        seen = np.maximum.accumulate(np.where(np.isnan(x), 0, steps[:, None]), axis=1)  # (N, T, F)
        x = np.take_along_axis(x, seen, axis=1)
    return np.where(np.isnan(x), fill, x)
