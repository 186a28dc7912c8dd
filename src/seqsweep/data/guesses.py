"""Guesses options for a file that could not be read, from its first S rows."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute

from seqsweep.command import quoted_value, with_options
from seqsweep.data.checks import Array, Int64
from seqsweep.data.csv_files import YES_OR_NO, parsed, plain_words, yes_or_no
from seqsweep.data.files import existing_file, unpacked
from seqsweep.data.folders import first_table
from seqsweep.data.table_options import CSV_OPTIONS, FEW_ROWS, ROLES, Roles, as_list
from seqsweep.data.table_rows import open_table
from seqsweep.errors import Proposal
from seqsweep.text import listed

pc: Any = pyarrow.compute  # the import creates its functions

_MOST_CLASSES = 20
"""A column of whole numbers with more distinct values is not proposed as the label."""

_MOST_COLUMNS = 10_000
"""The most columns of a table for which roles are proposed; each takes 0.1 ms."""

_MOST_BYTES = 1 << 20
"""The bytes of a csv file that are looked at."""

_MOST_IDS = 8
"""The most columns of which pairs are tried as the id."""

_DROPPED = "left out"
"""The key of the columns that proposed features do not have."""


class _Column(NamedTuple):
    """A column of the first rows."""

    name: Any  # a list for an id of several columns
    codes: Int64  # (S,) equal for equal cells
    values: list[Any]  # the different cells, without missing ones
    order: Array | None  # (S,) the ranks of numbers and dates; None for words

    @property
    def is_flag(self) -> bool:
        return all(str(value).strip().lower() in YES_OR_NO for value in self.values)

    @property
    def is_feature(self) -> bool:
        is_date = any(isinstance(value, date) for value in self.values[:1])
        return self.is_flag or (self.order is not None and not is_date)

    def counts_rows(self) -> bool:
        """Returns whether the cells are 0, 1, 2 ... or 1, 2, 3 ..."""
        rows = len(self.codes)
        return rows >= FEW_ROWS and any(self.values == [*range(n, n + rows)] for n in (0, 1))

    @property
    def is_whole(self) -> bool:
        return all(isinstance(value, (int, float)) and value % 1 == 0 for value in self.values)

    def is_label(self) -> bool:
        """Returns whether cells look like classes: repeated words, or few whole numbers."""
        if self.order is None:
            return 2 <= len(self.values) <= len(self.codes) // 2
        return self.is_whole and 2 <= len(self.values) <= _MOST_CLASSES

    def names_sequences(
        self, label: "_Column", others: Sequence["_Column"], step: "_Column | None"
    ) -> bool:
        """Returns whether cells look like names of sequences with one label, and steps once."""
        size, rows = len(self.values), len(self.codes)
        if size <= len(label.values) or len(_beside(self, label).values) > size:
            return False
        if step and len(_beside(self, step).values) < rows:
            return False
        if isinstance(self.name, list) and (label.name in self.name or size > rows // 2):
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


def with_proposal(
    error: Exception,
    path: str,
    given: Mapping[str, Any],
    read: Callable[[Mapping[str, Any]], object],
) -> Exception:
    """Returns the error, extended by options that read the file.

    Args:
        given: the options of the reader; only a reader of texts has `text_column`.
        read: reads the file with further options, unless these say that it holds texts.
    """
    options: dict[str, Any] = {}
    with suppress(ValueError, TypeError, OSError, LookupError, pa.ArrowException):
        columns = _columns(path, {}) if "text_column" in given else None
        options = _for_texts(columns) if columns else _for_table(path, given)
    dropped = options.pop(_DROPPED, [])
    # Options that the user has set are not replaced.
    kept = {
        key: value
        for key, value in options.items()
        if given.get(key, CSV_OPTIONS.get(key)) == CSV_OPTIONS.get(key) != value
    }
    fact, failed = str(error).partition("; data.source.")[0], None
    attempts = [kept] if kept else []
    if given.get("totals", "error") == "error":
        attempts.append(kept | {"totals": "drop"})
    for proposed in attempts:
        try:
            if "data" not in proposed:
                read(proposed)
        except (ValueError, TypeError) as another:
            failed = failed or another
        else:
            left_out = f"; left out: {listed(dropped)}" if dropped else ""
            return Proposal(f"{fact}{left_out}", proposed, with_options(proposed))
    kind = TypeError if isinstance(error, TypeError) else ValueError
    if failed and {*kept} & {*CSV_OPTIONS}:  # these are needed in any case
        words = " ".join(f"{key}={quoted_value(value)}" for key, value in kept.items())
        return kind(f"{fact}; with {words}: {failed}")
    return kind(str(error))


def _for_texts(columns: Sequence[_Column]) -> dict[str, Any]:
    """Returns options: the label has the fewest values, the text (words) has the most."""
    label, *others = sorted(columns, key=lambda column: len(column.values))
    texts = [column.name for column in others if column.order is None and len(label.values) > 1]
    return {"text_column": texts[-1], "label_column": label.name} if texts else {}


def _for_table(path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options to read a file or a folder, including the roles of its columns."""
    file = Path(path).expanduser()
    if is_folder := file.is_dir():
        file /= first_table(file) or ""
    start = unpacked(existing_file(str(file)))[:_MOST_BYTES]
    options = {} if start.startswith(b"PAR1") else _for_csv(str(file), start, given)
    columns = _columns(str(file), options)
    numbers = _numbers(columns)
    texts = [column for column in columns if any(" " in str(value) for value in column.values)]
    # If there are two columns, texts and numbers, the numbers are probably the labels.
    if not numbers or (len(columns) == 2 and len(texts) == 1 and numbers[0].is_label()):
        is_table = is_folder or any(value != CSV_OPTIONS.get(key) for key, value in given.items())
        return {} if is_table else {"data": "text", **_for_texts(columns)}
    # Users who set features or a form know the columns, so no roles are proposed.
    if any(given.get(key) is not None for key in ("features", "form", "frame", "reshape")):
        return options
    roles = open_table(path, pattern := given.get("pattern"), **options).choose_roles(given)
    fixed = [role for role in ROLES if given.get(role) is not None]
    return {**options, **_roles(_columns(path, options, pattern), roles, fixed)}


def _for_csv(file: str, start: bytes, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options with which a csv file has the most columns of numbers."""
    options = {key: given.get(key, value) for key, value in CSV_OPTIONS.items()}
    try:
        start[:-4].decode(options["encoding"])  # the last character may be cut
    except UnicodeError:
        is_utf16 = start[:2] in (b"\xff\xfe", b"\xfe\xff")
        options["encoding"] = "utf-16" if is_utf16 else "latin-1"
    signs = (options["decimal"], ",")
    read = {sign: _columns(file, options | {"decimal": sign}) for sign in signs}
    options["decimal"] = max(read, key=lambda sign: len(_numbers(read[sign])))
    if options["header"] and _has_no_header(read[options["decimal"]], options["decimal"]):
        options["header"] = False
    return options


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


def _columns(
    path: str, csv_options: Mapping[str, Any], pattern: str | None = None
) -> list[_Column]:
    """Returns the columns of the first rows; an empty `csv_options` is for parquet and texts."""
    options = {**csv_options, "totals": "drop"} if csv_options else {}
    table = open_table(path, pattern, _MOST_BYTES, **options)
    names, columns = [*dict.fromkeys(table.names)], list[_Column]()
    if len(names) > _MOST_COLUMNS:
        raise ValueError("too many columns")
    for name, column in zip(names, table.read([], names).columns, strict=True):
        if table.like.decimal and name not in table.texts:
            texts = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)
            words = plain_words(column, table.like.decimal)
            column = words if yes_or_no(column) is not None else column
            with suppress(pa.ArrowInvalid):
                column = parsed(words)
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


def _beside(*columns: _Column) -> _Column:
    """Returns columns as one, with their rows of cells as its cells."""
    rows, codes = np.unique(np.stack([c.codes for c in columns]), axis=1, return_inverse=True)
    return _Column([c.name for c in columns], codes, [*rows.T], None)


def _roles(columns: Sequence[_Column], roles: Roles, fixed: Sequence[str]) -> dict[str, Any]:
    """Guesses the roles of columns without usual names; returns options."""
    by_name = {column.name: column for column in columns}
    found = {role: by_name[of[0]] for role, of in roles.columns.items() if not of[1:]}
    # Acceleration has a channel y, which is the label of other tables.
    if "label" not in fixed and "label" in found and not found["label"].is_label():
        del found["label"]
    counters = [by_name[name] for name in roles.features if by_name[name].counts_rows()]
    free = [by_name[name] for name in roles.features if not by_name[name].counts_rows()]
    words = [column for column in free if column.order is None]
    wholes = [column for column in _numbers(free) if column.is_whole]
    by_size = sorted(words or wholes, key=lambda column: (column.is_flag, len(column.values)))
    labels = [found["label"]] if "label" in found else [c for c in by_size if c.is_label()]
    ids = [found["id"]] if "id" in found else [*words, *wholes]
    # A column such as `subject` usually groups whole recordings. But if the steps increase within
    # each subject, a subject is a single recording.
    group, steps = found.get("group"), [found["step"]] if "step" in found else _numbers(free)
    if group and len(group.values) < len(group.codes) and any(s.orders(group) for s in steps):
        ids = [group, *ids]
    of_ids = {column.name for column in (group, *ids, *words, *wholes) if column}
    few = [column for column in columns if column.name in of_ids][:_MOST_IDS]
    several = [_beside(*pair) for pair in combinations(few, 2)]
    pairs = (
        {"label": label, "id": column}
        for label, column in chain(product(labels, ids), product(labels, several))
        if column.names_sequences(label, [*free, *steps], found.get("step"))
    )
    # Without an id, the label must have words, or be the only column of whole numbers.
    is_clear = labels and free[1:] and (words or not labels[1:])
    found |= next(pairs, {"label": labels[0]} if is_clear else {})
    if "id" in found and "step" not in found and len(found["id"].values) < len(found["id"].codes):
        steps = [c for c in free if c not in found.values() and c.orders(found["id"])]
        found |= {"step": steps[0]} if steps else {}
    if counters and not {"id", "step"} & {*found}:
        found["id"] = counters[0]
    taken = {
        name for c in found.values() for name in ([c.name] if isinstance(c.name, str) else c.name)
    }
    left = [column for column in free if column.name not in taken]
    features = [column.name for column in left if column.is_feature]
    new = {role: c.name for role, c in found.items() if as_list(c.name) != roles.columns.get(role)}
    if not 0 < len(features) < len(left):
        return new
    # The remaining columns of words cannot be features, so they are left out.
    return new | {"features": features, _DROPPED: [c.name for c in left if not c.is_feature]}
