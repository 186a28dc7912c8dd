"""metrics.csv of a run: the numbers of its whole lines, whatever else is in the file."""

import csv
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsweep.runs.files import Damaged, open_regular, read_bytes, say_once
from seqsweep.runs.metric_names import lower_is_better


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


def stat_of(path: str) -> os.stat_result | None:
    """None where there is no such file, or none that can be looked at now."""
    try:
        return os.stat(path)
    except OSError:
        return None


class MetricsTail:
    """How many epochs a run has behind it, and its best value of some metrics.

    Only what has been added since the last look is read, and only whole lines: a row may be half
    there. A file in which the last line that was read stands no more is read from its beginning: a
    run that goes on cuts off the rows behind its checkpoint, and one that starts again has a new
    file, which may well have the inode of the old one.

    Args:
        path: of the metrics.csv, which need not be there.
        metrics: the columns to keep.

    Attributes:
        epochs: that have ended.
        best: of each metric that has had a number.
        written: when the file was last written, in seconds since 1970; 0 without one.
    """

    def __init__(self, path: Path, metrics: Sequence[str]) -> None:
        self.path = str(path)
        self.metrics = metrics
        self.written = 0.0
        self._state: tuple[int, int, int] | None = None
        self._restart()

    def look(self) -> None:
        """Brings `epochs` and `best` up to date."""
        stat = stat_of(self.path)
        if stat is None:
            self._state = None
            self._restart()
            return
        state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if state == self._state:
            return
        self._state = state
        self.written = stat.st_mtime
        for line in self._new_lines():
            self._read(line)

    def _restart(self) -> None:
        self.epochs = 0
        self.best: dict[str, float] = {}
        self._offset = 0
        self._last = b""
        self._places: dict[str, int] = {}

    def _new_lines(self) -> list[str]:
        """The whole lines behind the last one that was read, or all."""
        try:
            with open_regular(self.path) as file:
                file.seek(self._offset - len(self._last))
                data = file.read()
                if not data.startswith(self._last):
                    self._restart()
                    file.seek(0)
                    data = file.read()
        except (OSError, Damaged):
            self._state = None
            return []
        new = data[len(self._last) : data.rfind(b"\n") + 1]
        if new:
            self._offset += len(new)
            self._last = new[new.rfind(b"\n", 0, -1) + 1 :]
        return new.decode("utf-8", errors="replace").splitlines()

    def _read(self, line: str) -> None:
        cells = line.split(",")
        if not self._places:
            self._places = {name: place for place, name in enumerate(cells)}
            return
        epoch = _cell(cells, self._places.get("epoch"))
        if epoch is None:
            return
        self.epochs = int(epoch) + 1
        for name in self.metrics:
            value = _cell(cells, self._places.get(name))
            if value is not None and self._is_better(name, value):
                self.best[name] = value

    def _is_better(self, name: str, value: float) -> bool:
        best = self.best.get(name)
        if best is None:
            return True
        return value < best if lower_is_better(name) else value > best


def _cell(cells: Sequence[str], place: int | None) -> float | None:
    try:
        value = float(cells[place]) if place is not None else math.nan
    except (ValueError, IndexError):
        return None
    return value if math.isfinite(value) else None
