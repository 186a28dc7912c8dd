"""The loggers of a run, and its train.log."""

import contextlib
import functools
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqsweep.config.schema import Config
from seqsweep.console import say
from seqsweep.errors import LockLost, integer
from seqsweep.runs.events import EventFile
from seqsweep.runs.files import refuse_links
from seqsweep.runs.held_folders import unlink
from seqsweep.runs.lock import check_held
from seqsweep.runs.metrics_csv import EpochRow, append_rows
from seqsweep.runs.run_folder import OWN
from seqsweep.training.fed_loggers import end_experiment

_COUNTERS = ("step", "epoch")

_IN_RECORD = ("test/loss", "test/acc", "test/f1")
"""The metrics of the finished run, which record.json holds."""


def _ignore(*args: Any, **kwargs: Any) -> None:
    """Does nothing: a row has all metrics, and config.yaml the config."""


class RowLogger(ABC):
    """A logger that gets the metrics of each epoch as a row."""

    @abstractmethod
    def write(self, rows: Sequence[EpochRow]) -> None:
        """Writes rows of epochs in their order."""


class EpochCSVLogger(RowLogger):
    """Writes metrics.csv in the run's folder, a row per epoch."""

    def __init__(self, save_dir: str) -> None:
        self.path = Path(save_dir, "metrics.csv")
        self._columns: list[str] | None = None

    def write(self, rows: Sequence[EpochRow]) -> None:
        """Appends rows to metrics.csv, all or none of them."""
        self._columns = append_rows(self.path, rows, self._columns)


class TrainerLogger:
    """The attributes of a Lightning logger, for code that calls `self.logger.experiment`.

    It is not one itself, because an import of Lightning takes a second.
    """

    name = version = ""
    group_separator = "/"

    def __init__(self, save_dir: str) -> None:
        self.save_dir = self.root_dir = self.log_dir = str(Path(save_dir, OWN))

    @property
    def experiment(self) -> Any:
        """An object that takes every call, such as `add_image`, and does nothing."""
        from lightning.pytorch.loggers.logger import DummyLogger  # late, as above

        return DummyLogger().experiment

    log_metrics = log_hyperparams = log_graph = after_save_checkpoint = save = finalize = _ignore


class RunTensorBoardLogger(TrainerLogger, RowLogger):
    """Writes rows, and numbers that Lightning and callbacks log, for TensorBoard."""

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir)
        self.events = EventFile(Path(save_dir))

    @functools.cached_property
    def experiment(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The `SummaryWriter` of the run; in a further process an object that does nothing."""
        from seqsweep.training.summary_writer import RunSummaryWriter

        return RunSummaryWriter(self.events.folder) if _is_first_process() else super().experiment

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Writes numbers, without the epoch and the test metrics."""
        hidden = (*_COUNTERS, *_IN_RECORD)
        scalars = {tag: float(value) for tag, value in metrics.items() if tag not in hidden}
        if scalars and _is_first_process():
            self.events.write([(step or 0, time.time(), scalars)])

    def write(self, rows: Sequence[EpochRow]) -> None:
        now = time.time()
        # The curve of a tag `epoch` would only be a straight line.
        self.events.write(
            [
                (int(row["step"]), now, {n: float(row[n]) for n in row if n not in _COUNTERS})
                for row in rows
            ]
        )


def _is_first_process() -> bool:
    """Returns whether this is the process of a run that writes its logs."""
    from lightning.pytorch.utilities import rank_zero_only  # late: whoever logs has imported it

    return getattr(rank_zero_only, "rank", 0) == 0


def text_line(row: EpochRow) -> str:
    """Returns an epoch's message in train.log."""
    metrics = "  ".join([f"{name} {row[name]:.4g}" for name in row if name not in _COUNTERS])
    return f"epoch {row['epoch']}  step {row['step']}  {metrics}"


class PrintLoss(RowLogger):
    """Prints the training loss every `every_n_epochs` epochs, as in docs/models.md."""

    def __init__(self, max_epochs: int, every_n_epochs: int = 5) -> None:
        integer("every_n_epochs", every_n_epochs, 1)
        self.max_epochs = max_epochs
        self.every_n_epochs = every_n_epochs

    def write(self, rows: Sequence[EpochRow]) -> None:
        for row in rows:
            epoch = row["epoch"] + 1
            if epoch % self.every_n_epochs == 0:
                say(f"Epoch [{epoch}/{self.max_epochs}], Loss: {row['train/loss']:.4f}")


@contextlib.contextmanager
def open_loggers(loggers: Sequence[Any], config: Config) -> Generator[None]:
    """Gives the user's own loggers the config, and ends them afterwards.

    The project's loggers need neither: config.yaml holds the config, and they keep no file open.
    Lightning itself would end a logger twice: after the fit and after the test.
    """
    users = [logger for logger in loggers if not isinstance(logger, TrainerLogger)]
    ends = [logger.finalize for logger in users]
    is_good = False
    try:
        for logger in users:
            logger.finalize = lambda status: None
            if config["trainer"].get("enable_autolog_hparams", True):
                logger.log_hyperparams(config)
        yield
        is_good = True
    finally:
        for logger, end in zip(users, ends, strict=True):
            end("success" if is_good else "failed")
            end_experiment(getattr(logger, "experiment", None), is_good)


class MemberLog:
    """Collects the rows of a run's epochs for metrics.csv, TensorBoard and train.log.

    Opening three files for each epoch of each run would take longer than the epoch. So the rows
    are written only before each checkpoint.

    Args:
        loggers: what writes the rows; train.log needs none.
    """

    def __init__(self, folder: Path, loggers: Sequence[RowLogger]) -> None:
        self.folder = folder
        self.loggers = list(loggers)
        self._rows: list[tuple[float, EpochRow]] = []
        self._lines: list[str] = []

    def add(self, row: EpochRow) -> None:
        self._rows.append((time.time(), row))

    def flush(self) -> None:
        """Writes the collected rows; keeps them if a logger raises an error."""
        if self._rows:
            for logger in self.loggers:
                logger.write([row for _, row in self._rows])
            self._lines += [_line(when, "INFO", text_line(row)) for when, row in self._rows]
            self._rows = []

    def say(self, message: str, level: str = "INFO") -> None:
        """Adds a line to train.log, which `write_lines` writes."""
        self._lines.append(_line(time.time(), level, message))

    def write_lines(self) -> None:
        """Writes the lines to train.log, or drops them if impossible."""
        path = self.folder / "train.log"
        lines, self._lines = self._lines, []
        with contextlib.suppress(OSError, LockLost):
            check_held(self.folder)
            # A link could lead out of the folder, and writing to a FIFO could block for ever.
            if path.is_symlink() or path.is_fifo():
                unlink(path)
            with open(path, "a", encoding="utf-8", opener=refuse_links) as file:
                file.writelines(lines)


def _line(when: float, level: str, message: str) -> str:
    """Formats a line as `logging` does."""
    second = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
    return f"{second},{int(when % 1 * 1000):03} {level} {message}\n"


# Without this handler, logging too would print each warning on stderr until train.log is open.
logging.getLogger("seqsweep").addHandler(logging.NullHandler())


class _ToMemberLog(logging.Handler):
    """Passes the messages of `logging` on to a run's train.log."""

    def __init__(self, member_log: MemberLog) -> None:
        super().__init__()
        self.member_log = member_log

    def emit(self, record: logging.LogRecord) -> None:
        self.member_log.say(self.format(record), record.levelname)
        self.member_log.write_lines()


@contextlib.contextmanager
def log_to(member_log: MemberLog) -> Generator[None]:
    """Writes the log messages of seqsweep and Lightning in the block to a run's train.log."""
    handler = _ToMemberLog(member_log)
    loggers = [logging.getLogger(name) for name in ("seqsweep", "lightning.pytorch")]
    level, propagate = loggers[0].level, loggers[0].propagate
    loggers[0].setLevel(logging.INFO)
    # A library may have called `logging.basicConfig`, which would print each line on stderr too.
    loggers[0].propagate = False
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        loggers[0].setLevel(level)
        loggers[0].propagate = propagate
