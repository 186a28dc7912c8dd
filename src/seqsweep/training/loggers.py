"""Where a run's metrics go. Each epoch brings one row with all of its metrics (`COLUMNS`)."""

import logging
import time
from abc import abstractmethod
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from seqsweep.runs.eventfiles import WRITER, event_folder
from seqsweep.runs.events import EventFile, Row, append_bytes

COLUMNS: tuple[str, ...] = (
    "epoch", "step", "lr", "train/loss", "train/acc", "train/f1", "train/grad_norm",
    "val/loss", "val/acc", "val/f1",
)  # fmt: skip
"""The columns of metrics.csv; the validation ones are empty in an epoch without validation."""

_COLUMNS = frozenset(COLUMNS)
_COUNTERS = ("step", "epoch")
_CSV_HEADER = (",".join(COLUMNS) + "\r\n").encode()

log = logging.getLogger(__name__)


_IN_RECORD = ("test/loss", "test/acc", "test/f1")
"""Metrics of the finished run, which record.json holds."""


class RowLogger(Logger):
    """A logger of this package: it takes the rows of epochs. Subclasses write them."""

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
        """Nothing: a run's config stands in config.yaml."""

    @abstractmethod
    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Some epochs in their order: the keys of `COLUMNS`, as far as each epoch has them."""


class RunTensorBoardLogger(TensorBoardLogger, RowLogger):  # pyright: ignore[reportIncompatibleMethodOverride]
    """TensorBoard scalars in the run's folder, where `runs.eventfiles` has them.

    Lightning's own, without its sub-folders, its `hp_metric` and its hparams.yaml: a run's config
    stands in config.yaml. Rows go to an event file of our own, `events`, and so do the metrics that
    callbacks log. A SummaryWriter, with its thread and a second file, is made for whoever uses
    `experiment`.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(
            save_dir, name="", version="", default_hp_metric=False, filename_suffix=WRITER
        )
        self.events = EventFile(Path(save_dir))

    @property
    def log_dir(self) -> str:
        """The folder of the SummaryWriter's file: that of the rows, so that both are one run."""
        return str(event_folder(self.events.folder))

    @property
    def experiment(self) -> Any:
        """The SummaryWriter, made when it is used: Lightning asks for it before every run."""
        return self._experiment or _OnDemand(self._summary_writer)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Writes what callbacks log; a dict of values as one tag for each."""
        values = {tag: v for tag, v in metrics.items() if tag not in ("epoch", *_IN_RECORD)}
        scalars = {tag: float(value) for tag, value in flatten_tags(values)}
        if scalars:
            self.events.write([(step or 0, time.time(), scalars)])

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self.events.write(event_rows(rows))
        if self._experiment is not None:  # the checkpoint of the epoch notes how long its file is
            self._experiment.flush()

    @rank_zero_only
    def save(self) -> None:
        """Nothing: rows are on disk when they are logged, and there is no hparams.yaml to write."""

    def _summary_writer(self) -> Any:
        return super().experiment


class _OnDemand:
    """Stands for an object that is made when an attribute of it is asked for."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


def flatten_tags(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Tags and their values; those of a nested mapping as `tag/key`."""
    for tag, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{tag}/{key}", part) for key, part in value.items())
        else:
            yield tag, value


def event_rows(rows: Sequence[dict[str, Any]]) -> list[Row]:
    """Rows for an `EventFile`, at the time of now; the tags are the keys without step and epoch.

    The epoch over the steps is a straight line, for which TensorBoard would show a card.
    """
    now = time.time()
    return [
        (row["step"] or 0, now, {tag: float(row[tag]) for tag in row if tag not in _COUNTERS})
        for row in rows
    ]


class EpochCSVLogger(RowLogger):
    """metrics.csv in the run's folder: one row per epoch, on disk when it is logged."""

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self.path = Path(save_dir, "metrics.csv")

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Raises OSError, and ValueError for a key that is no column; then nothing is written."""
        text = "".join([csv_line(row) for row in rows])
        append_bytes(self.path, text.encode(), header=_CSV_HEADER)


def csv_line(row: dict[str, Any]) -> str:
    """What csv.DictWriter makes of a row of numbers, in half of its time."""
    if not _COLUMNS.issuperset(row):
        unknown = ", ".join(sorted(row.keys() - _COLUMNS))
        raise ValueError(f"{unknown}: no column of metrics.csv, which has {', '.join(COLUMNS)}")
    values = [row.get(name) for name in COLUMNS]
    return ",".join(["" if value is None else str(value) for value in values]) + "\r\n"


class TextLogger(RowLogger):
    """One line per epoch in train.log."""

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            log.info(text_line(row))


def text_line(row: dict[str, Any]) -> str:
    """An epoch's message in train.log."""
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
                print(f"Epoch [{epoch}/{self.max_epochs}], Loss: {row['train/loss']:.4f}")
