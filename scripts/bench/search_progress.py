"""Reads from outside what a search has cost and found so far, for search.py."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from seqsweep.runs.metrics_csv import MetricsTail


class Best(NamedTuple):
    """The best trial until now: its validation accuracy and what identifies its weights."""

    val: float
    key: str
    params: dict[str, Any]


class Clock:
    """The CPU time of processes and of all that they have started."""

    def __init__(self) -> None:
        self.seconds: dict[psutil.Process, float] = {}

    def follow(self, pid: int) -> None:
        """Takes in the next process."""
        self.root = psutil.Process(pid)

    def read(self) -> float:
        with suppress(psutil.Error):
            for process in (self.root, *self.root.children(recursive=True)):
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    self.seconds[process] = times.user + times.system
        # A process that has ended keeps the last time that was read.
        return sum(self.seconds.values())

    def kill(self) -> None:
        for process in self.seconds:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(list(self.seconds), timeout=10)


class OurRuns:
    """The best validation accuracy in a folder of sweeps, one of which is being trained."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tails: dict[str, MetricsTail] = {}
        self.done: set[str] = set()
        self.started: set[str] = set()
        self.best = Best(-1.0, "", {})

    def look(self) -> tuple[int, Best]:
        for path in self.folder.glob("*/*/metrics.csv"):
            if str(path.parent) not in self.done:
                self._look_at(path.parent)
        return len(self.started), self.best

    def _look_at(self, path: Path) -> None:
        run_id = str(path)
        tail = self.tails.setdefault(run_id, MetricsTail(path / "metrics.csv", ["val/acc"]))
        # Nothing is added to metrics.csv after record.json.
        if (path / "record.json").exists():
            self.done.add(run_id)
        tail.look()
        if tail.epochs:
            self.started.add(run_id)
        if tail.best.get("val/acc", -1.0) > self.best.val:
            self.best = Best(tail.best["val/acc"], str(path), {})


class PlainEvents:
    """The best validation accuracy in the events of search_plain.py."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.jsonl"
        self.trials: set[str] = set()
        self.offset = 0
        self.best = Best(-1.0, "", {})

    def look(self) -> tuple[int, Best]:
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
            # The last line may not be finished yet.
            whole = data[: data.rfind(b"\n") + 1]
            self.offset += len(whole)
            for line in whole.splitlines():
                event = json.loads(line)
                self.trials.add(event["trial"])
                if event["val"] > self.best.val:
                    self.best = Best(event["val"], event["weights"], event["params"])
        return len(self.trials), self.best
