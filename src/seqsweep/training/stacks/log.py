"""What a member's epochs leave in its folder: collected, then written some epochs at a time."""

import contextlib
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
        pending: rows not written yet.
        files: how long the run's files are without them.
    """

    def __init__(self, folder: Path, loggers: Sequence[RowLogger]) -> None:
        self.folder = folder
        self.loggers = list(loggers)
        self.pending: list[Row] = []
        self.files: dict[str, int] = {}

    def add(self, row: Row) -> None:
        self.pending.append(row | {"time": time.time()})

    def flush(self) -> None:
        """Raises OSError where a file cannot be written; the rows then stay."""
        if not self.pending:
            return
        times = [row["time"] for row in self.pending]
        rows = [{k: v for k, v in row.items() if k != "time"} for row in self.pending]
        for logger in self.loggers:
            logger.write(rows)
        self.say(*map(text_line, rows), times=times)
        self.pending = []
        self.files = sizes_of_logs(self.folder)

    def say(self, *messages: str, times: Sequence[float] = (), level: str = "INFO") -> None:
        """Lines of train.log; a log that cannot be written does not end a run."""
        stamps = times or [time.time()] * len(messages)
        lines = [
            f"{_stamp(when)} {level} {message}\n"
            for when, message in zip(stamps, messages, strict=True)
        ]
        path = self.folder / "train.log"
        with contextlib.suppress(OSError):
            if path.is_symlink():
                path.unlink()
            with path.open("a", encoding="utf-8") as file:
                file.writelines(lines)


def _stamp(when: float) -> str:
    """As `logging` writes it."""
    whole = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
    return f"{whole},{int(when % 1 * 1000):03}"
