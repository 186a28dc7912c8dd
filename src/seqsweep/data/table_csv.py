"""Opens a csv file, also a compressed one. Each error names its line.

pyarrow parses the file. Only for the line of an error it is read again, by Python's csv module.
"""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
from pyarrow import csv as arrow_csv

from seqsweep.data.memory import check_memory
from seqsweep.data.table_files import Columns, DataType
from seqsweep.data.table_names import shortened

_DELIMITERS = ",\t;|"
_MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "#N/A")
"""Texts that mean a missing number. A label may be any of them except the empty one."""

# pyarrow compares whole cells, and files with a space after each comma are common.
_CELLS_MISSING = [
    f"{before}{text}{after}" for text in _MISSING for before in ("", " ") for after in ("", " ")
]

_NO_ROWS = "has no row below the names of its columns"
_COMPRESSION = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_CHUNK = 1 << 20

_IN_ROW = re.compile(r"Row #(\d+)")
_IN_COLUMN = re.compile(r"CSV column #(\d+)")
_CELLS = re.compile(r"Expected (\d+) columns, got (\d+)")
_VALUE = re.compile(r"invalid value '(.*)'", re.DOTALL)


class CsvTable:
    """A csv file in memory, as text; its first line names the columns."""

    has_text_cells = True

    def __init__(self, file: Path, delimiter: str | None) -> None:
        self.where = str(file)
        content = _content(file)
        self._content = content
        start, end = _header_line(content, self.where)
        header = _decoded(content[start:end], f"{file}:{_lines(content[:start]) + 1}")
        self._delimiter = delimiter or max(_DELIMITERS, key=header.count)
        if len(self._delimiter) != 1 or self._delimiter in '"\r\n':
            message = f"data.source.delimiter={delimiter!r}: must be one character, such as ';'"
            raise ValueError(message)
        self.names = self._names(header)
        self._end = end
        self._longest_row = min(max(1 << 23, 64 * end), (1 << 31) - 1)

    def read(self, numbers: Sequence[str], others: Sequence[str]) -> Columns:
        """Reads these columns: `numbers` as float64, the others as text."""
        position = {name: str(index) for index, name in enumerate(self.names)}
        column = {name: position[name] for name in (*numbers, *others)}
        kinds = {column[name]: pa.float64() for name in numbers}
        kinds |= {column[name]: pa.string() for name in others}
        try:
            table = self._parse(kinds)
        except pa.ArrowInvalid as error:
            self._raise_with_line(str(error))
        if len(table) == 0:
            raise ValueError(f"{self.where}: {_NO_ROWS}")
        return table.rename_columns(list(column))

    def is_list(self, name: str) -> bool:
        return False

    def place(self, row: int) -> str:
        return f"{self.where}:{self._line(row)}"

    def _names(self, header: str) -> list[str]:
        """Returns the names of the columns, without the spaces around them."""
        try:
            cells = next(csv.reader([header], delimiter=self._delimiter), [])
        except csv.Error as error:  # a name of more than 131,072 characters
            raise ValueError(f"{self.where}: the first line: {error}") from None
        names = [name.strip() for name in cells]
        numbers = [number for number in map(_number, names) if number is not None]
        # Ascending numbers may be names, such as wave lengths, or 0, 1, 2 as pandas counts columns.
        ascending = all(a < b for a, b in itertools.pairwise(numbers))
        if len(numbers) == len(names) and not ascending:
            raise ValueError(
                f"{self.where}: the first line has only numbers ({shortened(names)}); expected the"
                " names of the columns"
            )
        return names

    def _parse(self, kinds: dict[str, DataType]) -> Columns:
        """Parses all rows; a position in the file is the name of its column."""
        body = pa.BufferReader(pa.py_buffer(self._content).slice(self._end))
        batches = arrow_csv.open_csv(
            body,
            read_options=arrow_csv.ReadOptions(
                use_threads=False,  # errors have no row number otherwise
                block_size=self._longest_row,
                column_names=[str(index) for index in range(len(self.names))],
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True, ignore_empty_lines=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=kinds, include_columns=list(kinds), null_values=_CELLS_MISSING
            ),
        )
        read: list[Any] = []
        for batch in batches:
            read.append(batch)
            check_memory(sum(b.nbytes for b in read), self.where, "its rows")
        return pa.Table.from_batches(read, schema=batches.schema)

    def _raise_with_line(self, message: str) -> NoReturn:
        """Raises what pyarrow has found in terms of the file."""
        row, column = _IN_ROW.search(message), _IN_COLUMN.search(message)
        place = self.place(int(row[1]) - 1) if row else self.where
        if message == "Empty CSV file":
            raise ValueError(f"{self.where}: {_NO_ROWS}")
        cells, value = _CELLS.search(message), _VALUE.search(message)
        if cells:
            raise ValueError(f"{place}: {cells[2]} cells; expected {cells[1]}, as in the header")
        name = self.names[int(column[1])] if column else ""
        if "invalid UTF8" in message:
            raise ValueError(f"{place}: column {name!r} is not UTF-8; save the file as UTF-8")
        if value:
            raise ValueError(
                f"{place}: column {name!r}: {short(value[1])} is not a number{_hint(value[1])};"
                " data.source.features=[...] chooses the feature columns"
            )
        if "straddling" in message:
            raise ValueError(f"{place}: a row is longer than {self._longest_row >> 20} MB")
        raise ValueError(f"{place}: {message.splitlines()[0]}")

    def _line(self, row: int) -> int:
        """Returns the line on which a row begins, counted from 1."""
        first = _lines(self._content[: self._end])
        rows = self._rows()
        for index, line in enumerate(rows):
            if index == row:
                return first + line
        return first

    def _rows(self) -> Iterator[int]:
        """Yields the line on which each row begins; the header's line ends line 0."""
        body = io.BytesIO(self._content[self._end :])
        text = io.TextIOWrapper(body, "utf-8", errors="replace", newline="")
        reader = csv.reader(text, delimiter=self._delimiter)
        begins = 1
        try:
            for cells in reader:
                if cells:  # an empty line is not a row
                    yield begins
                begins = reader.line_num + 1
        except csv.Error:  # a cell of more than 131,072 characters
            return


def _content(file: Path) -> bytes:
    """Returns the text of a file, decompressed, without a byte order mark."""
    size = file.stat().st_size
    check_memory(size, str(file), "its bytes")
    content = file.read_bytes()
    compression = next((c for m, c in _COMPRESSION.items() if content.startswith(m)), None)
    if compression:
        content = _decompressed(content, compression, str(file))
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError(f"{file}: is UTF-16; save the file as UTF-8")
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\0" in content[:_CHUNK]:
        raise ValueError(f"{file}: is not a text; expected csv or parquet")
    if content.count(b'"') % 2:
        raise ValueError(f"{file}: a quoted cell does not end: the file has an odd number of '\"'")
    return content


def _decompressed(content: bytes, compression: str, where: str) -> bytes:
    parts: list[bytes] = []
    total = 0
    try:
        with pa.input_stream(pa.BufferReader(content), compression=compression) as stream:
            while part := stream.read(_CHUNK):
                parts.append(part)
                total += len(part)
                check_memory(2 * total, where, "its decompressed bytes")
    except (pa.ArrowException, OSError):
        raise ValueError(f"{where} is cut off or damaged; make or copy it again") from None
    return b"".join(parts)


def _header_line(content: bytes, where: str) -> tuple[int, int]:
    """Returns where the first line that is not empty begins and ends."""
    match = re.search(rb"[^\r\n]+", content)
    if match is None:
        raise ValueError(f"{where}: is empty; expected a line with the names of the columns")
    return match.span()


def _lines(content: bytes) -> int:
    """Counts the line ends, `\\r\\n` as one."""
    return len(re.findall(rb"\r\n|\r|\n", content))


def _decoded(header: bytes, place: str) -> str:
    try:
        return header.decode("utf-8")
    except UnicodeDecodeError:
        text = short(header.decode("utf-8", "backslashreplace"))
        raise ValueError(f"{place}: {text} is not UTF-8; save the file as UTF-8") from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _hint(value: str) -> str:
    if re.fullmatch(r"[+-]?\d+,\d+", value.strip()):
        return " (decimal comma: write a point)"
    return ""


def short(value: Any) -> str:
    """Returns the start of a value, quoted, for messages."""
    text = str(value)
    return repr(text if len(text) <= 40 else text[:37] + "...")
