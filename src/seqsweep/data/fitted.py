"""Turns raw sequences into a network's input, with means and deviations measured on train.

N sequences, T steps, F features (channels) of the source, M mask channels. The functions for
`data.transform` take and return x (N, T, F), which is 0 at its padding, and lengths (N,). They keep
the type of x. No sequence's result depends on the amount of padding or on other sequences.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np

from seqsweep.data.checks import Array, Float32, Float64, Floats, Int64, Mask, blocks, float_values

Missing = Literal["error", "zero", "mean", "forward"]

ARRAYS = ("fill", "mean", "deviation", "seen")  # of a `Scaling`


def _zeroed(x: Floats, lengths: Int64) -> Floats:
    """Returns x with zeros at its padding."""
    valid: Mask = np.arange(x.shape[1]) < lengths[:, None]
    return x if valid.all() else np.where(valid[:, :, None], x, np.float32(0))


@dataclass(frozen=True)
class Shaping:
    """The operations of `data.transform` that change lengths and channels.

    The order is: crop, downsample, fill in and mark missing values, frame. `Scaling` fills in the
    missing values, and standardises the resulting channels.

    Args:
        channel_names: F names of the source.
        first, last, downsample, frame: see `Transform`.
        masked: (M,) indices of the channels that get a mask channel: 1 where a value is missing.
    """

    channel_names: tuple[str, ...]
    first: int = 0
    last: int | None = None
    downsample: int = 1
    masked: tuple[int, ...] = ()
    frame: int = 1

    def crop(self, x: Floats, lengths: Int64, where: str) -> tuple[Floats, Int64]:
        """Crops sequences; refuses a sequence that would have no step left."""
        short = lengths <= self.first
        if short.any():
            row = int(short.argmax())
            raise ValueError(
                f"{where}: sequence {row} has {lengths[row]} steps; must have at least"
                f" {self.first + 1}, because data.transform.crop begins at step {self.first}"
            )
        if self.first == 0 and self.last is None:
            return x, lengths
        kept = (lengths if self.last is None else np.minimum(lengths, self.last)) - self.first
        return x[:, self.first : self.first + kept.max()], kept

    def shorten(self, x: Floats, lengths: Int64) -> tuple[Floats, Int64]:
        """Replaces every block of `downsample` steps of cropped sequences by its mean.

        The last block may be shorter. A missing value (NaN) has no weight. The mean of a block is
        missing if all its values are missing.
        """
        size = self.downsample
        if size == 1:
            return x, lengths
        count, longest, features = x.shape
        means = -(-longest // size)
        total = np.zeros((count, means, features))
        weights = np.zeros((count, means, features), dtype=np.int64)
        # The steps of a block are added one by one, so that the sum has always the same order.
        for offset in range(min(size, longest)):
            step = x[:, offset::size]
            steps = np.arange(offset, longest, size)
            present = ~np.isnan(step) & (steps < lengths[:, None])[:, :, None]
            total[:, : len(steps)] += np.where(present, step, 0)
            weights[:, : len(steps)] += present
        shorter = -(-lengths // size)
        with np.errstate(invalid="ignore"):  # 0 / 0 gives NaN: the mean is missing
            result = (total / weights).astype(x.dtype)
        return _zeroed(result, shorter), shorter

    def widen(self, x: Floats, missing: Mask, lengths: Int64) -> tuple[Floats, Int64]:
        """Appends mask channels, then joins every `frame` steps into one with all their channels.

        If the last steps of a sequence do not fill a frame, the last step is repeated.

        Args:
            missing: (N, T, F), True where the mask of a channel is 1.
        """
        if self.masked:
            masks = missing[:, :, list(self.masked)].astype(x.dtype)
            x = np.concatenate([x, masks], axis=2)
        if self.frame == 1:
            return x, lengths
        count, longest, features = x.shape
        frames = -(-longest // self.frame)
        # Repeating the last step adds no new value, and no jump that the data do not have.
        index = np.minimum(np.arange(frames * self.frame), lengths[:, None] - 1)
        steps = np.take_along_axis(x, index[:, :, None], axis=1)  # (N, frames * frame, F)
        fewer = -(-lengths // self.frame)
        return _zeroed(steps.reshape(count, frames, self.frame * features), fewer), fewer

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the resulting channels: `x`, `x_missing`; with frames `x@0`, `x@1`, ..."""
        masks = [f"{self.channel_names[channel]}_missing" for channel in self.masked]
        names = (*self.channel_names, *masks)
        if self.frame == 1:
            return names
        return tuple(f"{name}@{step}" for step in range(self.frame) for name in names)

    @property
    def is_mask(self) -> Mask:
        """A truth value for each resulting channel: True for a mask."""
        one_step = [False] * len(self.channel_names) + [True] * len(self.masked)
        return np.array(one_step * self.frame)

    def state(self) -> dict[str, Any]:
        """Returns plain values for a checkpoint."""
        state = asdict(self)
        return state | {"channel_names": list(self.channel_names), "masked": list(self.masked)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Returns the shaping whose `state` a checkpoint holds."""
        names, masked = tuple(state["channel_names"]), tuple(state["masked"])
        values: dict[str, Any] = {**state, "channel_names": names, "masked": masked}
        return cls(**values)


@dataclass(frozen=True, eq=False)
class Scaling:
    """The preparation of a run's data: transform, missing values, then standardisation.

    `prepare` fits the scaling on the training split, and stores it in `Splits.scaling`. A
    checkpoint holds the scaling, so that a network can be used without the training data.

    Args:
        missing: how NaN is replaced, see `prepare`.
        dtype: the type of the training split before scaling; new values are converted to it.
        fill: (F,) the replacement of a missing value; None if `missing` is `error`.
        mean, deviation: (F,) measured on train after the transform; None without standardisation.
        shaping: the operations of `data.transform`; None if they change nothing.
        seen: what `fit_scaling.describe` has seen of each channel in train; None for texts.
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
        valid = np.arange(x.shape[1]) < lengths[:, None]
        values = float_values(x, valid, where).astype(self.dtype, copy=False)
        shaping = self.shaping or Shaping(())  # `Shaping(())` changes nothing
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

    def standardize(self, x: Floats, valid: Mask) -> Float32:
        """Returns x as float32, standardised if there is a mean."""
        with np.errstate(over="ignore"):  # the caller reports an overflow
            if self.mean is None or self.deviation is None:
                return x.astype(np.float32, copy=False)
            result = np.zeros(x.shape, dtype=np.float32)
            for rows in blocks(x):
                steps = valid[rows]
                result[rows][steps] = (x[rows][steps] - self.mean) / self.deviation
        return result
