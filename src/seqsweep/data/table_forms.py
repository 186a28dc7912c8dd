"""Assembles sequences from the rows of a table in long, wide or list form.

S rows, N sequences, T steps, F features (channels).
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from seqsweep.data.checks import Array
from seqsweep.data.raw import join_padded
from seqsweep.data.table_files import Column, Columns, Table
from seqsweep.data.table_names import Roles
from seqsweep.data.table_values import (
    Codes,
    Int64,
    encoded,
    names,
    numbers,
    pc,
    steps,
    texts,
    without_missing,
)

Form = Literal["long", "wide", "lists"]


class Assembled(NamedTuple):
    """The sequences of a table, in the order in which they first appear.

    Attributes:
        x: (N, T, F), padded.
        lengths: (N,); None where all are equal and nothing says otherwise.
        rows: (N,) the first row of each sequence.
        of_row: (S,) the sequence of each row.
        ids: (N,) texts; None where the table has no ids.
    """

    x: Array
    lengths: Int64 | None
    rows: Int64
    of_row: Int64
    ids: Array | None

    def place(self, table: Table, sequence: int) -> str:
        return table.place(int(self.rows[sequence]))


def form_of(table: Table, data: Columns, roles: Roles, given: Form | None, is_wide: bool) -> Form:
    """Returns the form: `lists`, `long` for steps or repeated ids, else `wide`.

    Args:
        is_wide: an argument that only wide tables have is given.
    """
    lists = [name for name in roles.features if table.is_list(name)]
    if lists and len(lists) < len(roles.features):
        other = next(name for name in roles.features if not table.is_list(name))
        raise ValueError(
            f"{table.where}: column {lists[0]!r} holds lists, column {other!r} does not; expected"
            " one kind of feature columns; data.source.features=[...] chooses them"
        )
    if lists and given not in (None, "lists"):
        raise ValueError(f"{table.where}: data.source.form={given}: its features are lists")
    if lists:
        return "lists"
    if given is not None:
        return given
    if is_wide or roles.length is not None:
        return "wide"
    if roles.step is not None:
        return "long"
    if roles.id is None:
        return "wide"
    ids = encoded(texts(table, roles.id, data.column(roles.id)))
    return "long" if len(ids.values) < len(ids.codes) else "wide"


def assemble_long(table: Table, data: Columns, roles: Roles) -> Assembled:
    """Assembles sequences of a table with a row for each step.

    Raises:
        ValueError: an id or step is missing, or an id has a step twice.
    """
    if roles.id is None:
        said = f"step={roles.step}" if roles.step else "form=long"
        raise ValueError(
            f"{table.where}: {said} means a row for each step, but no column names the sequence;"
            " set data.source.id=COLUMN, or data.source.form=wide"
        )
    ids = encoded(texts(table, roles.id, data.column(roles.id)))
    without_missing(table, "id", roles.id, ids.codes)
    order = _order(table, data, roles, ids.codes)
    lengths = np.bincount(ids.codes).astype(np.int64)
    kinds = [numbers(table, name, data.column(name)) for name in roles.features]
    values = np.stack(kinds, axis=1)  # (S, F)
    x = join_padded(values if order is None else values[order], lengths)
    rows = np.unique(ids.codes, return_index=True)[1]
    return Assembled(x, lengths, rows, ids.codes, names(table, roles.id, ids.values))


def _order(table: Table, data: Columns, roles: Roles, codes: Int64) -> Int64 | None:
    """Returns the order of the rows by sequence and step; None if sorted."""
    if roles.step is None:
        is_sorted = bool((codes[1:] >= codes[:-1]).all())
        return None if is_sorted else np.argsort(codes, kind="stable")
    at = steps(table, roles.step, data.column(roles.step))
    order = np.lexsort((at, codes))
    same = (codes[order][1:] == codes[order][:-1]) & (at[order][1:] == at[order][:-1])
    if same.any():
        first, second = order[int(same.argmax())], order[int(same.argmax()) + 1]
        first, second = sorted((int(first), int(second)))
        step = data.column(roles.step)[second].as_py()
        sequence = data.column(str(roles.id))[second].as_py()
        raise ValueError(
            f"{table.place(second)}: sequence {sequence!r} has step {step} a second time; the first"
            f" is at {table.place(first)}"
        )
    return order


def assemble_wide(
    table: Table, data: Columns, roles: Roles, shape: tuple[int, int] | None
) -> Assembled:
    """Assembles sequences of a table with a row for each.

    Args:
        shape: steps and channels of a row; None for one channel.
    """
    count, width = len(data), len(roles.features)
    x = np.stack([numbers(table, name, data.column(name)) for name in roles.features], axis=1)
    x = x.reshape(count, *(shape or (width, 1)))
    lengths = None
    if roles.length is not None:
        lengths = _lengths(table, roles.length, data.column(roles.length), x.shape[1])
    rows = np.arange(count, dtype=np.int64)
    return Assembled(x, lengths, rows, rows, _ids(table, data, roles.id))


def _lengths(table: Table, name: str, column: Column, longest: int) -> Int64:
    """Returns the number of valid steps of each row."""
    codes, values = encoded(texts(table, name, column))
    whole = np.array([_whole(value) for value in values] + [0], dtype=np.int64)
    lengths = whole[codes]  # a missing value has code -1, the last one
    wrong = (lengths < 1) | (lengths > longest)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{table.place(row)}: the length (column {name!r}) is {column[row].as_py()!r}; must be"
            f" a whole number from 1 to {longest}; data.source.length=none means no such column"
        )
    return lengths


def _whole(value: Any) -> int:
    """Returns a whole number of at most 18 digits, or 0 for anything else."""
    text = str(value).removesuffix(".0")
    return int(text) if text.isdecimal() and len(text) <= 18 else 0


def assemble_lists(table: Table, data: Columns, roles: Roles) -> Assembled:
    """Assembles sequences of a table with a list for each channel."""
    first = roles.features[0]
    joined = {name: pa.concat_arrays(data.column(name).chunks) for name in roles.features}
    lengths = _list_lengths(joined[first])
    if (lengths == 0).any():
        row = int((lengths == 0).argmax())
        raise ValueError(f"{table.place(row)}: column {first!r} has no steps")
    channels: list[Array] = []
    for name, lists in joined.items():
        own = _list_lengths(lists)
        if (own != lengths).any():
            row = int((own != lengths).argmax())
            raise ValueError(
                f"{table.place(row)}: column {name!r} has {own[row]} steps, but {first!r} has"
                f" {lengths[row]}; both must be equal"
            )
        flat = pa.chunked_array([pc.list_flatten(lists)])
        channels.append(numbers(_Within(table, lengths), name, flat))
    rows = np.arange(len(lengths), dtype=np.int64)
    x = join_padded(np.stack(channels, axis=1), lengths)
    return Assembled(x, lengths, rows, rows, _ids(table, data, roles.id))


def _list_lengths(lists: Any) -> Int64:
    return pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)


class _Within:
    """The steps of the lists of a table, which names a step by its row."""

    has_text_cells = False

    def __init__(self, table: Table, lengths: Int64) -> None:
        self.where, self.names = table.where, table.names
        self._table, self._ends = table, np.cumsum(lengths)

    def read(self, numbers: Sequence[str], others: Sequence[str]) -> Columns:
        return self._table.read(numbers, others)

    def is_list(self, name: str) -> bool:
        return self._table.is_list(name)

    def place(self, row: int) -> str:
        return self._table.place(int(np.searchsorted(self._ends, row, side="right")))


def _ids(table: Table, data: Columns, name: str | None) -> Array | None:
    """Returns the ids of a table with a row for each sequence, as texts."""
    if name is None:
        return None
    codes, values = encoded(texts(table, name, data.column(name)))
    without_missing(table, "id", name, codes)
    return names(table, name, values)[codes]


def per_sequence(table: Table, data: Columns, role: str, name: str, made: Assembled) -> Codes:
    """Returns a column (N,) that has one value in all rows of a sequence."""
    codes, values = encoded(texts(table, name, data.column(name)))
    own = codes[made.rows]
    differs = codes != own[made.of_row]
    if differs.any():
        row = int(differs.argmax())
        sequence = int(made.of_row[row])
        name_of = (
            f"sequence {str(made.ids[sequence])!r}" if made.ids is not None else "its sequence"
        )
        kept, other = (values[code] if code >= 0 else None for code in (own[sequence], codes[row]))
        raise ValueError(
            f"{table.place(row)}: {name_of} has {role} {_said(other)} (column {name!r}), but"
            f" {_said(kept)} at {made.place(table, sequence)}; must be one for a sequence"
        )
    return Codes(own, values)


def _said(value: object) -> str:
    return "missing" if value is None else repr(str(value))
