"""The fitted part of `data.transform`: how raw sequences become those of a network.

N sequences, T steps, F features (channels) of the source, M mask channels. Functions of arrays take
and return x (N, T, F), which is 0 at its padding, and lengths (N,). The type of x stays: float32 or
float64. No result depends on the amount of padding or on the other sequences.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from seqsweep.data.checks import Floats, Int64, Mask


def cropped(x: Floats, lengths: Int64, first: int, last: int | None) -> tuple[Floats, Int64]:
    """Keeps the steps from `first` up to `last`, which is not kept.

    Every sequence must have a step there.
    """
    kept = (lengths if last is None else np.minimum(lengths, last)) - first
    assert kept.min() >= 1
    return x[:, first : first + kept.max()], kept


def downsampled(x: Floats, lengths: Int64, size: int) -> tuple[Floats, Int64]:
    """Replaces each `size` steps by their mean; the last mean may be of fewer steps.

    A missing value (NaN) has no weight. The result is missing where all steps are.
    """
    count, longest, features = x.shape
    means = -(-longest // size)
    total = np.zeros((count, means, features))
    weights = np.zeros((count, means, features), dtype=np.int64)
    # The steps of a block are added one by one, so that the order of the sum is always the same.
    for offset in range(min(size, longest)):
        step = x[:, offset::size]
        steps = np.arange(offset, longest, size)
        present = ~np.isnan(step) & (steps < lengths[:, None])[:, :, None]
        total[:, : len(steps)] += np.where(present, step, 0)
        weights[:, : len(steps)] += present
    shorter = -(-lengths // size)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, as it should be
        result = (total / weights).astype(x.dtype)
    return _zeroed(result, shorter), shorter


def framed(x: Floats, lengths: Int64, size: int) -> tuple[Floats, Int64]:
    """Makes each `size` steps one step of `size * F` channels, in the order of the steps.

    Where the last steps of a sequence do not fill a frame, its last step is repeated.
    """
    count, longest, features = x.shape
    frames = -(-longest // size)
    # Repeating the last step needs no value from elsewhere, and no jump that the data do not have.
    index = np.minimum(np.arange(frames * size), lengths[:, None] - 1)  # (N, frames * size)
    steps = np.take_along_axis(x, index[:, :, None], axis=1)
    fewer = -(-lengths // size)
    return _zeroed(steps.reshape(count, frames, size * features), fewer), fewer


def _zeroed(x: Floats, lengths: Int64) -> Floats:
    """Returns x with zeros at its padding."""
    valid: Mask = np.arange(x.shape[1]) < lengths[:, None]
    return x if valid.all() else np.where(valid[:, :, None], x, np.float32(0))


@dataclass(frozen=True)
class Shaping:
    """The steps that change lengths and channels, in this order.

    Crop, downsample, fill in missing values and mark them, frame. `Scaling` fills in between, and
    standardises the channels that result. A checkpoint holds it as part of the scaling.

    Args:
        channel_names: F names of the source.
        first, last, downsample, frame: see `Transform`.
        masked: (M,) the channels of the source that get a mask channel.
    """

    channel_names: tuple[str, ...]
    first: int = 0
    last: int | None = None
    downsample: int = 1
    masked: tuple[int, ...] = ()
    frame: int = 1

    def crop(self, x: Floats, lengths: Int64, where: str) -> tuple[Floats, Int64]:
        """Crops sequences; refuses one of which nothing would be left."""
        short = lengths <= self.first
        if short.any():
            row = int(short.argmax())
            raise ValueError(
                f"{where}: sequence {row} has {count_steps(lengths[row])}; must have at least"
                f" {self.first + 1}, because data.transform.crop begins at step {self.first}"
            )
        if self.first == 0 and self.last is None:
            return x, lengths
        return cropped(x, lengths, self.first, self.last)

    def shorten(self, x: Floats, lengths: Int64) -> tuple[Floats, Int64]:
        """Downsamples cropped sequences."""
        return (x, lengths) if self.downsample == 1 else downsampled(x, lengths, self.downsample)

    def widen(self, x: Floats, missing: Mask, lengths: Int64) -> tuple[Floats, Int64]:
        """Appends mask channels to filled sequences, and frames them.

        Args:
            missing: (N, T, F) True where a value has been filled in.
        """
        if self.masked:
            masks = missing[:, :, list(self.masked)].astype(x.dtype)
            x = np.concatenate([x, masks], axis=2)
        return (x, lengths) if self.frame == 1 else framed(x, lengths, self.frame)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels that result: `x`, `x_missing`, framed `x@0`, `x@1`."""
        masks = [f"{self.channel_names[channel]}_missing" for channel in self.masked]
        names = (*self.channel_names, *masks)
        if self.frame == 1:
            return names
        return tuple(f"{name}@{step}" for step in range(self.frame) for name in names)

    @property
    def is_mask(self) -> Mask:
        """The resulting channels that are masks, as truth values; masks keep their 0 and 1."""
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


def count_steps(number: int) -> str:
    """Returns `1 step` or `3 steps`."""
    return f"{number} step{'' if number == 1 else 's'}"
