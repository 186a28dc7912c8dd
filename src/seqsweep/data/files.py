"""Finds data files, and reads files of every format that the project knows."""

import codecs
import gzip
import importlib
import inspect
import io
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqsweep.command import with_options
from seqsweep.data.checks import Array
from seqsweep.data.conversions import conversion
from seqsweep.data.folders import TABLES, contents, first_table
from seqsweep.data.memory import check_memory
from seqsweep.data.spreadsheets import is_number
from seqsweep.text import did_you_mean, listed, nearest_or_all

_READERS = {".npz": "readers.npz", ".ts": "ts.ts", **dict.fromkeys(TABLES, "tables.table")}
"""The function in seqsweep.data that reads files, by their ending."""

ENDINGS = tuple(_READERS)

ARCHIVE = "aeon:"
"""The prefix that marks a data set of the archives, as in `aeon:GunPoint` (see `aeon_sets`)."""


class RawPart(NamedTuple):
    """One split as read from a file, before `make_sequences` checks it."""

    x: Array
    labels: Array | None  # (N,); None for a file without labels, which only predictions accept
    lengths: Array | None  # (N,); None if every sequence has T steps
    where: str  # the beginning of messages
    ids: Array | None = None  # (N,) the names that the file gives its sequences
    groups: Array | None = None  # (N,) a group is never in two splits
    row_labels: Array | None = None  # (N, T) positions in `row_names`, -1 for a row without label
    row_names: tuple[Any, ...] = ()  # the labels of rows
    label_change: str = ""  # where the labels, or targets, of rows first differ in a sequence
    step: float | None = None  # the usual time from row to row, in seconds for dates
    targets: Array | None = None  # (N, K), or (N, T, K) if rows have their own; all labels are 0
    target_names: tuple[str, ...] = ()  # (K,)

    def needed_labels(self, notes: Iterable[str] = ()) -> Array:
        """Returns the labels (N,), all 0 beside targets; refuses a part without both.

        Args:
            notes: lines on the file, which may say what the labels are called.
        """
        if self.labels is None and self.targets is None:
            needs = "expected y in an .npz file, @classLabel true in a .ts file"
            raise ValueError("; ".join([f"{self.where}: has no labels", needs, *notes]))
        return np.zeros(len(self.x), np.int64) if self.labels is None else self.labels


class Stored(NamedTuple):
    """The content of a data file; names that it does not declare are None."""

    parts: dict[str, RawPart]  # by split, or only `train`; each x is padded (N, T, F)
    class_names: tuple[str, ...] | None = None  # in the declared order
    channel_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()  # lines for the user of the data

    def with_test(self, test: "Stored", path: str, test_path: str) -> "Stored":
        """Returns these splits, and the only split of another file as `test`."""
        if "test" in self.parts or len(test.parts) > 1:
            splits = f"has {listed([*test.parts])}, and {path} has {listed([*self.parts])}"
            raise ValueError(f"data.source.test_path={test_path}: {splits}; give one test split")
        for name in ("class_names", "channel_names"):
            # The second file need not repeat the names.
            if getattr(test, name) not in (None, getattr(self, name)):
                raise ValueError(f"{test_path}: {name} differ from those of {path}")
        parts = self.parts | {"test": next(iter(test.parts.values()))}
        return self._replace(parts=parts, notes=(*self.notes, *test.notes))


def config_of(path: str) -> str | None:
    """Returns the config for a file, such as `npz` for `data=npz`; None if unknown.

    The ending decides. For csv, tsv and txt, the first lines decide between `text` and `csv`.
    A folder has the config of its first table.
    """
    folder = Path(os.path.expanduser(path))
    if path and folder.is_dir():
        table = first_table(folder)
        kind = table and config_of(str(folder / table))
        return "csv" if kind == "text" else kind
    kind = (_ending(path) or ".").split(".")[1]
    if kind in ("csv", "tsv", "txt"):
        return "text" if _holds_texts(path, kind) else "csv"
    return {"dat": "csv", "log": "csv", "npz": "npz", "ts": "ts", "": None}.get(kind, "parquet")


def _holds_texts(path: str, kind: str) -> bool:
    """Returns whether the first lines hold texts to classify, instead of a table of numbers."""
    try:
        start = unpacked(existing_file(path), 1 << 16)[: 1 << 16]
    except (OSError, ValueError):
        return False
    if b"\0" in start and start[:2] not in (b"\xff\xfe", b"\xfe\xff"):  # not UTF-16, so binary
        return False
    content = start.decode("latin-1").replace("\0", "")
    first, *lines = content.splitlines()[:20] or [""]
    if not "".join(lines).strip():  # empty, or a table of many columns
        return False
    if kind != "csv":  # LABEL<TAB>TEXT
        return all(line.count("\t") == 1 and not is_number(line.split("\t")[1]) for line in lines)
    cells = (cell for line in lines for cell in re.split("[,;\t|]", line))
    return "text" in first.lower().split(",") or not any(map(is_number, cells))


def existing_file(path: str) -> Path:
    """Returns the regular file at `path`; an error names similar files."""
    if not path:
        raise ValueError("path is empty; give the path of a file")
    file = Path(os.path.expanduser(path))
    if file.is_dir():
        if lines := conversion(str(file), (path.as_posix() for path in file.rglob("*.*"))):
            raise ValueError(lines)
        hint = "give the path of one file"
        if (data := config_of(path)) in ("csv", "parquet"):
            hint = with_options({"data": data})
        raise ValueError(f"{file} is a folder; {contents(file)}; {hint}")
    if not file.exists():
        here = f"no file {file} (current folder: {Path.cwd()})"
        if not file.parent.is_dir():
            raise FileNotFoundError(f"{here}; there is no folder {file.parent}")
        raise FileNotFoundError(here + did_you_mean(file.name, os.listdir(file.parent)))
    if not file.is_file():  # reading a pipe may never end
        raise ValueError(f"{file} is a pipe or a device; give the path of a regular file")
    return file


def unpacked(file: Path, most: int | None = None) -> bytes:
    """Returns the content of a file, decompressed (gzip), without a byte order mark.

    Args:
        most: the bytes to read, for a look at the file; None reads all.
    """
    if most is None:
        check_memory(file.stat().st_size, str(file), "its bytes")
    with file.open("rb") as opened:
        content = opened.read(most)
    if not content.startswith(b"\x1f\x8b"):
        return content.removeprefix(codecs.BOM_UTF8)
    parts, total = list[bytes](), 0
    try:
        with gzip.open(file if most else io.BytesIO(content)) as stream:
            while (most is None or total < most) and (part := stream.read(1 << 20)):
                parts.append(part)
                total += len(part)
                check_memory(2 * total, str(file), "its decompressed bytes")
    except (EOFError, OSError, zlib.error):
        raise ValueError(f"{file}: is cut off or damaged; make or copy it again") from None
    return b"".join(parts).removeprefix(codecs.BOM_UTF8)


def read_file(path: str | Path, labelled: bool = True, **options: Any) -> Stored:
    """Reads a file in the format that its ending names.

    Args:
        path: the file, or `aeon:NAME`; `~` is the home folder.
        labelled: False accepts sequences without labels.
        options: further arguments of the function that reads the format, such as column names.
    """
    name = os.path.expanduser(path)
    module, _, source = source_of(name).rpartition(".")
    reader: Any = importlib.import_module(module)
    check_options(options, list(inspect.signature(getattr(reader, source)).parameters), name)
    if source == "table":  # whose cells without a label depend on it
        return reader.read(name, labelled=labelled, **options)
    # The reader of an archive expects the name without the prefix.
    stored: Stored = reader.read(name.removeprefix(ARCHIVE), **options)
    for part in stored.parts.values() if labelled else ():
        part._replace(targets=None).needed_labels(stored.notes)  # numbers to predict are not labels
    return stored


def source_of(path: str | Path) -> str:
    """Returns the dotted name of the function that reads a file, for `data.source._target_`."""
    name = os.path.expanduser(path)
    if name.startswith(ARCHIVE):
        return "seqsweep.data.aeon_sets.archive"
    if (ending := _ending(name)) or os.path.isdir(name):
        return f"seqsweep.data.{_READERS[ending or '.csv']}"
    existing_file(name)  # a missing file is the more likely mistake
    if lines := conversion(name, [name]):
        raise ValueError(lines)
    expected = f"expected {listed(ENDINGS)}; save other tables as .csv"
    raise ValueError(f"{name}: unknown ending; {expected}")


def _ending(path: str) -> str | None:
    return next((each for each in ENDINGS if path.lower().endswith(each)), None)


def check_options(options: Iterable[str], parameters: Sequence[str], name: str) -> None:
    """Refuses an option that is not a parameter of the function that reads the file."""
    known = [name for name in parameters[1:] if name != "labelled"]
    for key in options:
        if key not in known:
            hint = nearest_or_all(key, known) or "; it has none"
            raise ValueError(f"{key}: no such option to read {name}{hint}")
