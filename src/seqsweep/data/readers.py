"""Reads NumPy files of labelled sequences.

N sequences, T steps, F features, S the sum of all lengths.
"""

import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from seqsweep.data.checks import Array, Layout, as_array, batch_first, check_lengths, label_array
from seqsweep.data.files import RawPart, Stored, existing_file
from seqsweep.data.memory import check_memory
from seqsweep.data.padding import join_padded
from seqsweep.data.raw import make_splits
from seqsweep.data.sequences import Splits
from seqsweep.text import did_you_mean, printable

_SPLITS = ("train", "val", "test")
_OF_A_SPLIT = ("x", "y", "lengths", "ids", "groups", "target")
_KEYS = (
    *_OF_A_SPLIT,
    *(f"{key}_{split}" for split in _SPLITS for key in _OF_A_SPLIT),
    "class_names",
    "channel_names",
)
_EXPECTED = "X and y, or X_train, y_train, X_test and y_test"


class _Content(NamedTuple):
    """The content of one .npz file."""

    file: Path
    arrays: dict[str, Array]  # by key in small letters
    found: str  # all keys, for messages
    notes: list[str]


def npz(path: str, layout: Layout = "batch_first", test_path: str | None = None) -> Splits:
    """Reads a NumPy .npz file; pickled arrays are never loaded.

    Keys, in capital or small letters; a padded X needs no `lengths` if all steps are valid:

        X (N, T, F) or (N, T), y (N,), lengths (N,)    one split; X padded
        X (S, F) or (S,), y (N,), lengths (N,)         one split; X one sequence after the other
        X_train, y_train, lengths_train, X_val, ..., X_test, ...    several splits
        class_names (C,), channel_names (F,)           optional strings
        ids (N,), ids_train, ...                       names of the sequences, for predictions
        groups (N,), groups_train, ...                 such as persons; each is in one split
        target (N,) or (N, K), target_train, ...       in a file without y, numbers to predict; or
                                                       (N, T) or (N, T, K), padded as X is

    Args:
        layout: `time_first` if a padded X is (T, N, F) or (T, N), `channels_first` if X is
            (N, F, T).
        test_path: a second file, whose X and y are the test split.
    """
    stored = read(path, layout, test_path)
    if layout == "batch_first" and "train" in stored.parts:
        count, steps, channels = stored.parts["train"].x.shape
        if channels >= 8 * steps > 8:
            shape = f"{count} sequences of {steps} steps with {channels} channels"
            note = f"{path} looks like channels first: {shape}; data.source.layout=channels_first?"
            stored = stored._replace(notes=(*stored.notes, note))
    return make_splits(*stored)


def read(
    path: str, layout: Layout = "batch_first", test_path: str | None = None, labelled: bool = True
) -> Stored:
    """Reads files as `npz` does, but without the checks of `make_splits`.

    Args:
        labelled: False accepts splits without y.
    """
    content = _read(path)
    parts = _parts(content, labelled)
    notes = content.notes
    if test_path is not None:
        if "test" in parts:
            raise ValueError(f"test_path={test_path}, but {path} has a test split; give only one")
        test = _read(test_path)
        (parts["test"],) = _parts(test, labelled=True, only=("", "test")).values()
        for key in ("class_names", "channel_names"):
            # The second file need not repeat the names.
            if key in test.arrays and _names(test, key) != _names(content, key):
                raise ValueError(f"{test.file}: {key} differ from those of {content.file}")
        notes = [*notes, *test.notes]
    padded = {name or "train": _padded(part, layout) for name, part in parts.items()}
    names = (_names(content, key) for key in ("class_names", "channel_names"))
    return Stored(padded, *names, notes=tuple(notes))


def _read(path: str) -> _Content:
    """Reads the arrays of an .npz file that have a known key."""
    file = existing_file(path)
    _check_is_zip(file)
    with file.open("rb") as opened:  # np.load by itself leaves a damaged file open
        try:
            stored = np.load(opened, allow_pickle=False)
        except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError):
            raise ValueError(f"{file} is cut off or damaged; make or copy it again") from None
        # A small file may hold large arrays: zeros are compressed to a thousandth of their size.
        if stored.zip is not None:
            size = sum(entry.file_size for entry in stored.zip.infolist())
            check_memory(size, str(file), "its arrays")
        known = _known_keys(file, stored.files)
        arrays = {small: _read_array(file, stored, key) for small, key in known.items()}
    unused = [printable(key) for key in stored.files if key not in known.values()]
    notes = [f"{file}: keys not used: {', '.join(unused)}"] if unused else []
    return _Content(file, arrays, ", ".join(map(printable, stored.files)) or "none", notes)


def _read_array(file: Path, stored: "np.lib.npyio.NpzFile", key: str) -> Array:
    """Returns an array of an open .npz file."""
    damaged = f"{file}: key {printable(key)} is cut off or damaged; make or copy the file again"
    try:
        array = cast(object, stored[key])
        if isinstance(array, np.ndarray) and array.dtype.kind == "U":
            # A text in NumPy may hold numbers that are not characters. Then this line raises.
            "".join(cast(list[str], array.ravel().tolist())).encode()
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, MemoryError):
        raise ValueError(damaged) from None
    except (ValueError, SystemError) as error:
        if "Object arrays" in str(error):
            raise ValueError(
                f"{file}: key {printable(key)} holds pickled Python objects, which are never"
                " loaded: they can run code; store numbers or strings, padded, with lengths in a"
                " key of its own"
            ) from None
        raise ValueError(damaged) from None
    if not isinstance(array, np.ndarray):  # other files in the archive come as bytes
        raise ValueError(f"{file}: key {printable(key)} is not a NumPy array")
    return cast(Array, array)


def _check_is_zip(file: Path) -> None:
    with file.open("rb") as opened:
        start = opened.read(6)
    # `is_zipfile` alone would accept a zip archive that is hidden at the end of another file.
    if start[:2] != b"PK":
        is_single = start == b"\x93NUMPY"
        begins = "is a single array (.npy)" if is_single else f"begins with {start!r}"
        raise ValueError(f"{file} is not an .npz file with {_EXPECTED}: it {begins}")


def _known_keys(file: Path, stored: list[str]) -> dict[str, str]:
    """Maps keys in small letters to the file's keys; refuses likely mistakes."""
    known: dict[str, str] = {}
    labelled = {"y", *(f"y_{split}" for split in _SPLITS)} & {key.lower() for key in stored}
    keys = {key for key in _KEYS if not (labelled and key.startswith("target"))}
    for key in stored:
        if key.lower() in keys and (other := known.setdefault(key.lower(), key)) != key:
            raise ValueError(f"{file}: there are both {other} and {key}; keep one")
    for key in sorted(set(stored) - set(known.values())):
        # A key similar to a known key is more likely a mistake than another array.
        if hint := did_you_mean(key, keys - set(known), cutoff=0.85):
            raise ValueError(f"{file}: unknown key {key!r}{hint}")
        # If lengths were ignored, padding would be read as data and silently cost accuracy.
        is_suspect = key.lower().startswith(("len", "seq_len", "mask"))
        if is_suspect and not any(name.startswith("lengths") for name in known):
            raise ValueError(
                f"{file}: unknown key {key!r}; did you mean 'lengths', (N,) whole numbers? If it is"
                " something else, give it another name"
            )
    return known


def _parts(
    content: _Content, labelled: bool, only: tuple[str, ...] = ("", *_SPLITS)
) -> dict[str, RawPart]:
    """Returns a file's splits by name, "" for X and y; refuses others than `only`."""
    parts: dict[str, RawPart] = {}
    for split in ("", *_SPLITS):
        keys = [f"{key}_{split}" if split else key for key in _OF_A_SPLIT]
        x, y, lengths, ids, groups, target = (content.arrays.get(key) for key in keys)
        if target is not None and labelled:
            y = np.zeros(len(target if lengths is None else lengths), np.int64)
        if x is None and y is None and lengths is None:
            continue
        if x is None or (y is None and labelled):
            lacking = keys[0 if x is None else 1]
            raise ValueError(
                f"{content.file}: key {lacking} is missing; found keys {content.found}; expected"
                f" {_EXPECTED}"
            )
        where = f"{content.file} ({split})" if split else str(content.file)
        parts[split] = RawPart(x, y, lengths, where, ids, groups, targets=target)
    # If a file has both X and X_train, it is not clear which array to train on.
    if not parts or ("" in parts and len(parts) > 1) or not set(parts) <= set(only):
        expected = _EXPECTED if len(only) > 2 else "X and y of test"
        raise ValueError(f"{content.file}: found keys {content.found}; expected {expected}")
    return parts


def _padded(part: RawPart, layout: Layout) -> RawPart:
    """Returns the part with x (N, T, F), checked lengths, and targets (N, K) or (N, T, K)."""
    x, lengths, where = part.x, part.lengths, part.where
    count = None if part.labels is None else len(label_array(part.labels, where))
    if lengths is not None and layout != "time_first" and x.ndim in (1, 2):
        number = lengths.size if count is None else count
        steps = check_lengths(lengths, number, None, where)
        if len(x) == steps.sum():
            x, layout = join_padded(x if x.ndim == 2 else x[:, None], steps), "batch_first"
        elif x.ndim == 1 or len(x) != number:
            raise ValueError(
                f"{where}: X has {len(x)} rows; expected {number} (padded, one for each sequence)"
                f" or {steps.sum()} (one for each step, the sum of lengths)"
            )
    x = batch_first(x, count, layout, where)
    if lengths is not None:
        lengths = check_lengths(lengths, len(x), x.shape[1], where)
    targets = part.targets
    if targets is not None and lengths is not None and len(targets) == lengths.sum() > len(lengths):
        targets = join_padded(targets, lengths)
    if targets is not None and targets.shape == x.shape[:2]:
        targets = targets[:, :, None]
    return part._replace(x=x, lengths=lengths, targets=targets)


def _names(content: _Content, key: str) -> tuple[str, ...] | None:
    """Returns the class_names or channel_names of a file; None if the key is missing."""
    if key not in content.arrays:
        return None
    where = str(content.file)
    names = as_array(content.arrays[key], key, "USTiu", "strings", where)
    if names.ndim != 1:
        raise ValueError(f"{where}: {key} has shape {names.shape}; must be a vector of strings")
    texts = np.char.decode(names, "utf-8") if names.dtype.kind == "S" else names.astype(np.str_)
    return tuple(map(str, texts))
