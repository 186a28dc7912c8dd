"""Computes what meta.json says of the values in a folder.

S steps of all sequences together, F features (channels).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqsweep.data.folder_files import (
    SPLITS,
    VALUES,
    Meta,
    SplitMeta,
    arrays_in,
    file_digest,
    state_of,
)
from seqsweep.data.mapped_sequences import Extremes, MappedSequences, Rows, Store
from seqsweep.data.moments import channel_sums, present_sums
from seqsweep.data.precision import Float32, Float64, Units
from seqsweep.data.values_file import ValuesFile


class Names(NamedTuple):
    """The names that all splits of a folder share."""

    classes: tuple[str, ...]
    channels: tuple[str, ...]


def describe(
    folder: Path, rows: Mapping[str, Rows], names: Names, units: Mapping[str, Units | None]
) -> Meta:
    """Returns the content of meta.json, from the other files, which have been written.

    Args:
        units: of the values of each split.
    """
    file = ValuesFile(folder / VALUES, len(names.channels))
    splits = {name: _describe_split(file, part, names, units[name]) for name, part in rows.items()}
    prints = [splits[name].fingerprint if name in splits else None for name in SPLITS]
    return Meta(
        names.classes,
        names.channels,
        splits,
        hashlib.sha256(json.dumps(prints).encode()).hexdigest(),
        {path.stem: file_digest(path) for path in arrays_in(folder)},
        state_of(folder / VALUES),
    )


def _describe_split(file: ValuesFile, rows: Rows, names: Names, units: Units | None) -> SplitMeta:
    longest, channels = int(rows.lengths.max()), len(names.channels)
    unknown = Extremes(np.zeros(channels), np.zeros(channels), np.zeros(channels, np.int64))
    store = Store(file, names.classes, names.channels, units, longest, unknown, "", {})
    part = MappedSequences(store, rows)
    moments = _moments(part)
    return SplitMeta(
        sequences=len(rows.lengths),
        steps=int(rows.lengths.sum()),
        longest=longest,
        fingerprint=part.fingerprint(),
        min=_plain(moments.least, moments.counts),
        max=_plain(moments.most, moments.counts),
        mean=_plain(moments.mean, moments.counts),
        std=_plain(moments.deviation, moments.counts),
        missing=(rows.lengths.sum() - moments.counts).astype(int).tolist(),
        units=None if units is None else [unit.tolist() for unit in units],
    )


class Moments(NamedTuple):
    """Statistics of the present values of each channel, (F,) each."""

    least: Float64
    most: Float64
    mean: Float64
    deviation: Float64
    counts: Float64


def _moments(part: MappedSequences) -> Moments:
    steps, channels = int(part.lengths.sum()), part.input_size
    least, most = np.full(channels, np.inf), np.full(channels, -np.inf)

    def values() -> Iterator[Float32]:
        for _, block in part.parts():
            np.fmin(least, np.fmin.reduce(block, axis=0), out=least)
            np.fmax(most, np.fmax.reduce(block, axis=0), out=most)
            yield block

    sums, counts = present_sums(values(), channels)
    counted = np.maximum(counts, 1)  # a channel without values gets no mean below
    mean = sums / counted

    def squares() -> Iterator[Float64]:
        for _, block in part.parts():
            yield np.square(np.nan_to_num(block - mean))

    deviation = np.sqrt(channel_sums(squares(), steps, channels) / counted)
    return Moments(least, most, mean, deviation, counts)


def _plain(values: Float64, counts: Float64) -> list[float | None]:
    """Returns numbers for JSON; None for a channel without values."""
    return [float(v) if count else None for v, count in zip(values, counts, strict=True)]
