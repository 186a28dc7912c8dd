"""metrics.csv of a run: the numbers of its whole lines, whatever else is in the file."""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsweep.runs.files import Damaged, read_bytes, say_once


def rows(path: Path) -> list[dict[str, float]]:
    """An epoch each: the columns that have a finite number.

    Lines without a number for the epoch are left out, as those are that have more or fewer cells
    than the header: a run may be writing, and one that was killed leaves half of a line. A file
    that is not there, or holds no table, has no rows.

    Raises:
        OSError: it is there and cannot be read.
    """
    header, lines = _table(path)
    return [
        {name: value for name, value in zip(header, line, strict=True) if math.isfinite(value)}
        for line in lines
    ]


def columns(path: Path) -> dict[str, list[float]]:
    """The same by column, each as long as there are rows; NaN is what has no finite number."""
    header, lines = _table(path)
    return {name: [line[place] for line in lines] for place, name in enumerate(header)}


def _table(path: Path) -> tuple[list[str], list[list[float]]]:
    """The header, and the rows that have an epoch."""
    try:
        content = read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    except Damaged as error:
        say_once(str(error))
        return [], []
    whole = content[: content.rfind(b"\n") + 1]  # the last line is only half there
    lines = whole.decode("utf-8", errors="replace").split("\n")
    header = _header(lines[0].removesuffix("\r"))
    if "epoch" not in header:
        return [], []
    return header, list(_numbers(lines[1:], len(header), header.index("epoch")))


def _header(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # not a table
        return []


def _numbers(lines: Sequence[str], width: int, epoch: int) -> Iterator[list[float]]:
    for line in lines:
        cells = line.split(",")  # numbers have no quotes, and csv refuses some garbage
        if len(cells) == width:
            row = [_number(cell) for cell in cells]
            if not math.isnan(row[epoch]):
                yield row


def _number(text: str) -> float:
    """NaN for what is no finite number."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
