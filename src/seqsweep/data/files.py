"""Reads sequences from a file of any known format, with or without labels."""

import importlib
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqsweep.data.checks import Layout
from seqsweep.data.paths import existing_file
from seqsweep.data.raw import RawPart
from seqsweep.suggest import listed, nearest_or_all

_READERS = {
    ".npz": "readers",
    ".ts": "ts",
    ".csv": "tables",
    ".csv.gz": "tables",
    ".parquet": "tables",
}
"""The module of this package whose `read` reads files with this ending."""

ENDINGS = tuple(_READERS)

_ARCHIVE = "aeon:"
"""Begins the name of a set of the archive, which is read with the aeon package."""


class Stored(NamedTuple):
    """The content of a file.

    Attributes:
        parts: its splits by name; the only one of a file without splits is `train`. Each x is
            padded: (N, T, F).
        class_names: in the order that the file declares; None where it declares none.
        channel_names: None where the file names no channels.
        notes: a line each for the user of the data.
    """

    parts: dict[str, RawPart]
    class_names: tuple[str, ...] | None = None
    channel_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def read_file(
    path: str | Path, layout: Layout = "batch_first", labelled: bool = True, **options: Any
) -> Stored:
    """Reads a file, whose ending decides the format.

    Args:
        path: the file, or `aeon:NAME`; `~` is the home folder.
        layout: of a padded X in an .npz file, see `npz`.
        labelled: False accepts sequences without labels.
        options: further arguments of the format's reader, such as column names.

    Raises:
        FileNotFoundError: with the nearest names in that folder.
        ValueError, TypeError: what is wrong in which place of the file, or an option that the
            format does not have.
    """
    name = os.path.expanduser(path)
    module, _, function = reader_of(name).rpartition(".")
    read: Callable[..., Stored] = getattr(importlib.import_module(module), function)
    if layout != "batch_first":
        options["layout"] = layout
    parameters = list(inspect.signature(read).parameters)
    check_options(options, parameters, name)
    if "labelled" in parameters:  # a format in which labels cannot lack has no such argument
        options["labelled"] = labelled
    # The name of a set follows the prefix.
    stored = read(name.removeprefix(_ARCHIVE), **options)
    if labelled:
        for part in stored.parts.values():
            part.needed_labels()
    return stored


def reader_of(path: str | Path) -> str:
    """Returns the dotted name of the function that reads a file.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or its ending is not known.
    """
    name = os.path.expanduser(path)
    if name.startswith(_ARCHIVE):
        return _function("aeon_sets")
    lowered = name.lower()
    for ending, module in _READERS.items():
        if lowered.endswith(ending):
            return _function(module)
    existing_file(name)  # a file that is not there is the nearer mistake
    raise ValueError(f"{name}: unknown ending; expected {listed(list(_READERS))}")


def check_options(options: Iterable[str], parameters: Sequence[str], name: str) -> None:
    """Refuses an option that is not among the parameters of a file's reader.

    Args:
        parameters: the first of them takes the path.
    """
    known = set(parameters[1:]) - {"labelled"}
    for key in options:
        if key not in known:
            hint = nearest_or_all(key, known) or "; it has none"
            raise ValueError(f"{key}: no such option to read {name}{hint}")


def _function(module: str) -> str:
    return f"seqsweep.data.{module}.read"
