"""The loggers of a run through its stages."""

import contextlib
import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from seqsweep.config.schema import Config
from seqsweep.runs.lock import LockLost, check_held
from seqsweep.training.fed_loggers import end_experiment
from seqsweep.training.loggers import RowLogger


class LoggersOfRun(Callback):
    """Keeps the loggers of a run open until the block ends.

    Lightning closes its loggers after each stage, and a run has two stages. So the Trainer has no
    loggers from the end of one stage until `resume`.

    Args:
        trainer: the Trainer, which gets this object as its last callback.
    """

    def __init__(self, trainer: L.Trainer) -> None:
        self.trainer = trainer
        self.loggers: list[Logger] = list(trainer.loggers)

    def __enter__(self) -> "LoggersOfRun":
        self.trainer.callbacks.append(self)  # pyright: ignore[reportAttributeAccessIssue]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.trainer.callbacks.remove(self)  # pyright: ignore[reportAttributeAccessIssue]
        for logger in self.loggers:
            logger.finalize("success" if error is None else "failed")
        for logger in self._users():
            end_experiment(getattr(logger, "experiment", None), error is None)

    def log_config(self, config: Config) -> None:
        """Gives the config to loggers of the user's own; config.yaml serves the others."""
        if config["trainer"].get("enable_autolog_hparams", True):
            for logger in self._users():
                logger.log_hyperparams(config)

    def resume(self) -> None:
        """Gives the loggers back to the Trainer for the next stage."""
        self.trainer.loggers = self.loggers

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        trainer.loggers = []

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        trainer.loggers = []

    def _users(self) -> Iterator[Any]:
        return (logger for logger in self.loggers if not isinstance(logger, RowLogger))


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
