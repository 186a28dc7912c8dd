"""Fits and applies the reshaping steps of `data.transform` to splits.

N sequences, T steps, F features (channels).
"""

from dataclasses import replace

import numpy as np

from seqsweep.data.fitted import Missing
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms.options import Transform, TransformOptions, transform_of
from seqsweep.data.transforms.shaping import Shaping, count_steps


def checked(
    options: TransformOptions | None, splits: Splits, missing: Missing
) -> tuple[Transform, Shaping]:
    """Returns the checked options, and the shaping as far as nothing must be fitted.

    Raises:
        ValueError, TypeError: names the option, its value, and what is allowed.
    """
    wanted = transform_of(options)
    if wanted.impute is not None and missing == "error":
        raise ValueError(
            f"data.transform.impute={wanted.impute}: must be null with data.missing=error;"
            " set data.missing=mean|zero|forward"
        )
    names = splits.train.channel_names
    return wanted, Shaping(names, wanted.first, wanted.last, wanted.downsample, frame=wanted.frame)


def crop(splits: Splits, shaping: Shaping) -> Splits:
    """Crops every split.

    Raises:
        ValueError: nothing would be left of a sequence.
    """
    shortest = {name: int(part.lengths.min()) for name, part in splits.parts.items()}
    name = min(shortest, key=lambda name: shortest[name])
    if shortest[name] <= shaping.first:
        row = int(splits.parts[name].lengths.argmin())
        raise ValueError(
            f"data.transform.crop=[{shaping.first}, {shaping.last}]: must begin before step"
            f" {shortest[name]}: the shortest sequence, {row} of {name}, has"
            f" {count_steps(shortest[name])}"
        )
    parts: dict[str, Sequences] = {}
    for name, part in splits.parts.items():
        x, lengths = shaping.crop(part.x, part.lengths, name)
        parts[name] = replace(part, x=x, lengths=lengths)
    return replace(splits, **parts)


def shorten(splits: Splits, shaping: Shaping) -> Splits:
    """Downsamples every split; the number of steps must fit the training sequences."""
    _check_size("data.transform.downsample", shaping.downsample, splits.train)
    parts: dict[str, Sequences] = {}
    for name, part in splits.parts.items():
        x, lengths = shaping.shorten(part.x, part.lengths)
        parts[name] = replace(part, x=x, lengths=lengths)
    return replace(splits, **parts)


def with_masks(shaping: Shaping, transform: Transform, splits: Splits) -> tuple[Shaping, list[str]]:
    """Fits the channels with a mask on train; notes if there are none."""
    if transform.impute is None:
        return shaping, []
    if transform.impute == "all":
        return replace(shaping, masked=tuple(range(splits.input_size))), []
    missing = np.isnan(splits.train.x).any(axis=(0, 1))
    masked = tuple(np.flatnonzero(missing).tolist())
    note = "no value of train is missing, so data.transform.impute=missing adds no channel"
    return replace(shaping, masked=masked), [] if masked else [note]


def widen(holed: Splits, whole: Splits, shaping: Shaping) -> Splits:
    """Adds mask channels to filled splits, and frames them.

    Args:
        holed: the same splits before missing values were filled in.
    """
    _check_size("data.transform.frame", shaping.frame, whole.train)
    parts: dict[str, Sequences] = {}
    for name, part in whole.parts.items():
        missing = np.isnan(holed.parts[name].x)
        x, lengths = shaping.widen(part.x, missing, part.lengths)
        parts[name] = replace(part, x=x, lengths=lengths, channel_names=shaping.names)
    return replace(whole, **parts)


def check_augmentation(transform: Transform, train: Sequences) -> None:
    """Refuses a time mask that could cover the longest training sequence."""
    longest = int(train.lengths.max())
    if transform.time_mask and transform.time_mask >= longest:
        raise ValueError(
            f"data.transform.time_mask={transform.time_mask}: must be below {longest}, the steps"
            " of the longest training sequence"
        )


def _check_size(key: str, size: int, train: Sequences) -> None:
    """Refuses to join more steps than the longest training sequence has."""
    longest = int(train.lengths.max())
    if size > longest:
        raise ValueError(
            f"{key}={size}: must be at most {longest}, the steps of the longest training sequence"
        )
