"""Folders of a sweep whose runs a test starts and ends, with a clock that a test sets."""

import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from seqsweep.live.state import SweepProgress
from seqsweep.live.table import LiveTable
from seqsweep.runs.identity import flatten
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile

EPOCHS = 10
HEADER = "epoch,step,lr,train/loss,val/loss,val/acc\r\n"
COMMAND = ("seqsweep", "train", "-m", "seed=0,1,2")


def config(seed: int = 0, **more: Any) -> dict[str, Any]:
    base = {"seed": seed, "monitor": "val/acc", "rerun": False, "model": {"hidden_size": 8}}
    return base | {"trainer": {"max_epochs": EPOCHS}} | more


def train(folder: Path, epochs: Sequence[int], accuracy: float = 0.5) -> None:
    with (folder / "metrics.csv").open("a", newline="") as file:
        file.writelines(f"{e},{e * 6},0.01,{1 / (e + 1)},0.5,{accuracy}\r\n" for e in epochs)


class Clock:
    """A clock that a test sets; it starts when the sweep is made."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Sweep:
    """A folder with one run for each config, and a clock for its progress."""

    def __init__(self, folder: Path, configs: Sequence[dict[str, Any]]) -> None:
        self.folder = folder
        self.configs = {f"run{index}": one for index, one in enumerate(configs)}
        self.clock = Clock()

    def run(self, index: int) -> RunFolder:
        return RunFolder(self.folder / f"run{index}")

    def start(self, index: int) -> RunFolder:
        run = self.run(index)
        run.start(self.configs[f"run{index}"], {}, sync=False)
        (run.path / "metrics.csv").write_text(HEADER, newline="")
        return run

    def finish(self, index: int, accuracy: float = 0.9, **more: Any) -> None:
        metrics = {"val/acc": accuracy, "val/loss": 0.3, "train/loss": 0.2, "test/acc": 0.8}
        of = dict(flatten(self.configs[f"run{index}"]))
        record = {"metrics": metrics, "best_epoch": 7, "epochs": EPOCHS, "params": 100,
                  "train_seconds": 1.5, "config": of}  # fmt: skip
        self.run(index).finish(record | more, synced=True)

    def end(self, index: int, accuracy: float = 0.9, **more: Any) -> None:
        self.start(index)
        self.finish(index, accuracy, **more)

    def file(self, done_before: Sequence[str] = (), started: float | None = None) -> SweepFile:
        flat = {name: dict(flatten(one)) for name, one in self.configs.items()}
        when = self.clock.now if started is None else started
        return SweepFile(COMMAND, when, flat, frozenset(done_before))

    def progress(self, **options: Any) -> SweepProgress:
        return SweepProgress(self.folder, self.file(**options), clock=self.clock)


def display_text(progress: SweepProgress, width: int = 80, is_last: bool = False) -> str:
    """Returns the table as a terminal shows it."""
    console = Console(file=io.StringIO(), record=True, width=width)
    console.print(LiveTable(progress, is_last))
    return console.export_text()


def run_folders(root: Path, count: int) -> list[RunFolder]:
    """Returns folders of runs that have not started."""
    return [RunFolder(root / f"run{index}") for index in range(count)]


def finish(run: RunFolder) -> None:
    """Starts a run without a config, and finishes it."""
    run.start({}, {}, sync=False)
    metrics = {"val/acc": 0.9, "test/acc": 0.8}
    run.finish({"config": {}, "metrics": metrics, "train_seconds": 1.5}, synced=True)
