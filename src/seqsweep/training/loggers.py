"""The loggers of a run, which get a row of metrics an epoch."""

import logging
import time
from abc import abstractmethod
from argparse import Namespace
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from seqsweep.config.schema import Config
from seqsweep.console import say
from seqsweep.runs.eventfiles import WRITER, event_folder
from seqsweep.runs.events import EventFile, Row, append_bytes
from seqsweep.runs.lock import check_held
from seqsweep.training.fed_loggers import end_experiment

COLUMNS: tuple[str, ...] = (
    "epoch", "step", "lr", "train/loss", "train/acc", "train/f1", "train/grad_norm",
    "val/loss", "val/acc", "val/f1",
)  # fmt: skip
"""The columns of metrics.csv; those of validation are empty in an epoch without it."""

_COLUMNS = frozenset(COLUMNS)
_COUNTERS = ("step", "epoch")
_CSV_HEADER = (",".join(COLUMNS) + "\r\n").encode()

log = logging.getLogger(__name__)


_IN_RECORD = ("test/loss", "test/acc", "test/f1")
"""The metrics of the finished run, which record.json holds."""


class RowLogger(Logger):
    """A logger that takes the rows of epochs, which subclasses write."""

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_epoch(self, row: Mapping[str, float], step: int) -> None:
        """Takes an epoch's metrics, as `SequenceClassifier` logs them."""
        self.write([{**row, "step": step}])

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Does nothing: metrics of callbacks go to TensorBoard and to the user's loggers."""

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Does nothing: config.yaml holds a run's config."""

    @abstractmethod
    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Writes rows of epochs in their order, with keys from `COLUMNS`."""


class RunTensorBoardLogger(RowLogger, TensorBoardLogger):
    """Writes TensorBoard scalars into the run's folder, to the path of `runs.eventfiles`.

    It is Lightning's logger without sub-folders, `hp_metric` and hparams.yaml, since config.yaml
    holds a run's config. Rows and the metrics that callbacks log go to an `EventFile`. A
    SummaryWriter, with its thread and a second file, is made when `experiment` is used.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(
            save_dir, name="", version="", default_hp_metric=False, filename_suffix=WRITER
        )
        self.events = EventFile(Path(save_dir))

    @property
    def log_dir(self) -> str:
        """The folder of the SummaryWriter's file, the same as that of the rows."""
        return str(event_folder(self.events.folder))

    @property
    def experiment(self) -> Any:
        """The SummaryWriter, made when an attribute of it is used."""
        # Lightning reads `experiment` in every run. Most runs never write to it, and a full disk
        # would end the thread of an unused writer with a traceback.
        return self._experiment or _OnDemand(lambda: super(RunTensorBoardLogger, self).experiment)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Writes what callbacks log; each value of a dict gets a tag."""
        values = {tag: v for tag, v in metrics.items() if tag not in ("epoch", *_IN_RECORD)}
        scalars = {tag: float(value) for tag, value in flatten_tags(values)}
        if scalars:
            self.events.write([(step or 0, time.time(), scalars)])

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self.events.write(event_rows(rows))
        # The epoch's checkpoint records how long the event file is, so all rows must be in it.
        if self._experiment is not None:
            self._experiment.flush()

    @rank_zero_only
    def save(self) -> None:
        """Does nothing: rows are on disk, and there is no hparams.yaml."""


class _OnDemand:
    """A stand-in for an object that is made when it is used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


def flatten_tags(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields tags and their values; those of a nested mapping are called `tag/key`."""
    for tag, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{tag}/{key}", part) for key, part in value.items())
        else:
            yield tag, value


def event_rows(rows: Sequence[dict[str, Any]]) -> list[Row]:
    """Returns rows for an `EventFile`; step and epoch are not tags.

    The epoch over the steps is a straight line, which would have a card of its own in TensorBoard.
    """
    now = time.time()
    return [
        (row["step"] or 0, now, {tag: float(row[tag]) for tag in row if tag not in _COUNTERS})
        for row in rows
    ]


class EpochCSVLogger(RowLogger):
    """Writes metrics.csv in the run's folder, a row per epoch.

    Attributes:
        has_begun: whether the run has written the file.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self.path = Path(save_dir, "metrics.csv")
        self.has_begun = False

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Appends rows to metrics.csv, all or none of them.

        Raises:
            LockLost: another process trains the run now.
            OSError: the file cannot be written, or somebody has deleted it.
            ValueError: a key is not a column.
        """
        check_held(self.path.parent)
        text = "".join([csv_line(row) for row in rows])
        # A new file would lack the epochs so far.
        mode = "r+b" if self.has_begun else "ab"
        append_bytes(self.path, text.encode(), header=_CSV_HEADER, mode=mode)
        self.has_begun = True


def continue_rows(loggers: Iterable[Logger], files: Mapping[str, int]) -> None:
    """Tells the loggers of metrics.csv whether it belongs to the checkpoint of a resumed run."""
    for logger in loggers:
        if isinstance(logger, EpochCSVLogger):
            logger.has_begun = logger.path.name in files


def csv_line(row: dict[str, Any]) -> str:
    """Formats a row of numbers as csv.DictWriter does, in half of its time."""
    # An unknown key would silently be lost, since the header names the columns once for all rows.
    if not _COLUMNS.issuperset(row):
        unknown = ", ".join(sorted(row.keys() - _COLUMNS))
        raise ValueError(f"{unknown}: must be columns of metrics.csv: {', '.join(COLUMNS)}")
    values = [row.get(name) for name in COLUMNS]
    return ",".join(["" if value is None else str(value) for value in values]) + "\r\n"


class TextLogger(RowLogger):
    """Writes one line per epoch to train.log."""

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            log.info(text_line(row))


def text_line(row: dict[str, Any]) -> str:
    """Returns an epoch's message in train.log."""
    metrics = "  ".join([f"{name} {row[name]:.4g}" for name in COLUMNS[2:] if name in row])
    return f"epoch {row['epoch']}  step {row['step']}  {metrics}"


class PrintLoss(RowLogger):
    """Prints the training loss every `every_n_epochs` epochs, in the notebook's words.

    Args:
        max_epochs: the number after the slash.
        every_n_epochs: at least 1.
    """

    def __init__(self, max_epochs: int, every_n_epochs: int = 5) -> None:
        super().__init__()
        if every_n_epochs < 1:
            raise ValueError(f"every_n_epochs={every_n_epochs}: must be at least 1")
        self.max_epochs = max_epochs
        self.every_n_epochs = every_n_epochs

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            epoch = row["epoch"] + 1
            if epoch % self.every_n_epochs == 0:
                say(f"Epoch [{epoch}/{self.max_epochs}], Loss: {row['train/loss']:.4f}")


class LoggersOfRun(Callback):
    """Keeps the loggers of a run open through its stages.

    Lightning closes its loggers after each stage, and a run has two stages. So the Trainer has no
    loggers from the end of one stage until `resume`.

    Args:
        trainer: the Trainer, which gets this object as its last callback.
    """

    def __init__(self, trainer: L.Trainer) -> None:
        self.trainer = trainer
        self.loggers: list[Logger] = list(trainer.loggers)

    @contextmanager
    def open(self) -> Generator[None]:
        """Closes the loggers when the block ends."""
        callbacks: list[Any] = self.trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
        callbacks.append(self)
        is_good = False
        try:
            yield
            is_good = True
        finally:
            callbacks.remove(self)
            for logger in self.loggers:
                logger.finalize("success" if is_good else "failed")
            for logger in self._users():
                end_experiment(getattr(logger, "experiment", None), is_good)

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
