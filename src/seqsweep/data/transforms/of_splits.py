"""Fits and applies the reshaping steps of `data.transform` to splits.

N sequences, T steps, F features (channels).
"""

from dataclasses import replace

import numpy as np

from seqsweep.data.checks import Floats, Int64
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms.options import Transform
from seqsweep.data.transforms.shaping import Shaping, count_steps


def crop(splits: Splits, shaping: Shaping) -> Splits:
    """Crops every split; refuses a crop that would leave nothing of a sequence."""
    shortest = {name: int(part.lengths.min()) for name, part in splits.parts.items()}
    name = min(shortest, key=lambda name: shortest[name])
    if shortest[name] <= shaping.first:
        row = int(splits.parts[name].lengths.argmin())
        raise ValueError(
            f"data.transform.crop=[{shaping.first}, {shaping.last}]: must begin before step"
            f" {shortest[name]}: the shortest sequence, {row} of {name}, has"
            f" {count_steps(shortest[name])}"
        )
    return splits.map(lambda name, part: _with(part, *shaping.crop(part.x, part.lengths, name)))


def shorten(splits: Splits, shaping: Shaping) -> Splits:
    """Downsamples every split; the number of steps must fit the training sequences."""
    _check_size("downsample", shaping.downsample, splits.train)
    return splits.map(lambda _, part: _with(part, *shaping.shorten(part.x, part.lengths)))


def with_masks(shaping: Shaping, transform: Transform, splits: Splits) -> tuple[Shaping, list[str]]:
    """Fits the channels with a mask on train; notes if there are none."""
    if transform.impute == "all":
        return replace(shaping, masked=tuple(range(splits.input_size))), []
    missing = np.isnan(splits.train.x).any(axis=(0, 1))
    if transform.impute is None or not missing.any():
        note = "no value of train is missing, so data.transform.impute=missing adds no channel"
        return shaping, [] if transform.impute is None else [note]
    return replace(shaping, masked=tuple(np.flatnonzero(missing).tolist())), []


def widen(holed: Splits, whole: Splits, shaping: Shaping) -> Splits:
    """Adds mask channels to filled splits, and frames them.

    Args:
        holed: the same splits before missing values were filled in.
    """
    _check_size("frame", shaping.frame, whole.train)

    def widened(name: str, part: Sequences) -> Sequences:
        x, lengths = shaping.widen(part.x, np.isnan(holed.parts[name].x), part.lengths)
        return replace(part, x=x, lengths=lengths, channel_names=shaping.names)

    return whole.map(widened)


def check_augmentation(transform: Transform, train: Sequences) -> None:
    """Refuses a time mask that could cover the longest training sequence."""
    longest, steps = int(train.lengths.max()), transform.time_mask
    if steps and steps >= longest:
        raise ValueError(
            f"data.transform.time_mask={steps}: must be below {longest}, the steps of the longest"
            " training sequence"
        )


def _with(part: Sequences, x: Floats, lengths: Int64) -> Sequences:
    return replace(part, x=x, lengths=lengths)


def _check_size(key: str, size: int, train: Sequences) -> None:
    """Refuses to join more steps than the longest training sequence has."""
    if size > (longest := int(train.lengths.max())):
        raise ValueError(
            f"data.transform.{key}={size}: must be at most {longest}, the steps of the longest"
            " training sequence"
        )
