"""Reads, appends and cuts the rows of metrics.csv, even if the file is damaged.

The first line names the columns, and every further line holds the metrics of one epoch. A line
counts if it ends with a line break, has as many cells as the first line, and has a number for the
epoch. Other lines are ignored: they occur while a run writes, and after a run was killed. A file
whose rows are not epoch 0, 1, 2 and so on is named on stderr, and counts as missing.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from seqsweep.errors import Damaged
from seqsweep.runs.events import append_bytes
from seqsweep.runs.files import open_regular, read_bytes, say_once, version_of, write_bytes
from seqsweep.runs.lock import check_held
from seqsweep.runs.metrics import Metric

EpochRow = dict[str, float]
"""The numbers of an epoch by the columns of metrics.csv, such as `epoch`, `step` and `val/acc`."""


def read_rows(path: Path) -> list[dict[str, float]]:
    """Returns a dict for each epoch, with the columns of finite numbers.

    A file that does not exist, or holds no table, has no rows.

    Raises:
        OSError: the file exists but cannot be read.
    """
    names, rows = _read_table(path)
    return [
        {name: value for name, value in zip(names, row, strict=True) if math.isfinite(value)}
        for row in rows
    ]


def has_finished(rows: Sequence[Mapping[str, float]], epochs: int) -> bool:
    """Returns whether a run has this many epochs without diverging."""
    return any(row["epoch"] == epochs - 1 for row in rows)


def read_columns(path: Path) -> dict[str, list[float]]:
    """Returns the numbers of each column; NaN replaces all other cells."""
    names, rows = _read_table(path)
    values = zip(*rows, strict=True) if rows else [[]] * len(names)
    return {name: list(column) for name, column in zip(names, values, strict=True)}


def append_rows(
    path: Path, rows: Sequence[EpochRow], columns: Sequence[str] | None = None
) -> list[str]:
    """Appends rows, all or none of them; returns the columns of the file.

    Each new name becomes a column, which is empty in the rows so far.

    Args:
        columns: what an earlier call has returned, so that the file is not read in every epoch.

    Raises:
        LockLost: another process trains the run now.
        OSError: the file cannot be written, or was deleted since an earlier call; its rows are
            unchanged.
    """
    known = _columns_of(path) if columns is None else columns
    new = list(dict.fromkeys(name for row in rows for name in row if name not in known))
    names = [*known, *new]
    lines = [",".join([str(row[n]) if n in row else "" for n in names]) for row in rows]
    if new:
        header = io.StringIO()
        csv.writer(header, lineterminator="").writerow(names)
        before = read_bytes(path).decode().splitlines()[1:] if known else []
        lines = [header.getvalue(), *(line + "," * len(new) for line in before), *lines]
    content = "".join(f"{line}\r\n" for line in lines).encode()
    if new:
        write_bytes(path, content, sync=False, confirm=partial(check_held, path.parent))
    else:
        check_held(path.parent)
        append_bytes(path, content, mode="r+b")
    return names


def _columns_of(path: Path) -> list[str]:
    try:
        with open_regular(path) as file:
            first = file.readline().decode()
    except FileNotFoundError:
        return []
    return next(csv.reader([first]), [])


def keep_rows(path: Path, count: int) -> bool:
    """Cuts off the rows after the first `count`; returns False if there are fewer."""
    try:
        lines = read_bytes(path)
    except (FileNotFoundError, Damaged):
        return False
    kept = lines.splitlines(keepends=True)[: count + 1]
    if len(kept) <= count or not kept[-1].endswith(b"\n"):
        return False
    if len(b"".join(kept)) < len(lines):
        write_bytes(path, b"".join(kept), sync=False)
    return True


class MetricsSoFar:
    """The number of `epochs` in a growing metrics.csv, and the best value of each metric.

    Attributes:
        best: the best value of each metric that has had a number.
    """

    def __init__(self, path: Path, metrics: Sequence[Metric]) -> None:
        self.path = path
        self.metrics = metrics
        self.epochs = 0
        self.best: dict[str, float] = {}
        self._version: tuple[int, int, int] | None = None

    def look(self) -> None:
        """Brings the attributes up to date; leaves them if the file cannot be read."""
        version = version_of(str(self.path))
        if version is not None and version == self._version:
            return
        try:
            rows = read_rows(self.path)
        except OSError:
            self._version = None  # so that the next look tries again
            return
        self._version, self.epochs, self.best = version, len(rows), {}
        for metric in self.metrics:
            better = min if metric.lower_is_better else max
            if values := [row[metric] for row in rows if metric in row]:
                self.best[metric] = better(values)


def _read_table(path: Path) -> tuple[list[str], list[list[float]]]:
    """Returns the columns and the rows that count; other cells are NaN."""
    try:
        content = read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        content = b""
    except Damaged as error:
        say_once(str(error))
        content = b""
    first, *lines = _whole_lines(content) or [""]
    try:
        names = next(csv.reader([first]), [])
    except csv.Error:  # the file is not a table
        names = []
    if "epoch" not in names:
        return [], []
    rows: list[list[float]] = []
    for line in lines:
        # Numbers have no quotes, and the csv module refuses some garbage.
        row = list(map(_number, line.split(",")))
        if len(row) != len(names) or math.isnan(epoch := row[names.index("epoch")]):
            continue
        if epoch != len(rows):
            must = f"must be epoch {len(rows)}, got {epoch:g}"
            say_once(f"{path}: row {len(rows) + 1} {must}; it counts as missing")
            return names, []
        rows.append(row)
    return names, rows


def _whole_lines(content: bytes) -> list[str]:
    """Returns the lines that end with a line break, without the break."""
    text = content[: content.rfind(b"\n") + 1].decode("utf-8", errors="replace")
    return [line.removesuffix("\r") for line in text.split("\n")[:-1]]


def _number(text: str) -> float:
    """Returns the number of a cell; NaN if it is not finite."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
