"""Checks the options of `data.transform`, and augments training sequences.

B sequences of a batch, T steps, F features (channels).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_args

import numpy as np

from seqsweep.data.checks import Float32, Float64, Int64, Mask, integer
from seqsweep.data.fitted import Shaping
from seqsweep.data.sequences import Sequences
from seqsweep.elementary import normal
from seqsweep.text import did_you_mean, listed, nearest_or_all

Impute = Literal["missing", "all"]
"""The channels with a mask (1 where a value is missing): those with gaps in train, or all."""

_MOST_NOISE = 1e30
"""A limit for the standard deviation of noise; larger values might leave float32."""


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
class Transform:
    """The checked options of `data.transform`, in order of application.

    `crop` or `truncate` keeps the steps from `first` up to, but not including, `last`.
    """

    first: int = 0
    last: int | None = None
    downsample: int = 1  # the number of steps whose mean becomes one step
    impute: Impute | None = None
    frame: int = 1  # the number of steps that become the channels of one step
    jitter: float = 0.0  # the standard deviation of the noise in training
    time_mask: int = 0  # the most steps that are set to 0 in training
    window: int | None = None  # the rows of a window; None keeps whole recordings
    stride: int = 1  # the rows from the beginning of a window to that of the next

    @property
    def reshapes(self) -> bool:
        """Returns whether options change the prepared splits, not only what training reads."""
        unscaled = self.jitter, self.time_mask, self.window, self.stride
        return self != Transform(0, None, 1, None, 1, *unscaled)

    @property
    def augments(self) -> bool:
        return self.jitter > 0 or self.time_mask > 0


def transform_of(options: TransformOptions | None) -> Transform:
    """Returns the transform of a config; refuses wrong options."""
    given = _given({} if options is None else options)
    first, last = _kept_steps(given)
    impute, allowed = given.get("impute"), get_args(Impute)
    if impute is not None and impute not in allowed:
        hint = did_you_mean(str(impute), allowed)
        raise ValueError(
            f"data.transform.impute={impute!r}: must be one of {listed(allowed)}{hint}"
        )
    jitter = given.get("jitter", 0.0)
    if isinstance(jitter, bool) or not isinstance(jitter, (int, float)):
        raise TypeError(f"data.transform.jitter={jitter!r}: must be a number")
    if not 0 <= jitter <= _MOST_NOISE:
        raise ValueError(f"data.transform.jitter={jitter}: must be between 0 and {_MOST_NOISE:g}")
    downsample = integer("data.transform.downsample", given.get("downsample", 1), 1)
    frame = integer("data.transform.frame", given.get("frame", 1), 1)
    time_mask = integer("data.transform.time_mask", given.get("time_mask", 0), 0)
    windows = _windows(given, downsample * frame)
    return Transform(first, last, downsample, impute, frame, float(jitter), time_mask, *windows)


def shaping_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the options that change prepared splits, with None for options not given."""
    # Jitter and time mask change only what training reads.
    names = [n for n in TransformOptions.__annotations__ if n not in ("jitter", "time_mask")]
    return {name: (options or {}).get(name) for name in names}


def _given(options: Any) -> dict[str, Any]:
    """Returns the options that are not null; refuses unknown names."""
    if not isinstance(options, Mapping):
        raise TypeError(f"data.transform={options!r}: must be a group of keys, or null")
    known = TransformOptions.__annotations__
    for name in options:
        if name not in known:
            hint = nearest_or_all(str(name), known)
            raise ValueError(f"data.transform.{name}: no such transform{hint}")
    return {str(name): value for name, value in options.items() if value is not None}


def _kept_steps(given: Mapping[str, Any]) -> tuple[int, int | None]:
    """Returns the first kept step, and the step after the last one."""
    crop, count = given.get("crop"), given.get("truncate")
    if crop is None:
        return 0, None if count is None else integer("data.transform.truncate", count, 1)
    if count is not None:
        raise ValueError(
            f"data.transform.truncate={count}: must be null where crop is given, which cuts both"
            " ends"
        )
    if not isinstance(crop, (list, tuple)) or len(crop) != 2:
        raise ValueError(
            f"data.transform.crop={crop!r}: must be [a, b], which keeps the steps a to b - 1"
        )
    first = integer("data.transform.crop[0]", crop[0], 0)
    reason = f", because crop begins at step {first}"
    return first, integer("data.transform.crop[1]", crop[1], first + 1, reason=reason)


def _windows(given: Mapping[str, Any], size: int) -> tuple[int | None, int]:
    """Returns the rows of a window, and those between two beginnings.

    Args:
        size: the rows that `downsample` and `frame` join; no step may lie in two windows in part.
    """
    window, stride = given.get("window"), given.get("stride")
    if window is None:
        if stride is not None:
            raise ValueError(f"data.transform.stride={stride}: needs data.transform.window=ROWS")
        return None, 1
    window = integer("data.transform.window", window, 1)
    stride = window if stride is None else integer("data.transform.stride", stride, 1)
    for name in ("crop", "truncate"):
        if name in given:
            raise ValueError(f"data.transform.{name}={given[name]}: must be null with windows")
    for name, value in (("window", window), ("stride", stride)):
        if value % size:
            joined = f"{size}, the rows that downsample and frame join to a step"
            raise ValueError(f"data.transform.{name}={value}: must be a multiple of {joined}")
    return window, stride


@dataclass(frozen=True)
class Augmentation:
    """Adds noise to training sequences, and sets a random span of steps to 0.

    Every draw is a function of (seed of the epoch, index of the sequence). So a draw does not
    depend on the batch, other runs, the engine, or an interruption of the run.

    Args:
        jitter: the standard deviation of the noise, in the values that the network reads.
        time_mask: the most steps of the span. First the length of the span is drawn, from 0 to this
            number, then its place (SpecAugment, Park et al. 2019). In a short sequence the longest
            span is all steps but one.
        exact: the indices of the channels without noise, which are mask channels.
    """

    jitter: float
    time_mask: int
    exact: tuple[int, ...] = ()

    def apply(self, x: Float32, lengths: Int64, rows: Sequence[int], seed: int) -> Float32:
        """Returns a copy of x (B, T, F) with noise and masked spans.

        Args:
            rows: (B,) the index of each sequence in the training split.
            seed: the seed of the stream `augment/<epoch>`.
        """
        uniform = np.zeros((*x.shape, 2), dtype=np.float32)
        places = np.zeros((len(x), 2))
        bits = np.random.Philox(key=seed)
        random = np.random.Generator(bits)
        # A part of Philox's counter is set to the index of the sequence, so that each sequence has
        # its own random numbers. A new generator for each would take seven times as long.
        state = bits.state
        for index, (row, length) in enumerate(zip(rows, lengths.tolist(), strict=True)):
            state["state"]["counter"][2] = row
            bits.state = state
            # The span is drawn first, so that it is the same with and without noise.
            if self.time_mask > 0:
                random.random(out=places[index])
            if self.jitter > 0:
                random.random(dtype=np.float32, out=uniform[index, :length])
        noise = normal(uniform)  # 0 at padding
        noise *= np.float32(self.jitter)
        noise[:, :, list(self.exact)] = 0
        result = x + noise
        result[self._spans(places, lengths, x.shape[1])] = 0
        return result

    def _spans(self, places: Float64, lengths: Int64, longest: int) -> Mask:
        """Returns a mask (B, T), True in the spans; `places` are uniform numbers (B, 2)."""
        widest = np.minimum(self.time_mask, lengths - 1)
        widths = (places[:, 0] * (widest + 1)).astype(np.int64)
        starts = (places[:, 1] * (lengths - widths + 1)).astype(np.int64)
        steps = np.arange(longest) - starts[:, None]
        return (steps >= 0) & (steps < widths[:, None])


def augmentation_of(
    options: TransformOptions | None, shaping: Shaping | None
) -> Augmentation | None:
    """Returns the augmentation of training sequences, if any."""
    transform = transform_of(options)
    if not transform.augments:
        return None
    exact = () if shaping is None else tuple(np.flatnonzero(shaping.is_mask).tolist())
    return Augmentation(transform.jitter, transform.time_mask, exact)


def check_augmentation(transform: Transform, train: Sequences) -> None:
    """Refuses a time mask that is not shorter than the longest training sequence."""
    most = int(train.lengths.max()) - 1
    reason = ", less than the steps of the longest training sequence"
    integer("data.transform.time_mask", transform.time_mask, 0, most, reason)
