"""Reads NumPy files of labelled sequences.

N sequences, T steps, F features, S the sum of all lengths.
"""

import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from seqsweep.data.checks import (
    Array,
    Layout,
    as_array,
    batch_first,
    channels_first_note,
    check_lengths,
    label_array,
)
from seqsweep.data.files import Stored, existing_file
from seqsweep.data.lists import join_padded
from seqsweep.data.memory import check_memory
from seqsweep.data.raw import RawPart, make_splits
from seqsweep.data.sequences import Splits
from seqsweep.suggest import did_you_mean, printable

_SPLITS = ("train", "val", "test")
_OF_A_SPLIT = ("x", "y", "lengths", "ids")
_KEYS = (
    *_OF_A_SPLIT,
    *(f"{key}_{split}" for split in _SPLITS for key in _OF_A_SPLIT),
    "class_names",
    "channel_names",
)
_LENGTHS = re.compile(r"^len|len(s|gths?)?(_|$)|mask|duration|^(n|num)_?(time_?)?(steps|frames)$")
"""Other names that lengths may have: ignoring such a key would silently cost accuracy."""
_EXPECTED = "X and y, or X_train, y_train, X_test and y_test"


class _Content(NamedTuple):
    """The content of one .npz file.

    Attributes:
        file: its path.
        arrays: the known arrays by key in small letters.
        found: all keys of the file, as text for messages.
        notes: a line for the user where keys are not read.
    """

    file: Path
    arrays: dict[str, Array]
    found: str
    notes: list[str]


def npz(
    path: str,
    layout: Layout = "batch_first",
    test_path: str | None = None,
) -> Splits:
    """Reads a NumPy .npz file; pickled arrays are never loaded.

    Keys, capital or small, with `lengths` optional throughout:

        X (N, T, F) or (N, T), y (N,), lengths (N,)    one split; X padded
        X (S, F) or (S,), y (N,), lengths (N,)         one split; X one sequence after the other
        X_train, y_train, lengths_train, X_val, ..., X_test, ...    several splits
        class_names (C,), channel_names (F,)           optional strings
        ids (N,), ids_train, ...                       names of the sequences, for predictions

    Args:
        path: the file; `~` is the home folder.
        layout: `time_first` where a padded X is (T, N, F) or (T, N), `channels_first` where it is
            (N, F, T).
        test_path: a second file, whose X and y are the test split.

    Raises:
        FileNotFoundError: with the nearest names in that folder.
        ValueError, TypeError: what is wrong with which key of which file.
    """
    return make_splits(*_stored(path, layout, test_path, is_for_training=True))


def read(
    path: str, layout: Layout = "batch_first", test_path: str | None = None, labelled: bool = True
) -> Stored:
    """Reads a file as `npz` does, alone and with its ids.

    Args:
        labelled: False accepts splits without y.
    """
    return _stored(path, layout, test_path, labelled)


def _stored(
    path: str,
    layout: Layout,
    test_path: str | None,
    labelled: bool = True,
    is_for_training: bool = False,
) -> Stored:
    """Reads one or two files.

    Args:
        is_for_training: a split train must be there, and ids are not read: a run must not fail on
            ids that cannot be read.
    """
    content = _read(path, with_ids=not is_for_training)
    parts = {split or "train": part for split, part in _parts(content, labelled).items()}
    if not parts or (is_for_training and "train" not in parts):
        raise ValueError(f"{content.file}: found keys {content.found}; expected {_EXPECTED}")
    notes = content.notes
    if test_path is not None:
        test = _read(test_path)
        parts["test"] = _test_part(test, content, parts)
        notes = [*notes, *test.notes]
    padded = {split: _padded(part, layout) for split, part in parts.items()}
    if is_for_training and layout == "batch_first" and parts["train"].x.ndim == 3:
        notes = [*notes, *channels_first_note(padded["train"].x, path)]
    class_names, channel_names = (_names(content, f"{key}_names") for key in ("class", "channel"))
    return Stored(padded, class_names, channel_names, tuple(notes))


def _read(path: str, with_ids: bool = False) -> _Content:
    """Reads the known arrays of an .npz file once."""
    file = existing_file(path)
    _check_is_zip(file)
    arrays: dict[str, Array] = {}
    with file.open("rb") as opened:  # np.load by itself leaves a damaged file open
        try:
            stored = np.load(opened, allow_pickle=False)
        except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError):
            raise ValueError(f"{file} is cut off or damaged; make or copy it again") from None
        # Compressed zeros take a thousandth of their space.
        if stored.zip is not None:
            size = sum(entry.file_size for entry in stored.zip.infolist())
            check_memory(size, str(file), "its arrays")
        known = _known_keys(file, stored.files)
        for small, key in known.items():
            if small.startswith("ids") and not with_ids:
                continue
            arrays[small] = _read_array(file, stored, key)
        unused = [printable(key) for key in stored.files if key not in known.values()]
        notes = [f"{file}: keys not used: {', '.join(unused)}"] if unused else []
        return _Content(file, arrays, ", ".join(map(printable, stored.files)) or "none", notes)


def _read_array(file: Path, stored: "np.lib.npyio.NpzFile", key: str) -> Array:
    """Returns an array of an open .npz file.

    Raises:
        ValueError: it is damaged, or not an array of plain values.
    """
    damaged = f"{file}: key {printable(key)} is cut off or damaged; make or copy the file again"
    try:
        array = cast(object, stored[key])
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, MemoryError):
        raise ValueError(damaged) from None
    except ValueError as error:
        if "Object arrays" in str(error):
            raise ValueError(
                f"{file}: key {printable(key)} holds pickled Python objects, which are never"
                " loaded: they can run code; store numbers or strings, padded, with lengths in a"
                " key of its own"
            ) from None
        raise ValueError(damaged) from None
    if not isinstance(array, np.ndarray):  # other files in the archive come as bytes
        raise ValueError(f"{file}: key {printable(key)} is not a NumPy array")
    if array.dtype.kind == "U" and not _are_characters(cast(Array, array)):
        raise ValueError(damaged)
    return cast(Array, array)


def _are_characters(texts: Array) -> bool:
    """Returns whether texts hold only characters: Python cannot make a string of other numbers."""
    if texts.size == 0 or texts.itemsize == 0:
        return True
    native = np.ascontiguousarray(texts, dtype=texts.dtype.newbyteorder("="))
    points = native.reshape(-1).view(np.uint32)
    return not ((points > 0x10FFFF) | ((points >= 0xD800) & (points <= 0xDFFF))).any()


def _check_is_zip(file: Path) -> None:
    with file.open("rb") as opened:
        start = opened.read(6)
    # `is_zipfile` alone would accept a zip archive that is hidden at the end of another file.
    if start[:2] == b"PK" and zipfile.is_zipfile(file):
        return
    if start == b"\x93NUMPY":
        raise ValueError(f"{file} is a single array (.npy); expected an .npz with {_EXPECTED}")
    if start[:2] == b"PK":
        raise ValueError(f"{file} is cut off or damaged; make or copy it again")
    begins = f"begins with {start!r}" if start else "is empty"
    raise ValueError(f"{file} is not an .npz file: it {begins}")


def _known_keys(file: Path, stored: list[str]) -> dict[str, str]:
    """Maps keys in small letters to stored keys; refuses likely mistakes.

    These are misspelt keys, and keys that seem to hold lengths under another name.
    """
    known: dict[str, str] = {}
    for key in stored:
        if key.lower() in _KEYS and (other := known.setdefault(key.lower(), key)) != key:
            raise ValueError(f"{file}: there are both {other} and {key}; keep one")
    has_lengths = any(key.startswith("lengths") for key in known)
    for key in sorted(set(stored) - set(known.values())):
        # A similar name is refused instead of ignored: it is more likely a mistake than another
        # array.
        hint = did_you_mean(key, set(_KEYS) - set(known), cutoff=0.85)
        if hint:
            raise ValueError(f"{file}: unknown key {key!r}{hint}")
        if not has_lengths and _LENGTHS.search(key.lower()):
            how = f"{key}.sum(axis=1)" if "mask" in key.lower() else "whole numbers"
            raise ValueError(
                f"{file}: unknown key {key!r}; did you mean 'lengths'? Store them as lengths, (N,)"
                f" {how}; if they are something else, give the key another name"
            )
    return known


def _parts(stored: _Content, labelled: bool = True) -> dict[str, RawPart]:
    """Returns the splits of a file by name; plain X and y are named ""."""
    parts: dict[str, RawPart] = {}
    for split in ("", *_SPLITS):
        keys = [f"{key}_{split}" if split else key for key in _OF_A_SPLIT]
        x, y, lengths, ids = (stored.arrays.get(key) for key in keys)
        if x is None and y is None and lengths is None:
            continue
        if x is None or (y is None and labelled):
            lacking = keys[0 if x is None else 1]
            raise ValueError(
                f"{stored.file}: key {lacking} is missing; found keys {stored.found}; expected"
                f" {_EXPECTED}"
            )
        where = f"{stored.file} ({split})" if split else str(stored.file)
        parts[split] = RawPart(x, y, lengths, where, ids)
    # X beside X_train: it is not clear which one to train on.
    if "" in parts and len(parts) > 1:
        raise ValueError(f"{stored.file}: found keys {stored.found}; expected either {_EXPECTED}")
    return parts


def _test_part(test: _Content, train: _Content, parts: Mapping[str, RawPart]) -> RawPart:
    """Returns the only split of the file given as test_path."""
    if "test" in parts:
        raise ValueError(f"test_path={test.file}, but {train.file} has a test split; give only one")
    test_parts = _parts(test)
    if set(test_parts) not in ({""}, {"test"}):
        raise ValueError(f"{test.file}: found keys {test.found}; expected X and y of test")
    for key in ("class_names", "channel_names"):
        # The second file need not repeat the names, but other names would be other classes or
        # channels.
        if key in test.arrays and _names(test, key) != _names(train, key):
            raise ValueError(f"{test.file}: {key} differ from those of {train.file}")
    return next(iter(test_parts.values()))


def _padded(part: RawPart, layout: Layout) -> RawPart:
    """Returns the part with x as (N, T, F)."""
    x, lengths, where = part.x, part.lengths, part.where
    count = None if part.labels is None else len(label_array(part.labels, where))
    if lengths is not None and layout != "time_first" and x.ndim in (1, 2):
        number = lengths.size if count is None else count
        steps = check_lengths(lengths, number, None, where)
        if len(x) == steps.sum():
            x = join_padded(x if x.ndim == 2 else x[:, None], steps)
            return part._replace(x=x, lengths=steps)
        if x.ndim == 1 or len(x) != number:
            raise ValueError(
                f"{where}: X has {len(x)} rows; expected {number} (padded, one for each sequence)"
                f" or {steps.sum()} (one for each step, the sum of lengths)"
            )
    if count is None:
        count = (*x.shape, 0, 0)[layout == "time_first"]
    x = batch_first(x, count, layout, where)
    if lengths is not None:
        others = x.shape[2] if layout == "batch_first" else 0
        lengths = check_lengths(lengths, count, x.shape[1], where, channels=others)
    return part._replace(x=x, lengths=lengths)


def _names(stored: _Content, key: str) -> tuple[str, ...] | None:
    """Returns class_names or channel_names of a file; None where it has none."""
    if key not in stored.arrays:
        return None
    where = str(stored.file)
    names = as_array(stored.arrays[key], key, "USTiu", "strings", where)
    if names.ndim != 1:
        raise ValueError(f"{where}: {key} has shape {names.shape}; must be a vector of strings")
    texts = np.char.decode(names, "utf-8") if names.dtype.kind == "S" else names.astype(np.str_)
    return tuple(map(str, texts))
