"""Reads csv files as columns, and finds the lines of their rows.

pyarrow parses the files. It has no types for a type checker, so its tables are Any here.
"""

import csv
import itertools
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
from pyarrow import csv as arrow_csv

from seqsweep.data.files import unpacked
from seqsweep.data.memory import check_memory
from seqsweep.data.spreadsheets import (
    FILLED_LINE,
    LINE_END,
    cells_of,
    closing_sign,
    delimiter_of,
    lines_above,
    start_of_totals,
)
from seqsweep.data.table_options import CSV_OPTIONS, Totals
from seqsweep.text import count, short

pc: Any = pyarrow.compute  # the import creates its functions

_ROW = re.compile(rb'(?:[^"\r\n]+|"[^"]*")+')  # a quoted cell may hold ends of lines
_MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "-NaN", "NULL", "null", "#N/A")
"""Texts that mean a missing number. All but the empty text, nan and NaN may be labels."""

_THOUSANDS = r"^[+-]?[1-9]\d?\d?(\.\d{3})+(,\d*)?$"
"""A number with a point between thousands, and a decimal comma."""

YES_OR_NO = {"true": 1.0, "yes": 1.0, "1": 1.0, "false": 0.0, "no": 0.0, "0": 0.0}
"""The numbers of cells in small letters, in columns with TRUE and FALSE, or yes and no."""


@dataclass
class CsvFile:
    """A csv file with cells of text; see `tables.table` for the options."""

    file: Path
    delimiter: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    header: bool = True
    skip_rows: int | None = None
    totals: Totals = "error"
    most: int | None = None  # the bytes after which rows are not read, for a look at them

    def __post_init__(self) -> None:
        self.where, self.notes = str(self.file), list[str]()
        self._sign, self._closing = self.delimiter or "", b""
        if self.delimiter is not None and (len(self._sign) != 1 or self._sign in '"\r\n'):
            raise ValueError(f"data.source.delimiter={self._sign!r}: must be one character")
        if self.skip_rows is not None and self.skip_rows < 0:
            raise ValueError(f"data.source.skip_rows={self.skip_rows}: must be at least 0")
        content = self._text()
        self.names = self._names(content)
        self._unread: bytes | None = self._cleaned(content)

    def _names(self, content: bytes) -> list[str]:
        """Returns the names of the columns; an empty list for a file of empty lines."""
        first = FILLED_LINE.search(content)
        if first is None:
            return []
        line = self._decoded(content[: first.end()])[first.start() :]
        self._sign = self._sign or delimiter_of(line)
        self._closing = closing_sign(content, self._sign)
        if self._closing:
            self.notes.append(f"{self.where}: {self._closing.decode()} ends each line, so left out")
            line = line.rstrip().removesuffix(self._closing.decode())
        try:
            cells = cells_of(line, self._sign)
        except csv.Error:  # a cell of more than 128 KiB
            raise ValueError(f"{self.where}: {short(line)} is not a line of names") from None
        return cells if self.header else [*map(str, range(len(cells)))]

    def read(self, numbers: Sequence[str], others: Sequence[str]) -> Any:
        """Reads columns by their names: `others` as text, `numbers` as float64 where they can be.

        Where they cannot, as in a column with yes and no, all columns are text.
        """
        names = [*numbers, *others]
        content = self._without_totals(self._read(), has_numbers=bool(numbers))
        rows = max(map(content.count, (b"\n", b"\r")))
        needs = f"its {rows:,} rows of {len(names)} columns"
        check_memory(8 * rows * len(names), self.where, needs)
        # A column is called by its position in the file, because names may occur twice.
        positions = {name: str(index) for index, name in enumerate(self.names)}
        kinds = dict.fromkeys([positions[name] for name in names], pa.string())
        as_numbers = dict.fromkeys([positions[name] for name in numbers], pa.float64())
        try:
            table = self._parse(content, kinds | as_numbers)
        except pa.ArrowInvalid:  # some cells are not numbers or not UTF-8, or a row is not like all
            table = self._texts(content, kinds)
        return table.rename_columns(names)

    def place(self, row: int) -> str:
        """Returns the file and the line, counted from 1, on which a row begins."""
        content = self._read()
        # The header is a row before row 0; an empty line is not a row.
        found = next(itertools.islice(_ROW.finditer(content), row + self.header, None), None)
        before = content if found is None else content[: found.start()]
        return f"{self.where}:{_line_after(before)}"

    def _without_totals(self, content: bytes, has_numbers: bool) -> bytes:
        """Returns the content without its last rows if these are totals; may refuse them."""
        is_error = self.totals == "error"
        if self.totals == "keep" or (is_error and not has_numbers):  # a text may be called total
            return content
        start = start_of_totals(content, self._sign, must_say=is_error)
        if start == len(content):
            return content
        line = content[start:].decode("utf-8", "replace").strip()
        if self.totals == "drop":
            self.notes.append(f"{self.where}: not read, as totals: {short(line)}")
            return content[:start]
        raise ValueError(
            f"{self.where}:{_line_after(content[:start])}: {short(line)} is not a row of the"
            " table; data.source.totals=drop leaves it out, totals=keep does not"
        )

    def _parse(
        self,
        content: bytes,
        kinds: Mapping[str, Any],
        refuse: Callable[[Any], str] | None = None,
    ) -> Any:
        """Parses columns of these types; the name of a column is its position.

        Args:
            refuse: called with a row that has another number of cells.
        """
        header = FILLED_LINE.search(content)
        start = header.end() if self.header and header else 0
        # pyarrow compares whole cells, and files with a space after each comma are common. It makes
        # a list of its own for each column, so the spellings are few where they can be.
        ends = ("", " ") if content.find(b" ", start) >= 0 else ("",)
        missing = [f"{a}{text}{b}" for text in _MISSING for a in ends for b in ends]
        names = [str(index) for index in range(len(self.names))]
        if not FILLED_LINE.search(content, start):  # pyarrow refuses a table without rows
            return pa.table({name: pa.nulls(0) for name in kinds})
        return arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(content).slice(start)),
            read_options=arrow_csv.ReadOptions(
                use_threads=False,  # with threads, a refused row has no number
                block_size=min(max(1 << 23, 64 * start), (1 << 31) - 1),
                column_names=names,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._sign,
                newlines_in_values=True,
                ignore_empty_lines=True,
                invalid_row_handler=refuse,
            ),
            convert_options=arrow_csv.ConvertOptions(
                null_values=missing,
                decimal_point=self.decimal,
                column_types=kinds,
                include_columns=[*kinds],
            ),
        )

    def _texts(self, content: bytes, kinds: Mapping[str, Any]) -> Any:
        """Reads columns as text; refuses rows of other sizes, and what is not UTF-8."""
        refused = list[Any]()

        def refuse(row: Any) -> str:
            refused.append(row)
            return "error"

        with suppress(pa.ArrowInvalid):
            return self._parse(content, kinds)
        with suppress(pa.ArrowInvalid):  # pyarrow decodes the row that it refuses
            self._parse(content.decode(errors="replace").encode(), kinds, refuse)
        for row in refused:
            raise ValueError(
                f"{self.place(row.number - 1)}: {row.actual_columns} cells; expected"
                f" {row.expected_columns}, as in the first row"
            )
        self._decoded(content)
        raise ValueError(f"{self.where}: a row has more than 8 MB; is a quote or comma missing?")

    def _decoded(self, content: bytes) -> str:
        """Returns the first lines of the file as text; refuses what is not UTF-8."""
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            byte, line = content[error.start], _line_after(content[: error.start])
            problem = f"byte {byte:#x} is not UTF-8; save the file as UTF-8"
            raise ValueError(f"{self.where}:{line}: {problem}") from None

    def _read(self) -> bytes:
        """Returns the content, and keeps no reference to it, because it may be large."""
        content, self._unread = self._unread, None
        return self._cleaned(self._text()) if content is None else content

    def _cleaned(self, content: bytes) -> bytes:
        """Returns the content with one blank for several, and without a sign that ends lines."""
        if self._closing:
            content = re.sub(rb"(?m)%b[ \t]*(?=\r?$)" % re.escape(self._closing), b"", content)
        if self._sign == " ":
            # A pattern for many blanks before the end of a line would look at each blank again and
            # again, so each run of blanks becomes one blank first.
            content = re.sub(rb"[ \t]+", b" ", content)
            content = re.sub(rb"(?m)^ | (?=\r?$)", b"", content)
        return content

    def _text(self) -> bytes:
        """Returns the content in UTF-8; refuses binary files, and a quote that does not end."""
        is_utf8 = self.encoding == CSV_OPTIONS["encoding"]
        # A cut in another encoding may divide a character.
        content = unpacked(self.file, self.most + 1 if self.most is not None and is_utf8 else None)
        if not is_utf8:
            try:
                content = content.decode(self.encoding).encode()
            except LookupError:
                known = "must be an encoding that Python knows, such as latin-1"
                raise ValueError(f"data.source.encoding={self.encoding}: {known}") from None
            except UnicodeError as error:
                raise ValueError(f"{self.where}: is not {self.encoding}: {error}") from None
        if self.most is not None and len(content) > self.most:
            content = content[: content.rfind(b"\n", 0, self.most) + 1]
        if b"\0" in content[: 1 << 20]:
            raise ValueError(f"{self.where}: is not a text in UTF-8; expected csv or parquet")
        if content.startswith(b"sep=") and content[5:6] in (b"\r", b"\n"):
            content = content[5:]  # drops Excel's first line; line numbers stay the same
        if self.skip_rows is None:
            self.skip_rows = lines_above(content, self._sign) if self.header else 0
            if self.skip_rows:
                lines = count(self.skip_rows, "line")
                note = f"the table begins below {lines} (skip_rows={self.skip_rows})"
                self.notes.append(f"{self.where}: {note}")
        if self.skip_rows:  # skipped lines become empty, so that line numbers stay the same
            lines = len(LINE_END.findall(content))
            if lines < self.skip_rows:
                problem = f"{self.where} has {count(lines, 'line')}"
                raise ValueError(f"data.source.skip_rows={self.skip_rows}: {problem}")
            ends = itertools.islice(LINE_END.finditer(content), self.skip_rows - 1, None)
            content = b"\n" * self.skip_rows + content[next(ends).end() :]
        if self.most is None and content.count(b'"') % 2:
            problem = "a quoted cell does not end: the file has an odd number of"
            raise ValueError(f"{self.where}: {problem} '\"'")
        return content


def _line_after(content: bytes) -> int:
    """Returns the number of the line, from 1, on which the content ends."""
    return len(LINE_END.findall(content)) + 1


def is_text(kind: Any) -> bool:
    """Returns whether a type of Arrow is that of texts."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def plain_words(texts: Any, decimal: str) -> Any:
    """Returns texts without blanks, with decimal points; missing numbers are null.

    With a decimal comma, points divide thousands if the column shows it, as by `1.013,5`; else no
    number has a point.
    """
    words = pc.utf8_trim_whitespace(texts)
    words = pc.if_else(pc.is_in(words, pa.array(_MISSING)), pa.scalar(None, words.type), words)
    if decimal in ("", "."):
        return words
    pointed = words.filter(pc.fill_null(pc.match_substring(words, "."), False))
    are_thousands = pc.all(pc.match_substring_regex(pointed, _THOUSANDS)).as_py()
    shows = pc.any(pc.match_substring(pointed, decimal)).as_py()
    words = pc.replace_substring(words, ".", "" if are_thousands and shows else ":")
    return pc.replace_substring(words, decimal, ".")


def as_numbers(words: Any, decimal: str) -> Any:
    """Returns plain words as whole numbers or floats; None if one is another text."""
    words = words if decimal in ("", ".") else plain_words(words, decimal)
    for kind in (pa.int64(), pa.float64()):  # float64 would merge large whole numbers
        with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return words.cast(kind)
    return None


def parsed(dates: Any, decimal: str, dayfirst: bool = True) -> Any:
    """Returns plain words as numbers or dates, all of one kind.

    Args:
        dayfirst: whether 2/3/2026 is in March; points always have the day first.

    Raises:
        pa.ArrowInvalid: the words are of several kinds.
    """
    if (numbers := as_numbers(dates, decimal)) is not None:
        return numbers
    for pattern, replacement in (
        (r"\b(\d)([./: T-])", r"0\1\2"),  # 9:05 is 09:05
        (r"(:\d\d),(\d+)$", r"\1.\2"),
        (r"^(\d\d)\.(\d\d)\.(\d{4})", r"\3-\2-\1"),
        (r"^(\d\d)[/-](\d\d)[/-](\d{4})", r"\3-\2-\1" if dayfirst else r"\3-\1-\2"),
    ):
        dates = pc.replace_substring_regex(dates, pattern, replacement)
    with suppress(pa.ArrowInvalid):
        return dates.cast(pa.timestamp("ns"))
    return dates.cast(pa.timestamp("ns", "UTC"))


def day_first(texts: Any) -> bool | None:
    """Returns whether dates such as 2/3/2026 begin with the day; None if unclear."""
    found = pc.extract_regex(texts, r"^(?P<one>\d\d?)[/-](?P<two>\d\d?)[/-]\d{4}").drop_null()
    if not len(found):
        return True
    one, two = (pc.max(pc.struct_field(found, part).cast(pa.int64())).as_py() for part in (0, 1))
    return one > 12 if one > 12 or two > 12 else None


def first_refused(cells: Any, convert: Callable[[Any], Any]) -> int:
    """Returns the first row of a column that `convert` refuses with ArrowInvalid."""

    def is_refused(row: int) -> bool:
        try:
            convert(cells[: row + 1])
        except pa.ArrowInvalid:
            return True
        return False

    return bisect_left(range(len(cells)), True, key=is_refused)


def yes_or_no(texts: Any) -> Any:
    """Returns texts as the numbers of `YES_OR_NO`; None if there is another text."""
    numbers = dict.fromkeys(map(str.lower, _MISSING)) | YES_OR_NO
    words = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    index = pc.index_in(words, pa.array([*numbers], words.type))
    if index.null_count > words.null_count:
        return None
    return pc.take(pa.array([*numbers.values()], pa.float64()), index)
