"""Reads NumPy files of labelled sequences.

N sequences, T steps, F features, S the sum of all lengths.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqsweep.data.checks import Array, Layout, as_array, batch_first, check_lengths, label_array
from seqsweep.data.files import RawPart, Stored, existing_file
from seqsweep.data.memory import check_memory
from seqsweep.data.padding import join_padded
from seqsweep.data.raw import make_splits
from seqsweep.data.sequences import Splits
from seqsweep.text import did_you_mean, printable

_OF_A_SPLIT = ("x", "y", "lengths", "ids", "groups", "target")
_ENDS = ("", "_train", "_val", "_test")
_KEYS = {*(key + end for end in _ENDS for key in _OF_A_SPLIT), "class_names", "channel_names"}
_EXPECTED = "X and y, or X_train, y_train, X_test and y_test"

_DAMAGES = (
    zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, MemoryError, ValueError,
    SystemError,
)  # fmt: skip
"""The errors of NumPy for a file that is cut off or changed."""


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


def read(path: str, layout: Layout = "batch_first", test_path: str | None = None) -> Stored:
    """Reads files as `npz` does, but without the checks of `make_splits`."""
    stored = _read(path, layout)
    if test_path is None:
        return stored
    return stored.with_test(_read(test_path, layout), path, test_path)


def _read(path: str, layout: Layout) -> Stored:
    """Reads one .npz file."""
    file = existing_file(path)
    # `np.load` by itself leaves a damaged file open.
    with file.open("rb") as opened:
        if (start := opened.peek(6)[:6])[:2] != b"PK":
            begins = f"it begins with {start!r}"
            raise ValueError(f"{file} is not an .npz file with {_EXPECTED}: {begins}")
        try:
            stored: Any = np.load(opened, allow_pickle=False)
        except _DAMAGES:
            raise ValueError(f"{file} is cut off or damaged; make or copy it again") from None
        # A small file may hold large arrays: zeros are compressed to a thousandth of their size.
        size = sum(entry.file_size for entry in stored.zip.infolist())
        check_memory(size, str(file), "its arrays")
        known = _known_keys(file, stored.files)
        arrays = {small: _read_array(file, stored, key) for small, key in known.items()}
    parts = _parts(file, arrays, ", ".join(map(printable, stored.files)) or "none")
    padded = {name: _padded(part, layout) for name, part in parts.items()}
    unused = [printable(key) for key in stored.files if key not in known.values()]
    notes = (f"{file}: keys not used: {', '.join(unused)}",) if unused else ()
    names = (_names(file, arrays, key) for key in ("class_names", "channel_names"))
    return Stored(padded, *names, notes=notes)


def _read_array(file: Path, stored: Mapping[str, Array], key: str) -> Array:
    """Returns an array of an open .npz file."""
    try:
        array = np.asarray(stored[key])  # other files in the archive come as bytes
        if array.dtype.kind == "U":
            # A text in NumPy may hold numbers that are not characters. Then this line raises.
            "".join(array.ravel().tolist()).encode()
    except _DAMAGES as error:
        problem = "is cut off or damaged; make or copy the file again"
        if "Object arrays" in str(error):
            problem = (
                "holds pickled Python objects, which are never loaded: they can run code; store"
                " numbers or strings, padded, with lengths in a key of its own"
            )
        raise ValueError(f"{file}: key {printable(key)} {problem}") from None
    return array


def _known_keys(file: Path, stored: list[str]) -> dict[str, str]:
    """Maps keys in small letters to the file's keys; refuses likely mistakes."""
    known: dict[str, str] = {}
    labelled = {f"y{end}" for end in _ENDS} & {key.lower() for key in stored}
    keys = {key for key in _KEYS if not (labelled and key.startswith("target"))}
    for key in stored:
        if key.lower() in keys and (other := known.setdefault(key.lower(), key)) != key:
            raise ValueError(f"{file}: there are both {other} and {key}; keep one")
    has_lengths = any(name.startswith("lengths") for name in known)
    for key in sorted(set(stored) - set(known.values())):
        # A key similar to a known key is more likely a mistake than another array.
        hint = did_you_mean(key, keys - set(known), cutoff=0.85)
        # If lengths were ignored, padding would be read as data and silently cost accuracy.
        if not hint and not has_lengths and key.lower().startswith(("len", "seq_len", "mask")):
            hint = "; did you mean 'lengths', (N,) whole numbers? Else give it another name"
        if hint:
            raise ValueError(f"{file}: unknown key {key!r}{hint}")
    return known


def _parts(file: Path, arrays: Mapping[str, Array], found: str) -> dict[str, RawPart]:
    """Returns a file's splits by name; X and y are train.

    Args:
        found: all keys of the file, for messages.
    """
    parts: dict[str, RawPart] = {}
    for end in _ENDS:
        x, y, lengths, ids, groups, targets = (arrays.get(key + end) for key in _OF_A_SPLIT)
        if x is not None:
            where = f"{file} ({end[1:]})" if end else str(file)
            parts[end[1:]] = RawPart(x, y, lengths, where, ids, groups, targets=targets)
        elif y is not None or lengths is not None:
            raise ValueError(f"{file}: key x{end} is missing; found keys {found}")
    # If a file has both X and X_train, it is not clear which array to train on.
    if not parts or ("" in parts and len(parts) > 1):
        raise ValueError(f"{file}: found keys {found}; expected {_EXPECTED}")
    return {name or "train": part for name, part in parts.items()}


def _padded(part: RawPart, layout: Layout) -> RawPart:
    """Returns the part with x (N, T, F), checked lengths, and targets (N, K) or (N, T, K)."""
    x, lengths, where = part.x, part.lengths, part.where
    count = None if part.labels is None else len(label_array(part.labels, where))
    if lengths is not None and layout != "time_first" and x.ndim in (1, 2):
        steps = check_lengths(lengths, lengths.size if count is None else count, None, where)
        if len(x) == steps.sum():
            x, layout = join_padded(x if x.ndim == 2 else x[:, None], steps), "batch_first"
        elif x.ndim == 1 or len(x) != len(steps):
            raise ValueError(
                f"{where}: X has {len(x)} rows; expected {len(steps)} (padded, one for each"
                f" sequence) or {steps.sum()} (one for each step, the sum of lengths)"
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


def _names(file: Path, arrays: Mapping[str, Array], key: str) -> tuple[str, ...] | None:
    """Returns the class_names or channel_names of a file; None if the key is missing."""
    if key not in arrays:
        return None
    names = as_array(arrays[key], key, "USTiu", "strings", str(file))
    if names.ndim != 1:
        raise ValueError(f"{file}: {key} has shape {names.shape}; must be a vector of strings")
    texts = np.char.decode(names, "utf-8") if names.dtype.kind == "S" else names.astype(np.str_)
    return tuple(map(str, texts))
