"""Assembles sequences from the rows of a table in long or wide form.

S rows, N sequences, T steps, F features (channels).
"""

from typing import Any, NamedTuple

import numpy as np

from seqsweep.data.checks import Array
from seqsweep.data.raw import join_padded
from seqsweep.data.table_values import Codes, Int64, Rows
from seqsweep.data.tables import Form


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


def form_of(rows: Rows) -> Form:
    """Returns the form of a table: long for steps or repeated ids, else wide."""
    if rows.has("length") or not (rows.has("step") or rows.has("id")):
        return "wide"
    if rows.has("step"):
        return "long"
    ids = rows.codes("id", may_lack=True)
    return "long" if len(ids.values) < len(ids.codes) else "wide"


def assemble_long(rows: Rows) -> Assembled:
    """Assembles sequences of a table with a row for each step.

    Raises:
        ValueError: an id or step is missing, or an id has a step twice.
    """
    if not rows.has("id"):
        reason = f"step={rows.roles.columns['step']}" if rows.has("step") else "form=long"
        raise ValueError(
            f"{rows.table.where}: {reason} means a row for each step, but no column names the"
            " sequence; set data.source.id=COLUMN, or data.source.form=wide"
        )
    ids = rows.codes("id")
    order = _order(rows, ids.codes)
    lengths = np.bincount(ids.codes).astype(np.int64)
    x = join_padded(rows.features()[order], lengths)
    first = np.unique(ids.codes, return_index=True)[1]
    return Assembled(x, lengths, first, ids.codes, ids.values)


def _order(rows: Rows, codes: Int64) -> Int64:
    """Returns the order of the rows by sequence and step."""
    if not rows.has("step"):
        return np.argsort(codes, kind="stable")
    steps = rows.steps()
    order = np.lexsort((steps, codes))
    same = (np.diff(codes[order]) == 0) & (steps[order][1:] == steps[order][:-1])
    if same.any():
        position = int(same.argmax())
        first, second = sorted(order[position : position + 2].tolist())
        place, step = rows.table.place, rows.cell(second, "step")
        raise ValueError(
            f"{place(second)}: sequence {rows.cell(second, 'id')!r} has step {step} a second time;"
            f" the first is at {place(first)}"
        )
    return order


def assemble_wide(rows: Rows, shape: tuple[int, int] | None) -> Assembled:
    """Assembles sequences of a table with a row for each.

    Args:
        shape: steps and channels of a row; None for one channel.
    """
    x = rows.features()
    x = x.reshape(len(rows), *(shape or (x.shape[1], 1)))
    lengths = _lengths(rows, x.shape[1]) if rows.has("length") else None
    index = np.arange(len(rows), dtype=np.int64)
    ids = rows.codes("id").texts() if rows.has("id") else None
    return Assembled(x, lengths, index, index, ids)


def _lengths(rows: Rows, longest: int) -> Int64:
    """Returns the number of valid steps of each row."""
    codes, values = rows.codes("length")
    lengths = np.array([_whole(value) for value in values], dtype=np.int64)[codes]
    wrong = (lengths < 1) | (lengths > longest)
    if wrong.any():
        row = int(wrong.argmax())
        text = f"is {rows.cell(row, 'length')!r}; must be a whole number from 1 to {longest}"
        raise rows.error(row, "length", f"{text}; data.source.length=none means no such column")
    return lengths


def _whole(value: Any) -> int:
    """Returns a whole number of at most 18 digits, or 0 for anything else."""
    text = str(value).removesuffix(".0")
    return int(text) if text.isdecimal() and len(text) <= 18 else 0


def per_sequence(rows: Rows, role: str, made: Assembled) -> Codes:
    """Returns a column (N,) that has one value in all rows of a sequence."""
    codes, values = rows.codes(role)
    differs = codes != codes[made.rows][made.of_row]
    if differs.any():
        row = int(differs.argmax())
        sequence = int(made.of_row[row])
        first = int(made.rows[sequence])
        name = "its sequence" if made.ids is None else f"sequence {str(made.ids[sequence])!r}"
        before, value = (repr(str(values[code])) for code in codes[[first, row]])
        place, column = rows.table.place, rows.roles.columns[role]
        raise ValueError(
            f"{place(row)}: {name} has {role} {value} (column {column!r}), but {before} at"
            f" {place(first)}; must be one for a sequence"
        )
    return Codes(codes[made.rows], values)
