"""A tracker of a user's own with one open run per process, as W&B has in `wandb.run`."""

import json
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

open_run: "Run | None" = None


class Run:
    """An open run, which writes what it gets to `folder`/NAME.jsonl."""

    def __init__(self, path: Path) -> None:
        global open_run
        assert open_run is None, f"{open_run} is open"
        open_run, self.path = self, path

    def tell(self, kind: str, value: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([kind, value]) + "\n")

    def finish(self, exit_code: int) -> None:
        global open_run
        open_run = None
        self.tell("exit", exit_code)


class Tracker(Logger):
    """Takes a run's id as W&B does; fails at a row while there is a file `broken`, which names it.

    Args:
        folder: the place of all runs.
        id: the name of the run.
    """

    def __init__(self, folder: str, id: str | None = None) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.id = id
        self._run: Run | None = None

    @property
    def name(self) -> str:
        return "tracker"

    @property
    def version(self) -> str | None:
        return self.id

    @property
    def experiment(self) -> Run:
        if self._run is None:
            self._run = Run(self.folder / f"{self.id}.jsonl")
        return self._run

    def log_hyperparams(self, params: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.experiment.tell("config", params)

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        broken = self.folder / "broken"
        if broken.exists() and metrics["epoch"] == int(broken.read_text()):
            raise ConnectionError("no answer")
        self.experiment.tell("row", [step, dict(metrics)])

    def finalize(self, status: str) -> None:
        self.experiment.tell("end", status)


def tracked(folder: Path, run_id: str, kind: str) -> list[Any]:
    """Returns what a run has got of a kind: config, row, end or exit."""
    lines = (folder / f"{run_id}.jsonl").read_text().splitlines()
    return [value for each, value in map(json.loads, lines) if each == kind]


def epochs(folder: Path, run_id: str) -> list[float]:
    """Returns the epochs of the rows, the number of epochs in place of the test's."""
    return [row["epoch"] for _, row in tracked(folder, run_id, "row")]
