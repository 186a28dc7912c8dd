"""The train.log of a run: what has happened, over all attempts."""

import contextlib
import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from seqsweep.runs.lock import LockLost, check_held

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


@contextmanager
def log_file(path: Path) -> Generator[None]:
    """Writes what seqsweep and Lightning log in the block to a file."""
    if path.is_symlink() or path.is_fifo():
        path.unlink()
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
