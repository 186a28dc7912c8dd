"""Scales splits. The computation is in float64, the result is rounded once, to float32.

S valid steps of all sequences together, F features (channels).
"""

from dataclasses import replace

import numpy as np

from seqsweep.data.checks import COARSE, Float64, Mask
from seqsweep.data.fitted import Scaling
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.suggest import listed


def standardized(splits: Splits, scaling: Scaling) -> Splits:
    """Scales each channel to mean 0 and deviation 1 over the valid steps of train.

    Args:
        scaling: what has been fitted so far; the result has it with mean and deviation.
    """
    mean, deviation, constant = _fit(splits.train)
    if scaling.shaping is not None:
        # A mask keeps its 0 and 1, and whether it is constant says nothing about the data.
        masks = scaling.shaping.is_mask
        mean[masks], deviation[masks], constant[masks] = 0.0, 1.0, False
    scaling = replace(scaling, mean=mean, deviation=deviation)

    def scaled(name: str, part: Sequences) -> Sequences:
        x = scaling.standardize(part.x, part.valid)
        if not np.isfinite(x).all():
            f = int(np.argwhere(~np.isfinite(x))[0, 2])
            raise ValueError(
                f"data: channel {part.channel_names[f]!r} of {name} is too far from train's for"
                f" float32 (mean {mean[f]:.3g}, deviation {deviation[f]:.3g}); check its unit"
            )
        return replace(part, x=x)

    names = [repr(splits.channel_names[f]) for f in np.flatnonzero(constant)]
    are = f"s {listed(names)} are" if len(names) > 1 else f" {listed(names)} is"
    note = f"channel{are} constant in train: standardised to 0, without information"
    notes = (*splits.notes, note) if names else splits.notes
    return replace(splits.map(scaled), notes=notes, scaling=scaling)


def _fit(train: Sequences) -> tuple[Float64, Float64, Mask]:
    """Returns mean and deviation of each channel, and which ones are constant: (F,) each."""
    # Padding is left out, because its zeros would pull the means to 0.
    values = _valid_steps(train)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    # The deviation of a constant channel need not be exactly 0: it is a rounded sum.
    constant = values.min(axis=0) == values.max(axis=0)
    mean[constant], deviation[constant] = values[0, constant], 1.0
    return mean, deviation, constant


def rounded(splits: Splits, scaling: Scaling) -> Splits:
    """Rounds the values to float32, for networks that take them unscaled.

    Args:
        scaling: what has been fitted; the result has it as it is.

    Raises:
        ValueError: float32 cannot represent the differences within a channel.
    """

    def as_float32(_: str, part: Sequences) -> Sequences:
        if part.x.dtype == np.float32:
            return part
        x = scaling.standardize(part.x, part.valid)
        _check_rounding(np.abs(x - part.x).max(axis=(0, 1)), splits.train)
        return replace(part, x=x)

    return replace(splits.map(as_float32), scaling=scaling)


def _check_rounding(rounding: Float64, train: Sequences) -> None:
    """Refuses a channel that loses its differences as float32.

    Args:
        rounding: (F,) the largest difference that float32 makes in each channel.
    """
    values = _valid_steps(train)
    _, deviation, constant = _fit(train)
    # A constant channel has no differences to lose.
    coarse = np.flatnonzero((rounding > COARSE * deviation) & ~constant)
    if len(coarse):
        f = int(coarse[0])
        raise ValueError(
            f"data.standardize=false: channel {train.channel_names[f]!r} has values near"
            f" {np.median(values[:, f]):.10g} with a deviation of {deviation[f]:.3g},"
            " which float32 cannot hold; set it to true, or subtract a constant"
        )


def _valid_steps(train: Sequences) -> Float64:
    """Returns the steps (S, F) of all sequences."""
    if train.lengths.min() == train.max_length:  # a copy of large data would be large
        return train.x.reshape(-1, train.input_size).astype(np.float64, copy=False)
    return train.x[train.valid].astype(np.float64, copy=False)
