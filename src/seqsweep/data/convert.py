"""Writes sequences into a folder that a run reads in bounded memory.

S steps of all sequences together, F features (channels).
"""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seqsweep.data.folder_files import (
    ARRAYS,
    META,
    NO_GROUP,
    VALUES,
    Meta,
    is_folder,
)
from seqsweep.data.folder_meta import Names, describe
from seqsweep.data.mapped_sequences import MappedSequences, Rows
from seqsweep.data.precision import Float32, Units
from seqsweep.data.sequences import Sequences, Splits, digests_of

_AT_ONCE = 1 << 20
"""The most values, with padding, that one block of sequences in memory has."""


class Block(NamedTuple):
    """Some sequences of a split.

    Attributes:
        values: (S, F), their steps, one sequence after the other.
        lengths, labels, groups: an entry for each sequence.
    """

    values: Float32
    lengths: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64] | None = None


class InUnits(NamedTuple):
    """The sequences of a split, and the units of their channels, as in `Sequences`."""

    blocks: Iterable[Block]
    units: Units | None


def convert(splits: Splits, out: Path, replace: bool = False) -> Meta:
    """Writes splits into a new folder, which has its name only when it is whole.

    Args:
        out: the folder.
        replace: replaces a folder of sequences that is there already.

    Raises:
        ValueError: the sequences are texts, whose vocabulary the folder cannot hold.
        FileExistsError: there is something at `out`.
        OSError: the folder cannot be written.
    """
    if splits.vocabulary is not None:
        raise ValueError(f"{out}: not written, because a folder cannot hold texts; use data=text")
    names = Names(splits.train.class_names, splits.train.channel_names)
    blocks = {name: InUnits(blocks_of(part), part.units) for name, part in splits.parts.items()}
    return write_folder(blocks, names, out, replace)


def blocks_of(part: Sequences) -> Iterator[Block]:
    """Yields the sequences of a split, some at a time."""
    if isinstance(part, MappedSequences):
        for index, values in part.parts():
            yield Block(values, part.lengths[index], part.labels[index], _groups(part, index))
        return
    count = max(1, _AT_ONCE // (part.max_length * part.input_size))
    for start in range(0, len(part), count):
        rows = slice(start, start + count)
        lengths = part.lengths[rows]
        valid = np.arange(part.max_length) < lengths[:, None]
        yield Block(part.x[rows][valid], lengths, part.labels[rows], _groups(part, rows))


def _groups(part: Sequences, rows: slice | npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    return None if part.groups is None else part.groups[rows]


def write_folder(
    splits: Mapping[str, InUnits], names: Names, out: Path, replace: bool = False
) -> Meta:
    """Writes blocks of sequences as `convert` does; the splits come in their usual order."""
    check_target(out, replace)
    with _new_folder(out, replace) as folder:
        rows = _write_values(folder, splits)
        _write_arrays(folder, rows)
        units = {name: split.units for name, split in splits.items()}
        meta = describe(folder, rows, names, units)
        # The file that makes the folder one of sequences is written last.
        _write(folder / META, meta.text().encode())
    return meta


def check_target(out: Path, replace: bool) -> None:
    """Refuses a path that a folder must not get.

    Raises:
        FileExistsError, FileNotFoundError: says what is there, or what is not.
    """
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"{out}: there is no folder {out.absolute().parent}")
    if not os.path.lexists(out):
        return
    if not out.is_dir() or not (is_folder(out) or not any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not a folder of sequences; give another name")
    if not replace and is_folder(out):
        raise FileExistsError(f"{out} exists; give --replace to write it again")


@contextmanager
def _new_folder(out: Path, replace: bool) -> Generator[Path]:
    """Yields a temporary folder beside `out`, which takes its place at the end."""
    parent = out.absolute().parent
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=parent))
    try:
        folder.chmod(0o777 & ~_umask())
        yield folder
        check_target(out, replace)  # something may have appeared meanwhile
        if is_folder(out):
            _exchange(folder, out)
        else:
            os.rename(folder, out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _exchange(folder: Path, out: Path) -> None:
    """Puts a folder in the place of `out`, or leaves `out` as it was."""
    # An existing folder is moved away first, because a rename cannot replace its files.
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=folder.parent))
    try:
        os.rename(out, old / "folder")
        try:
            os.rename(folder, out)
        except BaseException:
            os.rename(old / "folder", out)
            raise
    except BaseException:
        old.rmdir()
        raise
    shutil.rmtree(old)


def _umask() -> int:
    """Returns the mask of new files' permissions; `mkdtemp` makes folders for the user alone."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_values(folder: Path, splits: Mapping[str, InUnits]) -> dict[str, Rows]:
    """Writes x.bin. Returns what the other files hold of each split."""
    rows: dict[str, Rows] = {}
    first = 0
    with (folder / VALUES).open("wb") as file:
        for name, split in splits.items():
            lengths: list[npt.NDArray[np.int64]] = []
            labels: list[npt.NDArray[np.int64]] = []
            digests: list[npt.NDArray[np.uint64]] = []
            groups: list[npt.NDArray[np.int64]] = []
            for block in split.blocks:
                file.write(np.ascontiguousarray(block.values, dtype="<f4").data)
                lengths.append(block.lengths)
                labels.append(block.labels)
                groups += [] if block.groups is None else [block.groups]
                ends = np.cumsum(block.lengths)[:-1]
                digests.append(digests_of(np.split(np.ascontiguousarray(block.values), ends)))
            steps = np.concatenate(lengths)
            starts = first + np.cumsum(steps) - steps
            rows[name] = Rows(
                starts,
                steps,
                np.concatenate(labels),
                np.concatenate(digests),
                np.concatenate(groups) if groups else None,
            )
            first += int(steps.sum())
        file.flush()
        os.fsync(file.fileno())
    return rows


def _write_arrays(folder: Path, rows: Mapping[str, Rows]) -> None:
    for name, dtype in ARRAYS.items():
        arrays = [getattr(part, name) for part in rows.values()]
        if all(array is None for array in arrays):
            continue
        # Only groups may be missing, in some splits or in all of them.
        none = (np.full(len(part.lengths), NO_GROUP) for part in rows.values())
        filled = [a if a is not None else n for a, n in zip(arrays, none, strict=True)]
        joined = np.concatenate(filled).astype(dtype)
        with (folder / f"{name}.npy").open("wb") as file:
            np.save(file, joined, allow_pickle=False)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
