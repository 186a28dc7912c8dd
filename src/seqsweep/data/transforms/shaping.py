"""The fitted part of `data.transform`: how raw sequences become those of a network.

N sequences, T steps, F features (channels) of the source, M mask channels.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from seqsweep.data.checks import Floats, Mask
from seqsweep.data.transforms.steps import Lengths, cropped, downsampled, framed


@dataclass(frozen=True)
class Shaping:
    """The steps that change lengths and channels, in this order.

    Crop, downsample, fill in missing values and mark them, frame. `Scaling` fills in between, and
    standardises the channels that result. A checkpoint holds it as part of the scaling.

    Args:
        channel_names: F names of the source.
        first, last, downsample, frame: see `seqsweep.data.transforms.options.Transform`.
        masked: (M,) the channels of the source that get a mask channel.
    """

    channel_names: tuple[str, ...]
    first: int = 0
    last: int | None = None
    downsample: int = 1
    masked: tuple[int, ...] = ()
    frame: int = 1

    def crop(self, x: Floats, lengths: Lengths, where: str) -> tuple[Floats, Lengths]:
        """Crops sequences.

        Raises:
            ValueError: nothing would be left of a sequence.
        """
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

    def shorten(self, x: Floats, lengths: Lengths) -> tuple[Floats, Lengths]:
        """Downsamples cropped sequences."""
        return (x, lengths) if self.downsample == 1 else downsampled(x, lengths, self.downsample)

    def widen(self, x: Floats, missing: Mask, lengths: Lengths) -> tuple[Floats, Lengths]:
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
