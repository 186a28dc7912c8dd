"""Scales splits. The computation is in float64, the result in float32.

S valid steps of all sequences together, F features (channels).
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seqsweep.data.fitted import Scaling
from seqsweep.data.precision import converted
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.suggest import listed

_COARSE = 1e-3
"""A channel is refused where float32 rounds it by more than this part of its standard deviation."""


def in_common_units(splits: Splits) -> Splits:
    """Returns the splits in the units of train.

    A custom source may give each split its own units.
    """
    units = splits.train.units
    others = {name: p for name, p in splits.parts.items() if not _have_same_units(p, splits.train)}
    return replace(
        splits,
        **{
            name: replace(part, x=converted(part.x, part.valid, part.units, units), units=units)
            for name, part in others.items()
        },
    )


def standardized(splits: Splits, scaling: Scaling, where: str) -> Splits:
    """Scales each channel to mean 0 and deviation 1 over the valid steps of train.

    Args:
        scaling: what has been fitted so far; the result has it with mean and deviation.
    """
    train = splits.train
    # Padding is left out, because its zeros would pull the means to 0.
    values = train.x[train.valid].astype(np.float64)  # (S, F)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    # The deviation of a constant channel need not be exactly 0: it is a rounded sum.
    constant = values.min(axis=0) == values.max(axis=0)
    mean[constant], deviation[constant] = values[0, constant], 1.0
    if scaling.shaping is not None:
        # A mask keeps its 0 and 1, and whether it is constant says nothing about the data.
        masks = scaling.shaping.is_mask
        mean[masks], deviation[masks], constant[masks] = 0.0, 1.0, False
    scaling = replace(scaling, mean=mean, deviation=deviation)
    scaled: dict[str, Sequences] = {}
    for name, part in splits.parts.items():
        x = scaling.standardize(part.x, part.valid)
        if not np.isfinite(x).all():
            f = int(np.argwhere(~np.isfinite(x))[0, 2])
            zero, one = (0.0, 1.0) if train.units is None else (u[f] for u in train.units)
            raise ValueError(
                f"{where}: channel {part.channel_names[f]!r} of {name} is too far from train's for"
                f" float32 (mean {zero + one * mean[f]:.3g}, deviation {one * deviation[f]:.3g});"
                " check its unit"
            )
        scaled[name] = replace(part, x=x, units=None)
    notes = (*splits.notes, *_note_on_constant(train, constant))
    return replace(splits, **scaled, notes=notes, scaling=scaling)


def as_given(splits: Splits, where: str) -> Splits:
    """Returns the values themselves, for networks that take them unscaled.

    Raises:
        ValueError: float32 cannot represent the differences within a channel.
    """
    units = splits.train.units
    if units is None:
        return splits
    parts: dict[str, Sequences] = {}
    for name, part in splits.parts.items():
        x = converted(part.x, part.valid, units, None)
        # Converting there and back shows what float32 loses.
        back = converted(x, part.valid, None, units)
        for f in units.changed:
            rounding = np.abs(back[:, :, f].astype(np.float64) - part.x[:, :, f])
            deviation = np.nanstd(splits.train.x[:, :, f][splits.train.valid], dtype=np.float64)
            if (rounding > _COARSE * deviation).any():  # a missing value compares as False
                raise ValueError(
                    f"{where}.standardize=false: channel {part.channel_names[f]!r} has values near"
                    f" {units.zero[f]:.10g} with a deviation of {units.one[f] * deviation:.3g},"
                    " which float32 cannot hold; set it to true, or subtract a constant"
                )
        parts[name] = replace(part, x=x, units=None)
    return replace(splits, **parts)


def _have_same_units(one: Sequences, other: Sequences) -> bool:
    if one.units is None or other.units is None:
        return one.units is other.units
    return all(np.array_equal(a, b) for a, b in zip(one.units, other.units, strict=True))


def _note_on_constant(train: Sequences, constant: npt.NDArray[np.bool_]) -> list[str]:
    names = [repr(train.channel_names[f]) for f in np.flatnonzero(constant)]
    if not names:
        return []
    several = f"channels {listed(names)} are" if len(names) > 1 else f"channel {names[0]} is"
    return [f"{several} constant in train: standardised to 0, without information"]
