"""Where a run's metrics go. Each epoch brings one row with all of its metrics (`COLUMNS`)."""

import contextlib
import csv
import io
import logging
import os
import threading
from abc import abstractmethod
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

COLUMNS: tuple[str, ...] = (
    "epoch", "step", "lr", "train/loss", "train/acc", "train/f1", "train/grad_norm",
    "val/loss", "val/acc", "val/f1",
)  # fmt: skip
"""The columns of metrics.csv; the validation ones are empty in an epoch without validation."""

log = logging.getLogger(__name__)


def _raise_once(
    hook: Callable[[threading.ExceptHookArgs], Any],
) -> Callable[[threading.ExceptHookArgs], None]:
    """TensorBoard's writer thread prints its error, and raises it in the training as well."""

    def hooked(args: threading.ExceptHookArgs) -> None:
        if type(args.thread).__module__ != "tensorboard.summary.writer.event_file_writer":
            hook(args)

    return hooked


threading.excepthook = _raise_once(threading.excepthook)


class RunTensorBoardLogger(TensorBoardLogger):
    """TensorBoard scalars in the run's folder itself.

    Lightning's own, without its sub-folders, its `hp_metric` and its hparams.yaml: a run's config
    stands in config.yaml.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, name="", version="", default_hp_metric=False)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """One event for all metrics of a step: a tenth of the time of one event each."""
        values = [
            Summary.Value(tag=name, simple_value=float(metrics[name])) for name in sorted(metrics)
        ]
        writer = self.experiment.file_writer
        assert writer is not None
        writer.add_summary(Summary(value=values), step)
        writer.flush()

    @rank_zero_only
    def save(self) -> None:
        """Nothing: an epoch is flushed as it is logged, and there is no hparams.yaml to write."""


class EpochLogger(Logger):
    """A logger that takes an epoch's row and nothing else. Subclasses write it."""

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.write({"epoch": int(metrics["epoch"]), "step": step} | {**metrics})

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Nothing: a run's config stands in config.yaml."""

    @abstractmethod
    def write(self, row: dict[str, Any]) -> None:
        """One epoch: the keys of `COLUMNS`, as far as the epoch has them."""


class EpochCSVLogger(EpochLogger):
    """metrics.csv in the run's folder: one row per epoch, on disk when the epoch ends."""

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self.path = Path(save_dir, "metrics.csv")

    def write(self, row: dict[str, Any]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS)
        size = self.path.stat().st_size if self.path.exists() else 0
        if size == 0:
            writer.writeheader()
        writer.writerow(row)
        try:
            with self.path.open("ab") as file:
                file.write(text.getvalue().encode())
        except OSError:  # a full disk takes half a row
            with contextlib.suppress(OSError):
                os.truncate(self.path, size)
            raise


class TextLogger(EpochLogger):
    """One line per epoch in train.log."""

    def write(self, row: dict[str, Any]) -> None:
        metrics = "  ".join(f"{name} {row[name]:.4g}" for name in COLUMNS[2:] if name in row)
        log.info("epoch %d  step %d  %s", row["epoch"], row["step"], metrics)


class PrintLoss(EpochLogger):
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

    def write(self, row: dict[str, Any]) -> None:
        epoch = row["epoch"] + 1
        if epoch % self.every_n_epochs == 0:
            print(f"Epoch [{epoch}/{self.max_epochs}], Loss: {row['train/loss']:.4f}")
