"""Turns raw values into a network's input by a scaling fitted on train.

N sequences, T steps, F features (channels).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seqsweep.data.checks import Array, Float32, Float64, Floats, Int64, Mask, blocks, float_values
from seqsweep.data.transforms.shaping import Shaping

Missing = Literal["error", "zero", "mean", "forward"]


@dataclass(frozen=True, eq=False)
class Scaling:
    """The scaling of a run's data: missing values and standardisation, in this order.

    `prepare` fits it on the training split and leaves it in `Splits.scaling`. A checkpoint holds
    it, so that a network can be used without the training data.

    Args:
        missing: what becomes of NaN, see `prepare`.
        dtype: the type of the training split before it was scaled, which new values take too.
        fill: (F,) takes the place of a missing value; None where `missing` is `error`.
        mean, deviation: (F,) of train after the transform; None where nothing is standardised.
        shaping: the steps of `data.transform` between; None where they change nothing.
    """

    missing: Missing
    dtype: Literal["float32", "float64"]
    fill: Floats | None = None
    mean: Float64 | None = None
    deviation: Float64 | None = None
    shaping: Shaping | None = None

    def apply(self, x: Array, lengths: Int64, where: str = "x") -> tuple[Float32, Int64]:
        """Returns the input (N, T, F) of a network and its lengths (N,), padded with zeros.

        Args:
            x: (N, T, F) raw values; with a transform, both T and F may differ from the result's.

        Raises:
            ValueError: a value is refused, or a sequence is too short to be cropped.
        """
        valid = np.arange(x.shape[1]) < lengths[:, None]
        values = float_values(x, valid, where).astype(self.dtype, copy=False)
        shaping = self.shaping or Shaping(())  # which changes nothing
        values, lengths = shaping.crop(values, lengths, where)
        if self.fill is None and (number := int(np.isnan(values).sum())):
            are = "1 value is" if number == 1 else f"{number} values are"
            raise ValueError(f"{where}: {are} missing (NaN), which data.missing=error refuses")
        values, lengths = shaping.shorten(values, lengths)
        values, lengths = self.fill_in(values, lengths)
        valid = np.arange(values.shape[1]) < lengths[:, None]
        result = self.standardize(values, valid)
        if not np.isfinite(result).all():
            raise ValueError(f"{where}: has values too far from those of the training split")
        return result, lengths

    def fill_in(self, x: Floats, lengths: Int64) -> tuple[Floats, Int64]:
        """Returns x with missing values filled in, mask channels and frames; and its lengths."""
        missing = np.isnan(x)
        if self.fill is not None and missing.any():
            x = filled(x, self.fill, forward=self.missing == "forward")
        return (x, lengths) if self.shaping is None else self.shaping.widen(x, missing, lengths)

    def standardize(self, x: Floats, valid: Mask) -> Float32:
        """Returns the standardised channels of x as float32; padding is 0.

        Without a mean, the values themselves are rounded.
        """
        with np.errstate(over="ignore"):  # the caller reports what overflows
            if self.mean is None or self.deviation is None:
                return x.astype(np.float32, copy=False)
            result = np.zeros(x.shape, dtype=np.float32)
            for rows in blocks(x):
                steps = valid[rows]
                result[rows][steps] = (x[rows][steps] - self.mean) / self.deviation
        return result


def filled(x: Floats, fill: Floats, forward: bool) -> Floats:
    """Returns x (N, T, F) with `fill` (F,) for NaN, or the last value before it in the sequence."""
    if forward:
        steps = np.arange(x.shape[1], dtype=np.int64)  # (T,)
        # For each step this is the last step so far with a value, and 0 where there is none yet.
        seen = np.maximum.accumulate(np.where(np.isnan(x), 0, steps[:, None]), axis=1)  # (N, T, F)
        x = np.take_along_axis(x, seen, axis=1)
    return np.where(np.isnan(x), fill, x)
