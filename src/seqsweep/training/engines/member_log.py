"""The rows of a member, written some epochs at a time, and its train.log."""

import contextlib
import logging
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from seqsweep.runs.lock import LockLost, check_held
from seqsweep.training.checkpoints import sizes_of_logs
from seqsweep.training.loggers import RowLogger, text_line

Row = dict[str, Any]


class MemberLog:
    """Collects the rows of a run's epochs for metrics.csv, TensorBoard and train.log.

    Opening three files for each epoch of each member would take longer than the epoch. So the rows
    are written before each checkpoint.

    Attributes:
        files: the sizes of the run's files at that time.
    """

    def __init__(self, folder: Path, loggers: Sequence[RowLogger]) -> None:
        self.folder = folder
        self.loggers = list(loggers)
        self.files: dict[str, int] = {}
        self._rows: list[tuple[float, Row]] = []
        self._lines: list[str] = []

    def add(self, row: Row) -> None:
        self._rows.append((time.time(), row))

    def flush(self) -> None:
        """Writes the rows; they stay here if a file cannot be written.

        Raises:
            LockLost: another process trains the run now.
            OSError: a file cannot be written.
        """
        if self._rows:
            for logger in self.loggers:
                logger.write([row for _, row in self._rows])
            self._lines += [_line(when, "INFO", text_line(row)) for when, row in self._rows]
            self._rows = []
            self.files = sizes_of_logs(self.folder)

    def say(self, message: str, level: str = "INFO") -> None:
        """Adds a line to train.log, which `write_lines` writes."""
        self._lines.append(_line(time.time(), level, message))

    def write_lines(self) -> None:
        """Writes the lines to train.log, or drops them if impossible."""
        path = self.folder / "train.log"
        lines, self._lines = self._lines, []
        with contextlib.suppress(OSError, LockLost):
            check_held(self.folder)
            _remove_special(path)
            with path.open("a", encoding="utf-8") as file:
                file.writelines(lines)


def _remove_special(path: Path) -> None:
    """Removes a log that is a link or a FIFO."""
    # A link could lead out of the folder, and writing to a FIFO could block for ever.
    if path.is_symlink() or path.is_fifo():
        path.unlink()


def _line(when: float, level: str, message: str) -> str:
    """Formats a line as `logging` does."""
    second = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
    return f"{second},{int(when % 1 * 1000):03} {level} {message}\n"


# Without this handler, logging would print warnings on stderr before a run has its file. They are
# printed there anyway.
logging.getLogger("seqsweep").addHandler(logging.NullHandler())


class _LogFile(logging.FileHandler):
    """A log file that ignores write errors and lost locks."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(LockLost, OSError):
            check_held(Path(self.baseFilename).parent)
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        pass


@contextlib.contextmanager
def log_file(path: Path) -> Generator[None]:
    """Writes what seqsweep and Lightning log in the block to a file."""
    _remove_special(path)
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("seqsweep", "lightning.pytorch")]
    level = loggers[0].level
    loggers[0].setLevel(logging.INFO)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        loggers[0].setLevel(level)
        handler.close()
