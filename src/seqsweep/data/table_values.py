"""Turns columns of a table into arrays: numbers, or codes of texts.

S rows of a table, F features (channels).
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute

from seqsweep.data.checks import Array, Int64, Mask, check_short, exceeds_float32
from seqsweep.data.conversions import conversion
from seqsweep.data.csv_files import (
    as_numbers,
    day_first,
    first_refused,
    is_text,
    parsed,
    plain_words,
)
from seqsweep.data.table_options import FEW_ROWS, Roles
from seqsweep.data.table_rows import Table
from seqsweep.text import short

pc: Any = pyarrow.compute  # the import creates its functions

_ABSENT = ("", "nan", "NaN")
"""Texts that count as missing labels and ids; pandas may write a missing value as `nan`."""


class Codes(NamedTuple):
    """A column (S,) with the cells `values[codes]`; the code of a missing cell is -1."""

    codes: Int64
    values: Array


class Rows:
    """The rows of a table: feature columns, and columns with a role, such as `label`."""

    def __init__(
        self, table: Table, roles: Roles, unlabelled: Any = None, dayfirst: bool | None = None
    ) -> None:
        self.table = table
        self.roles = roles
        self.dayfirst = dayfirst  # of dates such as 2/3/2026; None asks the dates
        self.unlabelled = () if unlabelled is None else (str(unlabelled), f"{unlabelled}.0")
        # The group may be one of the columns of the id.
        others = dict.fromkeys(name for names in roles.columns.values() for name in names)
        once = [name for names in roles.unused.values() for name in names]
        read = table.read([*roles.features, *roles.targets], [*others], once)
        self._columns = dict(zip(read.column_names, read.columns, strict=True))
        self._count: int = read.num_rows

    def __len__(self) -> int:
        return self._count

    def has(self, role: str) -> bool:
        """Returns whether the table has a column of a role."""
        return role in self.roles.columns

    def error(self, row: int, role: str, text: str) -> ValueError:
        """Returns an error about the cell of a row."""
        column = self.roles.name(role)
        return ValueError(f"{self.table.place(row)}: the {role} (column {column!r}) {text}")

    def check(self, role: str, wrong: Mask, expected: str) -> None:
        """Refuses a column with wrong cells; `wrong` (S,) is True at these."""
        if wrong.any():
            row = int(wrong.argmax())
            text = f"is {self.cell(row, role)!r}; must be {expected}"
            raise self.error(row, role, f"{text}; data.source.{role}=none means no such column")

    def cell(self, row: int, role: str) -> Any:
        """Returns the value of a cell as a Python object; a text for several columns."""
        cells = [self._columns[name][row].as_py() for name in self.roles.columns[role]]
        return "/".join(map(str, cells)) if cells[1:] else cells[0]

    def counters(self) -> list[str]:
        """Returns the features that count rows, from 0 or 1."""
        if self._count < FEW_ROWS:
            return []
        counted, names = self.table.count_rows(), list[str]()
        for name in self.roles.features:
            column = self._columns[name]
            if pa.types.is_boolean(column.type) or not _is_number(column.type):
                continue
            ends = [column[row].as_py() for row in (0, 1)]
            if ends in ([0, 1], [1, 2]) and (column.to_numpy() == ends[0] + counted).all():
                names.append(name)
        return names

    def numbers(self, names: Sequence[str]) -> Array:
        """Returns columns (S, F) as floats; frees them, so a second call fails."""
        x = np.zeros((self._count, len(names)), np.float32)
        for f, name in enumerate(names):  # one by one: a list would be a copy
            values = self._numbers(name, self._columns.pop(name))
            if values.dtype != x.dtype:
                x = x.astype(np.float64, copy=False)
            x[:, f] = values
        pa.default_memory_pool().release_unused()  # otherwise pyarrow keeps the memory
        too_large = exceeds_float32(np.fmin.reduce(x)) | exceeds_float32(np.fmax.reduce(x))
        for f in np.flatnonzero(too_large).tolist():
            row = int(exceeds_float32(x[:, f]).argmax())
            raise ValueError(
                f"{self.table.place(row)}: column {names[f]!r} is {x[row, f]}; must"
                " be a number within float32, or empty where it is missing"
            )
        return x

    def _numbers(self, name: str, column: Any) -> Array:
        """Returns a feature column (S,) in float32 or float64; NaN is a missing cell."""
        kind, types = column.type, pa.types
        if not (_is_number(kind) or types.is_decimal(kind) or types.is_null(kind)):
            where = self.table.where
            if types.is_nested(kind) and (lines := conversion(where, [where], nested=True)):
                raise TypeError(lines)
            raise TypeError(
                f"{self.table.where}: column {name!r} holds {kind}; expected numbers;"
                " data.source.features=[...] chooses the feature columns"
            )
        # Whole numbers of 16 bits also fit into float32.
        fits = types.is_null(kind) or kind.bit_width <= (32 if types.is_floating(kind) else 16)
        target = pa.float32() if fits else pa.float64()
        return (column if kind == target else column.cast(target, safe=False)).to_numpy()

    def codes(self, role: str, may_lack: bool = False) -> Codes:
        """Returns a role's column; refuses missing cells unless it `may_lack` some."""
        names = self.roles.columns[role]
        of_columns = [self._coded(role, name) for name in names]
        codes, values = of_columns[0]
        if of_columns[1:]:
            # Each combination of cells is a value, in the order of the first rows.
            pairs = np.stack([one.codes for one in of_columns], axis=1)
            _, first, index = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
            codes = np.argsort(np.argsort(first))[index]
            codes = np.where((pairs < 0).any(axis=1), -1, codes)
            parts = [one.values[one.codes[np.sort(first)]] for one in of_columns]
            kinds = [(name, of.dtype) for name, of in zip(names, parts, strict=True)]
            values = np.rec.fromarrays(parts, kinds)
        if not may_lack:
            self._check_present(role, codes < 0)
        return Codes(codes, values)

    def _coded(self, role: str, name: str) -> Codes:
        """Returns a column as codes of texts; labels that are numbers stay numbers."""
        column = self._columns[name]
        # Numeric labels keep their type, because it decides the order of the classes.
        is_text = role != "label" or not _is_number(column.type)
        is_cell = self.table.like.decimal and name not in self.table.texts
        try:
            coded = column.dictionary_encode().combine_chunks()
            cells = coded.dictionary.cast(pa.large_string()) if is_text else coded.dictionary
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise TypeError(
                f"{self.table.where}: column {self.roles.name(role)!r} holds {column.type},"
                " which is not readable as text (UTF-8); expected texts or numbers"
            ) from None
        cells = pc.utf8_trim_whitespace(cells) if is_text and is_cell else cells
        # Cells may be equal without their blanks, and a missing number may be NaN.
        numbers: dict[Any, int] = {}
        absent = {*_ABSENT, *(self.unlabelled if role == "label" else ())}
        numbered = [
            -1 if cell is None or cell != cell or str(cell) in absent
            else numbers.setdefault(cell, len(numbers))
            for cell in cells.to_pylist()
        ]  # fmt: skip
        codes = np.array([*numbered, -1])[coded.indices.fill_null(-1).to_numpy()]
        if not is_text:
            return Codes(codes, pa.array([*numbers], cells.type).to_numpy(zero_copy_only=False))
        check_short(numbers, role, self.table.where)
        values = np.array([*numbers], np.str_)
        return Codes(codes, _class_names(values) if role == "label" and is_cell else values)

    def steps(self) -> Array:
        """Returns numbers or dates (S,) that order the rows as the step column does."""
        column = self._columns[self.roles.name("step")]
        if is_text(column.type):
            column = plain_words(column, ".")
        self._check_present("step", column.is_null(nan_is_null=True).to_numpy())
        if pa.types.is_timestamp(column.type):
            return column.to_numpy()
        if pa.types.is_temporal(column.type):
            return pc.rank(column, tiebreaker="dense").to_numpy()
        if is_text(column.type):
            return self._parsed_steps(column)
        if pa.types.is_boolean(column.type) or not _is_number(column.type):
            raise self.error(0, "step", f"{self.cell(0, 'step')} is neither a number nor a date")
        return column.to_numpy()

    def _parsed_steps(self, texts: Any) -> Array:
        """Returns texts (S,) as numbers or dates; refuses a cell that is neither."""
        decimal = self.table.like.decimal
        if (numbers := as_numbers(texts, decimal)) is not None:
            return numbers.to_numpy()
        dayfirst = day_first(texts) if self.dayfirst is None else self.dayfirst
        if dayfirst is None:
            problem = f"{short(self.cell(0, 'step'))} may begin with the day or with the month"
            raise self.error(0, "step", f"{problem}; data.source.dayfirst=true|false says it")
        convert = partial(parsed, decimal=decimal, dayfirst=dayfirst)
        try:
            return convert(texts).to_numpy()
        except pa.ArrowInvalid:
            row = first_refused(texts, convert)
            # The first row sets the kind of all others.
            kind = "of one kind with those above" if row else "as 2026-01-30 23:59:50.5"
            text = f"{short(self.cell(row, 'step'))} must be a number or a date, {kind}"
            raise self.error(row, "step", text) from None

    def _check_present(self, role: str, missing: Mask) -> None:
        """Refuses a column with missing values; `missing` (S,) is True at these."""
        if missing.any():
            others = f" ({missing.sum()} such rows)" if missing.sum() > 1 else ""
            raise self.error(int(missing.argmax()), role, f"is missing{others}")


def _class_names(labels: Array) -> Array:
    """Returns csv labels in the spelling of other sources: `True` for true, `1` for 1.0."""
    texts: list[str] = labels.tolist()
    if texts and {text.lower() for text in texts} <= {"true", "false"}:
        texts = [text.capitalize() for text in texts]
    elif texts and all(re.fullmatch(r"-?\d+\.0+(e\+00)?", text) for text in texts):
        texts = [text.partition(".")[0] for text in texts]
    return np.array(texts, dtype=np.str_)


def _is_number(kind: Any) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
