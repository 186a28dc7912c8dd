"""What a member's epochs leave in its folder: collected, then written some epochs at a time."""

import contextlib
import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqsweep.training.checkpoints import sizes_of_logs
from seqsweep.training.loggers import RowLogger, text_line

Row = dict[str, Any]


class MemberLog:
    """The rows of a run's epochs, on their way to metrics.csv, TensorBoard and train.log.

    Opening three files for each epoch of each member would cost more than the epoch. What has not
    been written yet stands in the checkpoint, so a kill loses none of it.

    Attributes:
        files: how long the run's files are without them.
    """

    def __init__(self, folder: Path, loggers: Sequence[RowLogger]) -> None:
        self.folder = folder
        self.loggers = list(loggers)
        self.files: dict[str, int] = {}
        self._rows: list[tuple[float, Row]] = []
        self._lines: list[str] = []

    def add(self, row: Row) -> None:
        self._rows.append((time.time(), row))

    @property
    def pending(self) -> list[str]:
        """The rows that are not written yet, each as one text."""
        return [json.dumps(stamped) for stamped in self._rows]

    def restore(self, files: dict[str, int], pending: Sequence[str]) -> None:
        """As it was at a checkpoint."""
        self.files = files
        self._rows = [(when, row) for when, row in map(json.loads, pending)]

    def flush(self) -> None:
        """Raises OSError where a file cannot be written; the rows then stay."""
        if self._rows:
            for logger in self.loggers:
                logger.write([row for _, row in self._rows])
            self._lines += [_line(when, "INFO", text_line(row)) for when, row in self._rows]
            self._rows = []
            self.files = sizes_of_logs(self.folder)

    def say(self, message: str, level: str = "INFO") -> None:
        """A line of train.log, with all that are to come before it."""
        self._lines.append(_line(time.time(), level, message))

    def write_lines(self) -> None:
        """train.log; one that cannot be written does not end a run."""
        path = self.folder / "train.log"
        lines, self._lines = self._lines, []
        with contextlib.suppress(OSError):
            if path.is_symlink() or path.is_fifo():
                path.unlink()
            with path.open("a", encoding="utf-8") as file:
                file.writelines(lines)


def _line(when: float, level: str, message: str) -> str:
    """As `logging` writes it."""
    return f"{_second(int(when))},{int(when % 1 * 1000):03} {level} {message}\n"


@functools.lru_cache(maxsize=1024)
def _second(when: int) -> str:
    """Members that train side by side have their epochs in the same seconds."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
