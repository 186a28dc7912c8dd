"""Reads files that are larger than memory, some sequences at a time.

N sequences, B of them in a block, S steps together, F features (channels).
"""

import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seqsweep.data import readers
from seqsweep.data.checks import (
    Array,
    Layout,
    as_array,
    batch_first,
    channels_first_note,
    check_lengths,
    label_array,
)
from seqsweep.data.raw import RawPart

_AT_ONCE = 1 << 20
"""The most values, with padding, that are read at once."""


class RawSplit(NamedTuple):
    """A split as its file has it.

    Attributes:
        blocks: yields the steps (S, F) of all sequences, some sequences at a time; a new iterator
            at each call.
        lengths, labels: (N,).
        where: begins every error message.
    """

    blocks: Callable[[], Iterator[Array]]
    lengths: npt.NDArray[np.int64]
    labels: Array
    where: str
    dtype: np.dtype[np.generic]


class Stream(NamedTuple):
    """A data set whose values are read some at a time; names as in `Stored`."""

    splits: dict[str, RawSplit]
    class_names: tuple[str, ...] | None
    channel_names: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def npz_stream(
    scratch: Path, path: str, layout: Layout = "batch_first", test_path: str | None = None
) -> Stream:
    """Opens .npz files, whose large arrays are first extracted into the folder `scratch`.

    Raises:
        FileNotFoundError, ValueError, TypeError: see `npz`.
    """

    def load(file: Path, stored: "np.lib.npyio.NpzFile", key: str) -> Array:
        if not key.lower().startswith("x"):
            return readers.read_array(file, stored, key)
        return _extracted(file, key, scratch / f"{len(list(scratch.iterdir()))}.npy", stored)

    raw = readers.read_raw(path, test_path, load)
    splits = {name: _npz_split(part, layout) for name, part in raw.parts.items()}
    notes, train = raw.notes, raw.parts["train"]
    if layout == "batch_first" and train.x.ndim == 3:
        notes = (*notes, *channels_first_note(train.x, path))
    return Stream(splits, raw.class_names, raw.channel_names, notes)


def _extracted(file: Path, key: str, target: Path, stored: "np.lib.npyio.NpzFile") -> Array:
    """Returns an array of an .npz file as a memory map of a copy."""
    try:
        with (
            zipfile.ZipFile(file) as archive,
            archive.open(f"{key}.npy") as member,
            target.open("wb") as copy,
        ):
            shutil.copyfileobj(member, copy, 1 << 20)  # reading to the end compares the checksum
        array = np.load(target, mmap_mode="r", allow_pickle=False)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, KeyError):
        # The reader for arrays in memory knows what is wrong.
        return readers.read_array(file, stored, key)
    return array


def _npz_split(part: RawPart, layout: Layout) -> RawSplit:
    labels = label_array(part.needed_labels(), part.where)
    x, count = part.x, len(labels)
    as_array(x, "x", "biuf", "real numbers", part.where)
    given = part.lengths
    if given is not None and layout != "time_first" and x.ndim in (1, 2):
        steps = check_lengths(given, count, None, part.where)
        if len(x) == steps.sum():
            return _joined(part, labels, steps)
    shaped = batch_first(x, count, layout, part.where)
    longest = shaped.shape[1]
    other = shaped.shape[2] if layout == "batch_first" else 0
    steps = np.full(count, longest, dtype=np.int64)
    if given is not None:
        steps = check_lengths(given, count, longest, part.where, channels=other)

    def blocks() -> Iterator[Array]:
        for start, stop in _ranges(np.full(count, longest), shaped.shape[2]):
            # A new map for each block, because the pages of a map stay in the process.
            block = batch_first(_again(x), count, layout, part.where)[start:stop]
            yield block[np.arange(longest) < steps[start:stop, None]]

    return RawSplit(blocks, steps, labels, part.where, x.dtype)


def _joined(part: RawPart, labels: Array, steps: npt.NDArray[np.int64]) -> RawSplit:
    """Returns a split whose sequences are stored one after the other."""
    channels = 1 if part.x.ndim == 1 else part.x.shape[1]
    ends = np.concatenate([[0], np.cumsum(steps)])

    def blocks() -> Iterator[Array]:
        for start, stop in _ranges(steps, channels):
            yield np.array(_again(part.x)[ends[start] : ends[stop]]).reshape(-1, channels)

    return RawSplit(blocks, steps, labels, part.where, part.x.dtype)


def _again(x: Array) -> Array:
    """Returns a new memory map of the same array."""
    if not isinstance(x, np.memmap) or x.filename is None:
        return x
    return np.load(x.filename, mmap_mode="r", allow_pickle=False)


def _ranges(lengths: npt.NDArray[np.int64], channels: int) -> Iterator[tuple[int, int]]:
    """Yields ranges of sequences that together have few values."""
    start, size = 0, 0
    for index, length in enumerate((lengths * channels).tolist()):
        if size and size + length > _AT_ONCE:
            yield start, index
            start, size = index, 0
        size += length
    yield start, len(lengths)


STREAMS: Mapping[str, Callable[..., Stream]] = {
    "seqsweep.data.readers.npz": npz_stream,
}
"""The readers of large files, by the source function that reads the file into memory."""
