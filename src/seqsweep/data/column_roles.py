"""Guesses the roles of columns from their cells.

The cells are those of the first S rows of a table.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from itertools import chain, combinations, product
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute

from seqsweep.data.checks import Array, Int64
from seqsweep.data.csv_files import YES_OR_NO, parsed, plain_words, yes_or_no
from seqsweep.data.table_options import FEW_ROWS, Roles, as_list

pc: Any = pyarrow.compute  # the import creates its functions

MOST_BYTES = 1 << 20
"""The bytes of a csv file that are looked at."""

_MOST_CLASSES = 20
"""A column of whole numbers with more distinct values is not proposed as the label."""

_MOST_COLUMNS = 10_000
"""The most columns of a table for which roles are proposed; each takes 0.1 ms."""

_LONG = 20
"""The fewest rows, on average, of a label that changes within a recording."""

_MOST_IDS = 8
"""The most columns of which pairs are tried as the id."""


class SeenColumn(NamedTuple):
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
        self, label: "SeenColumn", others: Sequence["SeenColumn"], step: "SeenColumn | None"
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

    def groups(self, ids: "SeenColumn") -> bool:
        """Returns whether each cell has several ids, as a subject has."""
        several = 2 < len(self.values) <= len(ids.values) // 2
        return several and len(_beside(self, ids).values) == len(ids.values)

    def orders(self, ids: "SeenColumn", least: float = 1.0) -> bool:
        """Returns whether the cells increase within each id, in all steps or most of them."""
        if self.order is None or self.name == ids.name:
            return False
        rows = np.argsort(ids.codes, kind="stable")
        increases = np.diff(self.order[rows])[np.diff(ids.codes[rows]) == 0] > 0
        if increases.all() or not len(increases):
            return True
        return increases.mean() >= least and len(_beside(ids, self).values) == len(rows)


def seen_columns(table: Any) -> list[SeenColumn]:
    """Returns the columns of the first rows of an opened `table_rows.Table`."""
    names, columns = [*dict.fromkeys(table.names)], list[SeenColumn]()
    if len(names) > _MOST_COLUMNS:
        raise ValueError("too many columns")
    plain = {*table.texts, *table.further}
    for name, column in zip(names, table.read([], names).columns, strict=True):
        if table.like.decimal and name not in plain:
            texts = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)
            words = plain_words(column, ".")
            column = words if yes_or_no(column) is not None else column
            with suppress(pa.ArrowInvalid):
                column = parsed(words, table.like.decimal)
        coded = column.combine_chunks().dictionary_encode()
        values = [value for value in coded.dictionary.to_pylist() if value is not None]
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        # A column of numbers with a few wrong cells still counts as numbers.
        is_word = sum(map(_is_word, values)) > len(values) // 2
        # NumPy would give each text the space of the longest.
        kind = object if any(isinstance(value, str) for value in values[:1]) else None
        # Missing cells have the code -1, which selects the last rank.
        ranks = [*np.argsort(np.argsort(np.array(values, dtype=kind))), -1]
        columns.append(SeenColumn(name, codes, values, None if is_word else np.array(ranks)[codes]))
    return columns


def numbers_of(columns: Sequence[SeenColumn]) -> list[SeenColumn]:
    return [column for column in columns if column.order is not None]


def has_no_header(columns: Sequence[SeenColumn], decimal: str) -> bool:
    """Returns whether the first line looks like the other lines."""
    names = [column.name for column in columns]
    if names in ([str(index + first) for index in range(len(names))] for first in (0, 1)):
        return False
    heads = [column.name.replace(decimal, ".") for column in numbers_of(columns)]
    if any(_is_word(head) for head in heads if head.lower() != "nan"):
        return False
    words = [column for column in columns if column.order is None]
    return not words or any(word.name in word.values for word in words)


def _is_word(value: Any) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"\s*[+-]?[\d.]+(e[+-]?\d+)?\s*", value, re.IGNORECASE) is None
    return isinstance(value, bool)


def _beside(*columns: SeenColumn) -> SeenColumn:
    """Returns columns as one, with their rows of cells as its cells."""
    rows, codes = np.unique(np.stack([c.codes for c in columns]), axis=1, return_inverse=True)
    return SeenColumn([c.name for c in columns], codes, [*rows.T], None)


def _names(found: Mapping[str, SeenColumn]) -> set[str]:
    return {name for column in found.values() for name in as_list(column.name)}


def _recordings(
    labels: Sequence[SeenColumn], ids: Sequence[SeenColumn], steps: Sequence[SeenColumn]
) -> dict[str, SeenColumn]:
    """Returns a label that seldom changes within recordings, their id and step; or nothing."""
    rows = len(labels[0].codes) if labels else 0
    whole = SeenColumn("", np.zeros(rows, np.int64), [0], None)  # the only recording
    for label, column in product(labels, [*ids, whole]):
        changes = np.diff(label.codes[np.argsort(column.codes, kind="stable")]) != 0
        few = column is whole or 2 <= len(column.values) <= rows // _LONG
        if not few or column.name == label.name or changes.sum() * _LONG > rows:
            continue
        recording = {"label": label} | ({} if column is whole else {"id": column})
        for step in steps:
            if step.orders(column, least=0.95):
                return recording | {"step": step}
        if column.name == "{id}":  # the rows of a file are in order
            return recording
    return {}


def roles_by_cells(
    columns: Sequence[SeenColumn], roles: Roles, fixed: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Returns options with roles for columns without usual names, and columns to leave out."""
    by_name = {column.name: column for column in columns}
    found = {role: by_name[of[0]] for role, of in roles.columns.items() if not of[1:]}
    # Acceleration has a channel y, which is the label of other tables.
    if "label" not in fixed and "label" in found and not found["label"].is_label():
        del found["label"]
    counters = [by_name[name] for name in roles.features if by_name[name].counts_rows()]
    free = [by_name[name] for name in roles.features if not by_name[name].counts_rows()]
    words = [column for column in free if column.order is None]
    wholes = [column for column in numbers_of(free) if column.is_whole]
    by_size = sorted(words or wholes, key=lambda column: (column.is_flag, len(column.values)))
    labels = [found["label"]] if "label" in found else [c for c in by_size if c.is_label()]
    ids = [found["id"]] if "id" in found else [*words, *wholes]
    # A column such as `subject` usually groups whole recordings. But if the steps increase within
    # each subject, a subject is a single recording.
    steps = [found["step"]] if "step" in found else numbers_of(free)
    group = None if "id" in found else found.get("group")
    if group and len(group.values) < len(group.codes) and any(s.orders(group) for s in steps):
        ids = [group, *ids]
    of_ids = {c.name for c in (found.get("group"), *ids, *words, *wholes) if c}
    few = [column for column in columns if column.name in of_ids][:_MOST_IDS]
    several = [_beside(*pair) for pair in combinations(few, 2)]
    pairs = (
        {"label": label, "id": column}
        for label, column in chain(product(labels, ids), product(labels, several))
        if column.names_sequences(label, [*free, *steps], found.get("step"))
    )
    # Without an id, the label must have words, or be the only column of whole numbers.
    is_clear = labels and free[1:] and (words or not labels[1:])
    by_row = _recordings(labels, [group, *ids] if group else ids, steps)
    found |= next(pairs, by_row or ({"label": labels[0]} if is_clear else {}))
    if "id" in found and "step" not in found and len(found["id"].values) < len(found["id"].codes):
        steps = [c for c in free if c not in found.values() and c.orders(found["id"])]
        found |= {"step": steps[0]} if steps else {}
    if counters and not {"id", "step"} & {*found}:
        found["id"] = counters[0]
    if "id" in found and "group" not in found:
        free_words = [column for column in words if column.name not in _names(found)]
        groups = [column for column in free_words if column.groups(found["id"])]
        found |= {"group": groups[0]} if groups else {}
    left = [column for column in free if column.name not in _names(found)]
    features = [column.name for column in left if column.is_feature]
    new = {role: c.name for role, c in found.items() if as_list(c.name) != roles.columns.get(role)}
    # A column such as `id` is not read beside a path, but it must have one value in each file.
    of_path = [by_name[name] for names in roles.unused.values() for name in names]
    left += [column for column in of_path if len(column.values) > len(by_name["{id}"].values)]
    if not 0 < len(features) < len(left):
        return new, []
    # The remaining columns of words cannot be features, so they are left out.
    return new | {"features": features}, [c.name for c in left if c.name not in features]
