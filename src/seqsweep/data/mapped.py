"""Reads a folder that `seqsweep data convert` has written, in bounded memory if it is large."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from seqsweep.data.checks import Array
from seqsweep.data.files import Stored
from seqsweep.data.folder_files import (
    CHECKED,
    META,
    NO_GROUP,
    VALUES,
    Meta,
    check_size,
    existing_folder,
    read_arrays,
    read_meta,
    state_of,
)
from seqsweep.data.mapped_sequences import MappedSequences, Rows, Store
from seqsweep.data.raw import RawPart
from seqsweep.data.sequences import Splits
from seqsweep.data.values_file import ValuesFile

MEBIBYTE = 2**20


def folder(path: str, in_memory_mb: int = 256) -> Splits:
    """Reads a folder of sequences that `seqsweep data convert` has written.

    Args:
        path: the folder; `~` is the home folder.
        in_memory_mb: the most mebibytes of padded values to read into memory, 0 or more. Larger
            values stay in the file, and only `engine=autograd` trains on them. It changes no
            batch.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a file of the folder is missing, damaged or changed.
    """
    if in_memory_mb < 0:
        raise ValueError(f"in_memory_mb={in_memory_mb}: must be at least 0")
    splits = mapped(path)
    size = padded_size(splits)
    if size <= in_memory_mb * MEBIBYTE:
        parts = {name: part.in_memory() for name, part in splits.parts.items()}
        return replace(splits, **parts)
    note = (
        f"{path}: {size / MEBIBYTE:,.1f} MiB of values stay on disk (data.source.in_memory_mb="
        f"{in_memory_mb}), so only engine=autograd trains on them"
    )
    return replace(splits, notes=(*splits.notes, note))


def read(path: str, labelled: bool = True) -> Stored:
    """Opens the splits of a folder, for `read_file`.

    Each x is (S, F), the sequences one after the other: a map of the file, of which only the steps
    that are used come into memory.

    Args:
        path: see `folder`.
        labelled: has no effect, because the folder always has labels.
    """
    splits = mapped(path)
    steps = np.memmap(existing_folder(path) / VALUES, "<f4", "r").reshape(-1, splits.input_size)
    parts: dict[str, RawPart] = {}
    first = 0
    for name, part in splits.parts.items():
        last = first + int(part.lengths.sum())
        x: Array = steps[first:last]
        # A reader gives the values themselves, not those in units of the channels.
        if part.units is not None:
            x = part.units.zero + part.units.one * x
        labels = np.array(part.class_names)[part.labels]
        where = f"{path} ({name})"
        parts[name] = RawPart(x, labels, part.lengths, where, groups=part.groups)
        first = last
    return Stored(parts, splits.class_names, splits.train.channel_names)


def mapped(path: str) -> Splits:
    """Returns the splits of a folder, whose values stay in the file.

    Raises:
        FileNotFoundError, ValueError: see `folder`.
    """
    place = existing_folder(path)
    meta = read_meta(place)
    is_known = check_size(place, meta)
    parts = _parts(place, meta)
    splits = Splits(parts["train"], parts.get("val"), parts.get("test"))
    if not is_known:
        _check_values(place, meta, parts)
    return splits


def padded_size(splits: Splits) -> int:
    """Returns the bytes of all values, padded."""
    parts = splits.parts.values()
    return sum(len(part) * part.max_length * part.input_size * 4 for part in parts)


def _parts(place: Path, meta: Meta) -> dict[str, MappedSequences]:
    """Returns the splits as they are stored."""
    arrays = read_arrays(place, meta)
    starts = np.cumsum(arrays["lengths"]) - arrays["lengths"]
    rows = Rows(starts, arrays["lengths"], arrays["labels"], arrays["digests"])
    file = ValuesFile(place / VALUES, len(meta.channel_names))
    parts: dict[str, MappedSequences] = {}
    first = 0
    for name, split in meta.splits.items():
        store = Store(
            file,
            meta.class_names,
            meta.channel_names,
            split.channel_units(),
            split.longest,
            split.extremes,
            split.fingerprint,
            {},
        )
        last = first + split.sequences
        of_split = rows.at(slice(first, last))
        if of_split.lengths.sum() != split.steps:
            raise ValueError(
                f"{place / META} is damaged (the sizes of {name} do not fit lengths.npy); convert"
                " the data again"
            )
        if "groups" in arrays and arrays["groups"][first] != NO_GROUP:
            of_split = of_split._replace(groups=arrays["groups"][first:last])
        parts[name] = MappedSequences(store, of_split, is_whole=True)
        first = last
    return parts


def _check_values(place: Path, meta: Meta, parts: dict[str, MappedSequences]) -> None:
    """Reads all values once, because x.bin has another time than when it was written.

    A copy of a folder has one, for example.
    """
    for name, part in parts.items():
        if part.select(np.arange(len(part))).fingerprint() != meta.splits[name].fingerprint:
            raise ValueError(
                f"{place / VALUES} is not the file that was written (values of {name} differ);"
                " convert the data again"
            )
    # A folder that cannot be written is checked each time.
    with contextlib.suppress(OSError):
        (place / CHECKED).write_text(json.dumps(state_of(place / VALUES)), encoding="utf-8")


def is_on_disk(splits: Splits) -> bool:
    """Returns whether the values of these splits stay in a file."""
    return any(isinstance(part, MappedSequences) for part in splits.parts.values())
