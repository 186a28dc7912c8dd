"""Converts files that are larger than memory, with the results of a conversion in memory.

S steps of all sequences together, F features (channels).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seqsweep.data.checks import Array, check_names, class_indices, label_names
from seqsweep.data.convert import Block, InUnits, write_folder
from seqsweep.data.folder_files import Meta
from seqsweep.data.folder_meta import Names
from seqsweep.data.precision import SMALL, Float32, Float64, Units, in_units, units_for
from seqsweep.data.streams import RawSplit, Stream

_MARGIN = 0.9
"""A channel is read as a whole if its rounding is this part of what would change its units."""


def convert_stream(stream: Stream, out: Path, replace: bool = False) -> Meta:
    """Writes a stream into a folder, as `convert` does with splits in memory.

    Memory holds a block, the labels and lengths, and at most one channel of a split: only a
    channel whose values float32 would round too much is read as a whole.

    Raises:
        ValueError, TypeError: the data are refused, as `make_splits` would.
        OSError: see `convert`.
    """
    classes = _class_names(stream)
    train = stream.splits["train"]
    channels = next(train.blocks()).shape[1]
    names = _channel_names(stream, channels)
    for split in stream.splits.values():
        width = next(split.blocks()).shape[1]
        if width != channels:
            raise ValueError(
                f"{split.where}: {width} channels, but {train.where} has {channels}; both must be"
                " equal"
            )
    of_train = _units(train, channels)
    splits: dict[str, InUnits] = {}
    for name, split in stream.splits.items():
        # A split has its own units only if train has none, as in `make_splits`.
        units = _units(split, channels) if of_train is None else of_train
        splits[name] = InUnits(_blocks(split, classes, units), units)
    return write_folder(splits, Names(classes, names), out, replace)


def _class_names(stream: Stream) -> tuple[str, ...]:
    classes = stream.class_names
    if classes is None:
        labels = [label_names(split.labels, where=split.where) for split in stream.splits.values()]
        classes = label_names(*labels)
    where = stream.splits["train"].where
    check_names("class_names", classes, where)
    if len(classes) < 2:
        raise ValueError(f"{where}: there is only one class, {classes}; expected two or more")
    return classes


def _channel_names(stream: Stream, channels: int) -> tuple[str, ...]:
    names = stream.channel_names or tuple(f"channel_{f}" for f in range(channels))
    where = stream.splits["train"].where
    check_names("channel_names", names, where)
    if len(names) != channels:
        raise ValueError(f"{where}: {len(names)} channel_names for {channels} channels of x")
    return names


def _blocks(split: RawSplit, classes: tuple[str, ...], units: Units | None) -> Iterator[Block]:
    """Yields the sequences of a split in units, some at a time."""
    labels = class_indices(split.labels, classes, split.where)
    ends = np.cumsum(split.lengths)
    first, done = 0, 0
    for raw in split.blocks():
        done += len(raw)
        last = int(np.searchsorted(ends, done)) + 1
        lengths = split.lengths[first:last]
        yield Block(_in_units(raw, units, split, first), lengths, labels[first:last])
        first = last


def _in_units(raw: Array, units: Units | None, split: RawSplit, first: int) -> Float32:
    """Returns values as float32.

    Args:
        first: the first sequence of these values.
    """
    rounded = _rounded(raw)
    infinite = np.isinf(rounded)
    if infinite.any():
        step, f = (int(i) for i in np.argwhere(infinite)[0])
        ends = np.cumsum(split.lengths[first:])
        n = int(np.searchsorted(ends, step, side="right"))
        t = step - (int(ends[n - 1]) if n else 0)
        raise ValueError(
            f"{split.where}: x is {raw[step, f]} at sequence {first + n}, step {t}, channel {f};"
            " must be a number within float32, or NaN for a missing value"
        )
    if units is None:
        return rounded
    return in_units(raw[None], rounded[None], np.ones((1, len(raw)), dtype=np.bool_), units)[0]


def _rounded(raw: Array) -> Float32:
    with np.errstate(over="ignore"):  # what overflows is infinite, and reported by the caller
        return raw.astype(np.float32)


def _units(split: RawSplit, channels: int) -> Units | None:
    """Returns the units that `units_for` chooses for all values."""
    if np.can_cast(split.dtype, np.float32):
        return None
    units = Units(np.zeros(channels), np.ones(channels))
    for f in np.flatnonzero(_may_need_units(split, channels)):
        column = np.concatenate([raw[:, f] for raw in split.blocks()])[None, :, None]
        valid = np.ones(column.shape[:2], dtype=np.bool_)
        of_channel = units_for(column, _rounded(column), valid)
        if of_channel is not None:
            units.zero[f], units.one[f] = of_channel.zero[0], of_channel.one[0]
    return units if units.changed else None


def _may_need_units(split: RawSplit, channels: int) -> Array:
    """Returns which channels (F,) float32 may round too much for their deviation."""
    rounding, total, count = (np.zeros(channels) for _ in range(3))
    for raw in split.blocks():
        values = raw.astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinite values are refused later
            differences = np.abs(_rounded(raw) - values)
        np.fmax(rounding, np.fmax.reduce(differences, axis=0), out=rounding)
        total += np.nansum(values, axis=0)
        count += (~np.isnan(values)).sum(axis=0)
    deviation = _deviation(split, total / np.maximum(count, 1), count)
    return rounding > _MARGIN * SMALL * deviation


def _deviation(split: RawSplit, mean: Float64, count: Float64) -> Float64:
    square = np.zeros(len(mean))
    for raw in split.blocks():
        with np.errstate(over="ignore", invalid="ignore"):
            square += np.nansum(np.square(raw - mean), axis=0)
    return np.sqrt(square / np.maximum(count, 1))
