"""Opens csv and parquet files as tables, and finds the lines of their rows.

pyarrow parses the files. It has no types for a type checker, so its tables are Any here. A table
reads only columns that are features or have a role (see `tables`); a sample has all columns.
"""

import csv
import itertools
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from seqsweep.data.checks import Int64
from seqsweep.data.files import existing_file, unpacked
from seqsweep.data.lists import check_memory
from seqsweep.data.spreadsheets import (
    FILLED_LINE,
    LINE_END,
    cells_of,
    delimiter_of,
    lines_above,
    start_of_totals,
)
from seqsweep.data.tables import CSV_OPTIONS, Roles, Totals, choose_roles
from seqsweep.text import count, listed, short

pc: Any = pyarrow.compute  # the import creates its functions

_ROW = re.compile(rb'(?:[^"\r\n]+|"[^"]*")+')  # a quoted cell may hold ends of lines
_MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "#N/A")
"""Texts that mean a missing number. All but the empty text, nan and NaN may be labels."""

YES_OR_NO = {"true": 1.0, "yes": 1.0, "1": 1.0, "false": 0.0, "no": 0.0, "0": 0.0}
"""The numbers of cells in small letters, in columns with TRUE and FALSE, or yes and no."""

YES_OR_NO_NOTE = "TRUE and yes are read as 1, FALSE and no as 0"

_INVALID = re.compile(r"column #(\d+):.* error to double: invalid value '([^']*)'")


@dataclass
class Table:
    """A table of typed columns: a parquet file or a DataFrame."""

    where: str  # the file's name, for messages
    names: list[str]
    # Reads the columns of two lists, features and others, in this order.
    read: Callable[[Sequence[str], Sequence[str]], Any]
    notes: list[str] = field(default_factory=list[str])
    # For a folder: a text for each file, by the column that holds them, such as `{label}`.
    texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    has_text_cells = False
    decimal = "."

    def sample(self) -> Any:
        """Returns rows for a look at the columns: here all rows."""
        return self.read(self.names, [])

    def choose_roles(self, wanted: Mapping[str, Any]) -> Roles:
        """Returns the roles of columns; see `tables.choose_roles`."""
        return choose_roles(self.where, self.names, wanted)

    def counted(self, rows: int) -> Int64:
        """Returns the numbers of rows, from 0 in each file."""
        return np.arange(rows)

    def place(self, row: int) -> str:
        """Returns the place of a row, counted from 0, for messages."""
        return f"{self.where}: row {row}"


def open_table(path: str, **csv_options: Any) -> Table:
    """Opens a csv or parquet file; the content decides the format."""
    file = existing_file(path)
    with file.open("rb") as opened:
        start = opened.read(4)
    if start != b"PAR1":
        return CsvTable(file, **csv_options)
    for key, value in csv_options.items():
        if value != CSV_OPTIONS[key]:
            raise ValueError(f"data.source.{key}={value!r}: {file} is a parquet file")
    return _parquet_table(file)


def _parquet_table(file: Path) -> Table:
    where = str(file)
    with _damage_named(where):
        names = parquet.read_schema(file).names

    def read(numbers: Sequence[str], others: Sequence[str]) -> Any:
        columns = [*numbers, *others]
        # With run-length encoding, a file may hold any number of rows in a few bytes.
        with _damage_named(where), parquet.ParquetFile(file) as opened:
            _check_size(where, opened.metadata.num_rows, len(columns))
            table = opened.read(columns=columns).select(columns)
            table.validate(full=True)  # also finds texts that are not UTF-8
        return table

    return Table(where, names, read)


@contextmanager
def _damage_named(where: str) -> Generator[None]:
    """Turns an error of pyarrow in the block into a ValueError that names the file."""
    try:
        yield
    except MemoryError:  # includes ArrowMemoryError
        raise
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{where}: is cut off or damaged; make or copy it again (pyarrow: {reason})"
        ) from None


class CsvTable(Table):
    """A csv file with cells of text; see `tables.table` for the options."""

    has_text_cells = True

    def __init__(
        self,
        file: Path,
        delimiter: str | None = None,
        decimal: str = ".",
        encoding: str = "utf-8",
        header: bool = True,
        skip_rows: int | None = None,
        totals: Totals = "error",
    ) -> None:
        self._file = file
        self.decimal, self._encoding, self._header = decimal, encoding, header
        self._delimiter, self._totals, self._skipped = delimiter or "", totals, skip_rows
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise ValueError(f"data.source.delimiter={delimiter!r}: must be one character")
        if skip_rows is not None and skip_rows < 0:
            raise ValueError(f"data.source.skip_rows={skip_rows}: must be at least 0")
        content = self._text()
        first = FILLED_LINE.search(content)
        if first is None:
            raise ValueError(f"{file}: is empty; expected a line with the names of the columns")
        line = first[0].decode("utf-8", "backslashreplace")
        self._delimiter = delimiter or delimiter_of(line)
        self._unread: bytes | None = self._text() if self._delimiter == " " else content
        if line.encode() != first[0]:
            raise ValueError(f"{file}: {short(line)} is not UTF-8; save the file as UTF-8")
        try:
            cells = cells_of(line, self._delimiter)
        except csv.Error:  # a cell of more than 128 KiB
            raise ValueError(f"{file}: {short(line)} is not a line of names") from None
        names = cells if header else [*map(str, range(len(cells)))]
        super().__init__(str(file), names, self._parse)
        if self._skipped and skip_rows is None:
            lines = count(self._skipped, "line")
            self.notes.append(f"{file}: the table begins below {lines} (skip_rows={self._skipped})")

    def _parse(self, numbers: Sequence[str], others: Sequence[str]) -> Any:
        """Reads columns by their names: `numbers` as float64, `others` as text."""
        columns = [*numbers, *others]
        content = self._without_totals(self._read(), has_numbers=bool(numbers))
        _check_size(self.where, max(map(content.count, (b"\n", b"\r"))), len(columns))
        # A column is called by its position in the file, because names may occur twice.
        position = {name: str(index) for index, name in enumerate(self.names)}
        kinds = {position[name]: pa.float64() for name in numbers}
        kinds |= {position[name]: pa.string() for name in others}
        problems = dict[str, str]()
        while True:
            try:
                table = self._table(content, kinds)
                break
            except pa.ArrowInvalid as error:
                found = _INVALID.search(str(error))
                if found is None or found[2].strip().lower() not in YES_OR_NO:
                    self._raise_with_line(str(error))
                # The column is read again as texts, which become numbers below.
                kinds[found[1]], problems[found[1]] = pa.string(), str(error)
        for index, problem in problems.items():
            if (values := yes_or_no(table[index])) is None:
                self._raise_with_line(problem)
            table = table.set_column(table.column_names.index(index), index, values)
        if problems:
            names = [self.names[int(index)] for index in problems]
            self.notes.append(f"{self.where}: {listed(names)}: {YES_OR_NO_NOTE}")
        return table.rename_columns(columns)

    def _without_totals(self, content: bytes, has_numbers: bool) -> bytes:
        """Returns the content without its last rows if these are totals; may refuse them."""
        is_error = self._totals == "error"
        if self._totals == "keep" or (is_error and not has_numbers):  # a text may be called total
            return content
        start = start_of_totals(content, self._delimiter, must_say=is_error)
        if start == len(content):
            return content
        line = content[start:].decode("utf-8", "replace").strip()
        if self._totals == "drop":
            self.notes.append(f"{self.where}: not read, as totals: {short(line)}")
            return content[:start]
        raise ValueError(
            f"{self.where}:{len(LINE_END.findall(content[:start])) + 1}: {short(line)} is not"
            " a row of the table; data.source.totals=drop leaves it out, totals=keep does not"
        )

    def sample(self) -> Any:
        """Returns the rows in the first MiB; pyarrow finds the type of each column."""
        content = self._read()
        content = content[: min(start_of_totals(content, self._delimiter), 1 << 20)]
        content = content[: content.rfind(b"\n") + 1] or content
        return self._table(content)

    def _table(self, content: bytes, kinds: Mapping[str, Any] | None = None) -> Any:
        """Parses columns of these types, or all; the name of a column is its position."""
        header = FILLED_LINE.search(content)
        start = header.end() if self._header and header else 0
        # pyarrow compares whole cells, and files with a space after each comma are common. It makes
        # a list of its own for each column, so the spellings are few where they can be.
        ends = ("", " ") if content.find(b" ", start) >= 0 else ("",)
        missing = [f"{a}{text}{b}" for text in _MISSING for a in ends for b in ends]
        names = [str(index) for index in range(len(self.names))]
        if not FILLED_LINE.search(content, start):  # pyarrow refuses a table without rows
            return pa.table({name: pa.nulls(0) for name in kinds or names})
        options: dict[str, Any] = {"strings_can_be_null": True}
        if kinds is not None:
            options = {"column_types": kinds, "include_columns": [*kinds]}
        return arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(content).slice(start)),
            read_options=arrow_csv.ReadOptions(
                use_threads=False,  # with threads, errors have no row number
                block_size=min(max(1 << 23, 64 * start), (1 << 31) - 1),
                column_names=names,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True, ignore_empty_lines=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                null_values=missing, decimal_point=self.decimal, **options
            ),
        )

    def _read(self) -> bytes:
        """Returns the content, and keeps no reference to it, because it may be large."""
        content, self._unread = self._unread, None
        return self._text() if content is None else content

    def _text(self) -> bytes:
        """Returns the content in UTF-8; refuses binary files, and a quote that does not end."""
        file, content = self._file, unpacked(self._file)
        if self._encoding != CSV_OPTIONS["encoding"]:
            try:
                content = content.decode(self._encoding).encode()
            except LookupError:
                known = "must be an encoding that Python knows, such as latin-1"
                raise ValueError(f"data.source.encoding={self._encoding}: {known}") from None
            except UnicodeError as error:
                raise ValueError(f"{file}: is not {self._encoding}: {error}") from None
        if b"\0" in content[: 1 << 20]:
            raise ValueError(f"{file}: is not a text in UTF-8; expected csv or parquet")
        if content.startswith(b"sep=") and content[5:6] in (b"\r", b"\n"):
            content = content[5:]  # drops Excel's first line; line numbers stay the same
        if self._delimiter == " ":
            # A pattern for many blanks before the end of a line would look at each blank again and
            # again, so each run of blanks becomes one blank first.
            content = re.sub(rb"[ \t]+", b" ", content)
            content = re.sub(rb"(?m)^ | (?=\r?$)", b"", content)
        if self._skipped is None:
            self._skipped = lines_above(content, self._delimiter) if self._header else 0
        if self._skipped:  # skipped lines become empty, so that line numbers stay the same
            lines = len(LINE_END.findall(content))
            if lines < self._skipped:
                problem = f"{file} has {count(lines, 'line')}"
                raise ValueError(f"data.source.skip_rows={self._skipped}: {problem}")
            ends = itertools.islice(LINE_END.finditer(content), self._skipped - 1, None)
            content = b"\n" * self._skipped + content[next(ends).end() :]
        if content.count(b'"') % 2:
            problem = "a quoted cell does not end: the file has an odd number of"
            raise ValueError(f"{file}: {problem} '\"'")
        return content

    def place(self, row: int) -> str:
        """Returns the file and the line, counted from 1, on which a row begins."""
        content = self._read()
        # The header is a row before row 0; an empty line is not a row.
        found = next(itertools.islice(_ROW.finditer(content), row + self._header, None), None)
        before = content if found is None else content[: found.start()]
        return f"{self.where}:{len(LINE_END.findall(before)) + 1}"

    def _raise_with_line(self, message: str) -> NoReturn:
        """Raises a ValueError for an error of pyarrow, with the line and the column."""
        row, column = re.search(r"Row #(\d+)", message), re.search(r"column #(\d+)", message)
        place = self.place(int(row[1]) - 1) if row else self.where
        name = self.names[int(column[1])] if column else ""
        if cells := re.search(r"Expected (\d+) columns, got (\d+)", message):
            raise ValueError(f"{place}: {cells[2]} cells; expected {cells[1]}, as in the first row")
        if "straddling" in message:
            raise ValueError(
                f"{self.where}: a row has more than 8 MB; is a quote or comma missing?"
            )
        if "invalid UTF8" in message:
            raise ValueError(f"{place}: column {name!r} is not UTF-8; save the file as UTF-8")
        if value := re.search(r"invalid value '(.*)'", message, re.DOTALL):
            raise ValueError(
                f"{place}: column {name!r}: {short(value[1])} is not a number;"
                " data.source.features=[...] chooses the feature columns"
            )
        raise ValueError(f"{place}: {message.splitlines()[0]}")


def yes_or_no(texts: Any) -> Any:
    """Returns texts as the numbers of `YES_OR_NO`; None if there is another text."""
    numbers = dict.fromkeys(map(str.lower, _MISSING)) | YES_OR_NO
    words = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    index = pc.index_in(words, pa.array([*numbers], words.type))
    if index.null_count > words.null_count:
        return None
    return pc.take(pa.array([*numbers.values()], pa.float64()), index)


def _check_size(where: str, rows: int, columns: int) -> None:
    check_memory(8 * rows * columns, where, f"its {rows:,} rows of {columns} columns")
