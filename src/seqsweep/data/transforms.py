"""Checks the options of `data.transform`, and augments training sequences.

B sequences of a batch, T steps, F features (channels).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict, get_args

import numpy as np

from seqsweep.data.checks import Float32, Float64, Int64, Mask, check_known, integer
from seqsweep.data.fitted import Shaping
from seqsweep.elementary import normal
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
        return replace(self, jitter=0.0, time_mask=0, window=None, stride=1) != Transform()


def transform_of(options: TransformOptions | None) -> Transform:
    """Returns the transform of a config; refuses wrong options."""
    given: dict[str, Any] = {}
    for name, value in (options or {}).items():
        if name not in TransformOptions.__annotations__:
            hint = nearest_or_all(str(name), TransformOptions.__annotations__)
            raise ValueError(f"data.transform.{name}: no such transform{hint}")
        if value is not None:
            given[name] = value
    for name, least in _LEAST.items():
        if name in given:
            given[name] = integer(f"data.transform.{name}", given[name], least)
    if "impute" in given:
        check_known("data.transform.impute", given["impute"], get_args(Impute))
    jitter = given.setdefault("jitter", 0.0)
    is_number = isinstance(jitter, (int, float)) and not isinstance(jitter, bool)
    if not is_number or not 0 <= jitter <= _MOST_NOISE:
        raise ValueError(
            f"data.transform.jitter={jitter!r}: must be a number between 0 and {_MOST_NOISE:g}"
        )
    _check_windows(given)
    given.setdefault("stride", given.get("window", 1))
    first, last = _kept_steps(given.pop("crop", None), given.pop("truncate", None))
    return Transform(first, last, **given)


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
        problem = "must be null where crop is given, which cuts both ends"
        raise ValueError(f"data.transform.truncate={truncate}: {problem}")
    if not isinstance(crop, (list, tuple)) or len(crop) != 2:
        raise ValueError(
            f"data.transform.crop={crop!r}: must be [a, b], which keeps the steps a to b - 1"
        )
    first = integer("data.transform.crop[0]", crop[0], 0)
    reason = f", because crop begins at step {first}"
    return first, integer("data.transform.crop[1]", crop[1], first + 1, reason=reason)


def _check_windows(given: Mapping[str, Any]) -> None:
    """Refuses options that have no meaning with windows, or none without."""
    if "window" not in given:
        if "stride" in given:
            raise ValueError(
                f"data.transform.stride={given['stride']}: needs data.transform.window=ROWS"
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
        widest = np.minimum(min(self.time_mask, longest), lengths - 1)
        widths = (places[:, 0] * (widest + 1)).astype(np.int64)
        starts = (places[:, 1] * (lengths - widths + 1)).astype(np.int64)
        steps = np.arange(longest) - starts[:, None]
        return (steps >= 0) & (steps < widths[:, None])


def augmentation_of(
    options: TransformOptions | None, shaping: Shaping | None
) -> Augmentation | None:
    """Returns the augmentation of training sequences, if any."""
    transform = transform_of(options)
    if transform.jitter == 0 and transform.time_mask == 0:
        return None
    exact = () if shaping is None else tuple(np.flatnonzero(shaping.is_mask).tolist())
    return Augmentation(transform.jitter, transform.time_mask, exact)
