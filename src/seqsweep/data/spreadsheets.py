"""Finds what spreadsheets and loggers write above and below a csv table: titles and totals."""

import csv
import itertools
import re
from collections.abc import Iterable, Sequence

FILLED_LINE = re.compile(rb"[^\r\n]+")
LINE_END = re.compile(rb"\r\n?|\n")
_DELIMITERS = ",\t;|"
_NUMBER = re.compile(r"[\s\d.,e+-]+", re.IGNORECASE)
_TOTALS = {
    "sum", "total", "totals", "mean", "average", "avg", "std", "min", "max",
    "summe", "gesamt", "mittelwert", "durchschnitt", "somme", "moyenne",
}  # fmt: skip

_MOST_LINES = 30
"""The lines that may stand above a table, with those of its own that are looked at."""

_MOST_TOTALS = 5
"""The most last rows that are totals; more rows of a kind are data."""


def delimiter_of(line: str) -> str:
    """Returns the sign that separates the cells of a line."""
    # Blanks separate cells only if no other sign does: `Zeit [s];x` has two cells.
    signs = [*filter(line.count, _DELIMITERS)] or [" " if line.split()[1:] else ","]
    return max(signs, key=line.count)


def closing_sign(content: bytes, delimiter: str) -> bytes:
    """Returns a sign that only ends lines, as in `1,2,3;`; else b""."""
    lines = itertools.islice(FILLED_LINE.finditer(content), _MOST_LINES)
    (last, *others) = {line[0].rstrip()[-1:] for line in lines} or {b""}
    return last if last in (b";", b",", b"|") and not others and last != delimiter.encode() else b""


def cells_of(line: str, delimiter: str) -> list[str]:
    """Returns the cells of a line; csv.Error means a huge cell."""
    parsed = csv.reader([line.strip(" ")], delimiter=delimiter, skipinitialspace=True)
    return [cell.strip() for cell in next(parsed, [])]


def is_number(cell: str) -> bool:
    """Returns whether a cell holds a number, with a decimal point or comma."""
    return _NUMBER.fullmatch(cell) is not None and any(map(str.isdigit, cell))


def lines_above(content: bytes, delimiter: str) -> int:
    """Returns the number of lines above the names of the columns.

    These lines have other numbers of cells than the table, or fewer than half as many filled ones.

    Args:
        delimiter: empty if it is not known.
    """
    found = [*itertools.islice(FILLED_LINE.finditer(content), _MOST_LINES)]
    lines = [line[0].decode("utf-8", "replace") for line in found]
    for index, line in enumerate(lines[:-1]):
        sign = delimiter or delimiter_of(line)
        try:
            above = [cells_of(each, sign) for each in lines[:index]]
            names, *rows = (cells_of(each, sign) for each in lines[index : index + 4])
        except csv.Error:
            return 0
        size = len(names)
        if size == 1 or any(len(row) != size for row in rows):
            continue
        if index == 0:
            if all(names):
                return 0  # the usual table
        # Names of which some are empty are names, too, so only sparse lines are titles.
        elif not any(map(is_number, names)) and all(
            len(row) != size or 2 * _filled(row) < _filled(names) for row in above
        ):
            return len(LINE_END.findall(content[: found[index].start()]))
    return 0


def start_of_totals(content: bytes, delimiter: str, must_say: bool = False) -> int:
    """Returns where the last lines begin that are sums, means or remarks, and not rows.

    Args:
        must_say: whether the very last line must begin with a word such as sum.
    """
    before = max(0, len(content) - (1 << 16))
    found = [*FILLED_LINE.finditer(content[before:])][1 if before else 0 :][-_MOST_LINES:]
    rows = [cells_of(line[0].decode("utf-8", "replace"), delimiter) for line in found]
    if must_say and not any(map(_says_total, rows[-1:])):
        return len(content)
    body = rows[: -_MOST_TOTALS - 1] or rows[:1]
    numbers = [all(map(is_number, column)) for column in zip(*body, strict=False)]
    last = rows[len(body) :]
    are_totals = (_is_total(row, len(body[-1]), numbers) for row in reversed(last))
    number = len([*itertools.takewhile(bool, are_totals)])
    return before + found[-number].start() if 0 < number <= _MOST_TOTALS else len(content)


def _is_total(cells: Sequence[str], size: int, numbers: Sequence[bool]) -> bool:
    """Returns whether a row lacks the numbers that the rows above it have."""
    if len(cells) != size or _says_total(cells) or 2 * _filled(cells) <= size > 2:
        return True
    pairs = zip(cells, numbers, strict=False)
    return any(cell and has_numbers and not is_number(cell) for cell, has_numbers in pairs)


def _filled(cells: Sequence[str]) -> int:
    return sum(map(bool, cells))


def _says_total(cells: Iterable[str]) -> bool:
    """Returns whether the first filled cell says sum, total or mean."""
    return next(filter(None, cells), "").casefold().strip(" :.") in _TOTALS
