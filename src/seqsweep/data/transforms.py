"""Checks the options of `data.transform`, and applies those that change lengths and channels.

N sequences, T steps, F features (channels) of the source, M mask channels. The functions take and
return x (N, T, F), which is 0 at its padding, and lengths (N,). They keep the type of x. No
sequence's result depends on the amount of padding or on other sequences.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, TypedDict, get_args

import numpy as np

from seqsweep.data.checks import Floats, Int64, Mask
from seqsweep.errors import check_known, integer
from seqsweep.text import nearest_or_all

Impute = Literal["missing", "all"]
"""The channels with a mask (1 where a value is missing): those with gaps in train, or all."""

_MOST_NOISE = 1e30
"""A limit for the standard deviation of noise; larger values might leave float32."""

_LEAST = {"truncate": 1, "downsample": 1, "frame": 1, "window": 1, "stride": 1, "time_mask": 0}
"""The options that are whole numbers, with the smallest value of each."""


class TransformOptions(TypedDict, total=False):
    """The section `data.transform`; a key that is absent or null changes nothing."""

    crop: list[int] | None
    truncate: int | None
    downsample: int | None
    impute: Impute | None
    frame: int | None
    window: int | None
    stride: int | None
    jitter: float | None
    time_mask: int | None


@dataclass(frozen=True)
class Shaping:
    """The operations that change lengths and channels, which a checkpoint holds.

    The order is: crop, downsample, fill in and mark missing values, frame. `Scaling` fills in the
    missing values, and standardises the resulting channels.

    Args:
        channel_names: F names of the source.
        masked: (M,) indices of the channels that get a mask channel: 1 where a value is missing.
    """

    channel_names: tuple[str, ...] = ()
    first: int = 0  # the first step that `crop` or `truncate` keeps
    last: int | None = None  # the step after the last kept one
    downsample: int = 1  # the number of steps whose mean becomes one step
    masked: tuple[int, ...] = ()
    frame: int = 1  # the number of steps that become the channels of one step

    def crop(self, x: Floats, lengths: Int64, where: str) -> tuple[Floats, Int64]:
        """Crops sequences; refuses a sequence that would have no step left."""
        short = lengths <= self.first
        if short.any():
            row = int(short.argmax())
            must = f"must have more than {self.first}, where data.transform.crop begins"
            raise ValueError(f"{where}: sequence {row} has {lengths[row]} steps; {must}")
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
        lists = {"channel_names": list(self.channel_names), "masked": list(self.masked)}
        return asdict(self) | lists

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Returns the shaping whose `state` a checkpoint holds."""
        names, masked = tuple(state["channel_names"]), tuple(state["masked"])
        values: dict[str, Any] = {**state, "channel_names": names, "masked": masked}
        return cls(**values)


@dataclass(frozen=True)
class Transform:
    """The checked options of `data.transform`."""

    shaping: Shaping = Shaping()  # without the channels, which only the data tell
    impute: Impute | None = None
    jitter: float = 0.0  # the standard deviation of the noise in training
    time_mask: int = 0  # the most steps that are set to 0 in training
    window: int | None = None  # the rows of a window; None keeps whole recordings
    stride: int = 1  # the rows from the beginning of a window to that of the next


def transform_of(options: TransformOptions | None) -> Transform:
    """Returns the transform of a config; refuses wrong options."""
    given: dict[str, Any] = {}
    for name, value in (options or {}).items():
        if name not in TransformOptions.__annotations__:
            hint = nearest_or_all(str(name), TransformOptions.__annotations__)
            raise ValueError(f"data.transform.{name}: no such transform{hint}")
        if value is not None:
            whole = name in _LEAST
            given[name] = integer(f"data.transform.{name}", value, _LEAST[name]) if whole else value
    if "impute" in given:
        check_known("data.transform.impute", given["impute"], get_args(Impute))
    jitter = given.setdefault("jitter", 0.0)
    if isinstance(jitter, bool | str) or not 0 <= jitter <= _MOST_NOISE:
        raise ValueError(f"data.transform.jitter={jitter!r}: must be between 0 and {_MOST_NOISE:g}")
    _check_windows(given)
    given.setdefault("stride", given.get("window", 1))
    first, last = _kept_steps(given.pop("crop", None), given.pop("truncate", None))
    joined = {name: given.pop(name) for name in ("downsample", "frame") if name in given}
    return Transform(Shaping((), first, last, **joined), **given)


def shaping_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the options that change prepared splits, with None for options not given."""
    # Jitter and time mask change only what training reads.
    names = [n for n in TransformOptions.__annotations__ if n not in ("jitter", "time_mask")]
    return {name: (options or {}).get(name) for name in names}


def _kept_steps(crop: Any, truncate: int | None) -> tuple[int, int | None]:
    """Returns the first kept step, and the step after the last one."""
    if crop is None:
        return 0, truncate
    if truncate is not None:
        raise ValueError(f"data.transform.truncate={truncate}: must be null with crop={crop}")
    if not isinstance(crop, (list, tuple)) or len(crop) != 2:
        raise ValueError(f"data.transform.crop={crop!r}: must be [a, b], for the steps a to b - 1")
    first = integer("data.transform.crop[0]", crop[0], 0)
    return first, integer("data.transform.crop[1]", crop[1], first + 1)


def _check_windows(given: Mapping[str, Any]) -> None:
    """Refuses options that have no meaning with windows, or none without."""
    if "window" not in given:
        if "stride" in given:
            raise ValueError(
                f"data.transform.stride={given['stride']}: needs data.transform.window"
            )
        return
    # No step may lie in two windows in part.
    joined = given.get("downsample", 1) * given.get("frame", 1)
    for name in ("crop", "truncate"):
        if name in given:
            raise ValueError(f"data.transform.{name}={given[name]}: must be null with windows")
    for name in ("window", "stride"):
        if given.get(name, joined) % joined:
            problem = f"must be a multiple of {joined}, the rows that downsample and frame join"
            raise ValueError(f"data.transform.{name}={given[name]}: {problem} to a step")


def _zeroed(x: Floats, lengths: Int64) -> Floats:
    """Returns x with zeros at its padding."""
    valid: Mask = np.arange(x.shape[1]) < lengths[:, None]
    return x if valid.all() else np.where(valid[:, :, None], x, np.float32(0))
