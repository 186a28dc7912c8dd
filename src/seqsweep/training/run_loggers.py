"""The loggers of a run through its stages."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, WandbLogger

from seqsweep.config.schema import Config
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
            if isinstance(logger, WandbLogger):  # else the next run of the process would use it
                logger.experiment.finish(exit_code=int(error is not None))

    def log_config(self, config: Config) -> None:
        """Gives the config to the user's own loggers; config.yaml serves the others."""
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
