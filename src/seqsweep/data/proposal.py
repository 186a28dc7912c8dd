"""Proposes options for a file that could not be read.

The sample has S rows: the first rows of a csv file, or a whole parquet file. The role of a column
is its purpose, such as label, id or step.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from seqsweep.command import with_options
from seqsweep.data.checks import Array, Int64
from seqsweep.data.files import existing_file, unpacked
from seqsweep.data.folders import first_table
from seqsweep.data.table_files import Table, open_table
from seqsweep.data.table_folders import open_tables
from seqsweep.data.tables import CSV_OPTIONS, Roles

_MOST_CLASSES = 20
"""A column of whole numbers with more distinct values is not proposed as the label."""

_MOST_COLUMNS = 10_000
"""The most columns of a table for which roles are proposed; each takes 0.1 ms."""


class _Column(NamedTuple):
    """A column of the sample."""

    name: str
    codes: Int64  # (S,) equal for equal cells
    values: list[Any]  # the different cells, without missing ones
    order: Array | None  # (S,) the ranks of numbers and dates; None for words

    @property
    def is_whole(self) -> bool:
        return all(isinstance(value, (int, float)) and value % 1 == 0 for value in self.values)

    def is_label(self) -> bool:
        """Returns whether cells look like classes: repeated words, or few whole numbers."""
        if self.order is None:
            return 2 <= len(self.values) <= len(self.codes) // 2
        return self.is_whole and 2 <= len(self.values) <= _MOST_CLASSES

    def names_sequences(self, label: "_Column", others: Sequence["_Column"]) -> bool:
        """Returns whether cells look like names of sequences that have one label each."""
        size, rows = len(self.values), len(self.codes)
        pairs = np.unique(np.stack([self.codes, label.codes]), axis=1)
        if size <= len(label.values) or pairs.shape[1] > size:
            return False
        is_word, in_blocks = self.order is None, (np.diff(self.codes) != 0).sum() < size
        if is_word:
            return in_blocks or any(other.orders(self) for other in others)
        return in_blocks and self.is_whole and size <= rows // 2

    def orders(self, ids: "_Column") -> bool:
        """Returns whether the cells increase from row to row within each id."""
        if self.order is None:
            return False
        rows = np.argsort(ids.codes, kind="stable")
        return bool((np.diff(self.order[rows])[np.diff(ids.codes[rows]) == 0] > 0).all())


def with_proposal(error: Exception, path: str, given: Mapping[str, Any]) -> Exception:
    """Returns the error, extended by options that should read the file.

    Args:
        given: the options of the reader; only a reader of texts has `text_column`.
    """
    options: dict[str, Any] = {}
    with suppress(ValueError, TypeError, OSError, pa.ArrowException):
        columns = _columns(open_table(path)) if "text_column" in given else None
        options = _for_texts(columns) if columns else _for_table(path, given)
    # Options that the user has set are not replaced.
    defaults = {key: given.get(key, CSV_OPTIONS.get(key)) for key in options}
    kept = {k: v for k, v in options.items() if defaults[k] == CSV_OPTIONS.get(k) != v}
    message = str(error)
    if kept:
        message = f"{message.partition('; data.source.')[0]}; {with_options(kept)}"
    return (TypeError if isinstance(error, TypeError) else ValueError)(message)


def _for_texts(columns: Sequence[_Column]) -> dict[str, Any]:
    """Returns options: the label has the fewest values, the text (words) has the most."""
    label, *others = sorted(columns, key=lambda column: len(column.values))
    texts = [column.name for column in others if column.order is None]
    return {"text_column": texts[-1], "label_column": label.name} if texts else {}


def _for_table(path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options to read a file or a folder, including the roles of its columns."""
    options = {key: given.get(key, value) for key, value in CSV_OPTIONS.items()}
    file = Path(path).expanduser()
    if is_folder := file.is_dir():
        file /= first_table(file) or ""
    start = unpacked(existing_file(str(file)))[: 1 << 20]
    if start.startswith(b"PAR1"):
        columns = _columns(open_table(str(file)))
    else:
        try:
            start[:-4].decode(options["encoding"])  # the last character may be cut
        except UnicodeError:
            is_utf16 = start[:2] in (b"\xff\xfe", b"\xfe\xff")
            options["encoding"] = "utf-16" if is_utf16 else "latin-1"
        read = {
            sign: _columns(open_table(str(file), **{**options, "decimal": sign}))
            for sign in (options["decimal"], ",")
        }
        options["decimal"] = max(read, key=lambda sign: len(_numbers(read[sign])))
        columns = read[options["decimal"]]
        if options["header"] and _has_no_header(columns, options["decimal"]):
            options["header"] = False
            columns = _columns(open_table(str(file), **options))
    numbers = _numbers(columns)
    texts = [column for column in columns if any(" " in str(value) for value in column.values)]
    # If there are two columns, texts and numbers, the numbers are probably the labels.
    if not numbers or (len(columns) == 2 and len(texts) == 1 and numbers[0].is_label()):
        return {} if is_folder else {"data": "text", **_for_texts(columns)}
    # Users who set features or a form know the columns, so no roles are proposed.
    if any(given.get(key) is not None for key in ("features", "form", "frame", "reshape")):
        return options
    table = open_tables(path, given.get("pattern"), **options)
    return {**options, **_roles(_columns(table), table.choose_roles(given))}


def _numbers(columns: Sequence[_Column]) -> list[_Column]:
    return [column for column in columns if column.order is not None]


def _has_no_header(columns: Sequence[_Column], decimal: str) -> bool:
    """Returns whether the first line looks like the other lines."""
    names = [column.name for column in columns]
    if names in ([str(index + first) for index in range(len(names))] for first in (0, 1)):
        return False
    if any(_is_word(column.name.replace(decimal, ".")) for column in _numbers(columns)):
        return False
    words = [column for column in columns if column.order is None]
    return not words or any(word.name in word.values for word in words)


def _columns(table: Table) -> list[_Column]:
    """Returns the columns of the sample."""
    if len(table.names) > _MOST_COLUMNS:
        raise ValueError("too many columns")
    columns: list[_Column] = []
    for name, column in zip(table.names, table.sample().columns, strict=True):
        coded = column.combine_chunks().dictionary_encode()
        values = [value for value in coded.dictionary.to_pylist() if value is not None]
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        # A column of numbers with a few wrong cells still counts as numbers.
        is_word = sum(map(_is_word, values)) > len(values) // 2
        # NumPy would give each text the space of the longest.
        kind = object if any(isinstance(value, str) for value in values[:1]) else None
        # Missing cells have the code -1, which selects the last rank.
        ranks = [*np.argsort(np.argsort(np.array(values, dtype=kind))), -1]
        columns.append(_Column(name, codes, values, None if is_word else np.array(ranks)[codes]))
    return columns


def _is_word(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\s*[+-]?[\d.]+(e[+-]?\d+)?\s*", value, re.IGNORECASE) is None
    return isinstance(value, bool)


def _roles(columns: Sequence[_Column], roles: Roles) -> dict[str, Any]:
    """Guesses the roles of columns without usual names; returns options."""
    by_name = {column.name: column for column in columns}
    found = {role: by_name[name] for role, name in roles.columns.items()}
    free = [by_name[name] for name in roles.features]
    words = [column for column in free if column.order is None]
    wholes = [column for column in _numbers(free) if column.is_whole]
    by_size = sorted(words or wholes, key=lambda column: len(column.values))
    labels = [found["label"]] if "label" in found else [c for c in by_size if c.is_label()]
    ids = [found["id"]] if "id" in found else [*words, *wholes]
    # A column such as `subject` usually groups whole recordings. But if the steps increase within
    # each subject, a subject is a single recording.
    group, steps = found.get("group"), [found["step"]] if "step" in found else _numbers(free)
    if group and len(group.values) < len(group.codes) and any(s.orders(group) for s in steps):
        ids = [group, *ids]
    pairs = (
        {"label": label, "id": column}
        for label, column in product(labels, ids)
        if column.names_sequences(label, free)
    )
    # Without an id, the label must have words, or be the only column of whole numbers.
    is_clear = labels and free[1:] and (words or not labels[1:])
    found |= next(pairs, {"label": labels[0]} if is_clear else {})
    if "id" in found and "step" not in found and len(found["id"].values) < len(found["id"].codes):
        steps = [c for c in free if c not in found.values() and c.orders(found["id"])]
        found |= {"step": steps[0]} if steps else {}
    left = [column for column in free if column not in found.values()]
    numbers = [column.name for column in _numbers(left)]
    new: dict[str, Any] = {role: c.name for role, c in found.items() if role not in roles.columns}
    # The remaining columns of words cannot be features, so they are left out.
    return new | ({"features": numbers} if 0 < len(numbers) < len(left) else {})
