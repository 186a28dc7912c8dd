"""A run's train.log: what happened, over all attempts."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# Before a run has its file, logging would print warnings on stderr, where they are said already.
logging.getLogger("seqsweep").addHandler(logging.NullHandler())


class _LogFile(logging.FileHandler):
    """A log that cannot be written does not end a run, nor fill the terminal."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


@contextmanager
def log_file(path: Path) -> Generator[None]:
    """What seqsweep and Lightning log while the run goes on, in its train.log."""
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
