"""What the view shows of each run, from the files of its folder."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from seqsweep.results.formatting import column_values
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.run_names import Name, names_of
from seqsweep.runs.files import read_object
from seqsweep.runs.ledger import Entry, read_folder, value_key
from seqsweep.runs.metric_names import DEFAULT_MONITOR, lower_is_better, monitor_of
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.sweepfile import SweepFile

Status = Literal["success", "failure", "unknown"]
"""As TensorBoard has them; a run that trains, was interrupted or was killed is unknown."""

_STATUS: Mapping[str, Status] = {"complete": "success", "diverged": "failure", "failed": "failure"}
_OF_RECORD = ("best_epoch", "train_seconds", "params", "samples_per_s")
_ALWAYS = ("val/acc", "val/loss", "test/acc", "test/f1")


def summary_name(metric: str) -> str:
    """The name of a metric of the best epoch under `summary/`.

    >>> summary_name("val/loss"), summary_name("test/acc")
    ('best_val_loss', 'test_acc')
    """
    name = metric.replace("/", "_")
    return name if metric.startswith("test/") else f"best_{name}"


@dataclass(frozen=True)
class Run:
    """One run of the view.

    Args:
        name: of the run and of its config.
        config: flat, the keys that differ in the sweep and not the seed.
    """

    entry: Entry
    name: Name
    config: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        return self.entry.folder.path

    @property
    def status(self) -> Status:
        return _STATUS.get(self.entry.state, "unknown")

    @property
    def monitor(self) -> str:
        return self.entry.config.get("monitor") or DEFAULT_MONITOR

    @property
    def record(self) -> dict[str, Any]:
        """That of a finished run; empty for others."""
        return self.entry.record or {}

    @cached_property
    def started(self) -> float:
        """Seconds since 1970."""
        started = read_object(self.folder / "provenance.json").get("started", "")
        try:
            return datetime.strptime(started, "%Y-%m-%dT%H:%M:%S%z").timestamp()
        except (TypeError, ValueError):
            return _changed(self.folder / "config.yaml")

    @cached_property
    def ended(self) -> float:
        """When the run last said something that the view shows."""
        name = {"success": "record.json", "failure": "failure.json"}.get(self.status, "metrics.csv")
        if self.entry.state == "diverged":
            name = "record.json"
        return _changed(self.folder / name) or self.started

    @cached_property
    def best(self) -> tuple[int, dict[str, float]]:
        """The step of the best epoch so far, and what is known of it, without numbers that are not.

        The names are those under `summary/`: best_val_acc, best_epoch, test_acc and so on.
        """
        step, found = self._of_record() if self.record else self._of_log()
        known = {name: float(v) for name, v in found.items() if isinstance(v, (int, float))}
        return step, {name: value for name, value in known.items() if math.isfinite(value)}

    @property
    def score(self) -> float:
        """Of a finished run, by the metric that chose its best epoch; the higher the better."""
        value = self.record.get("metrics", {}).get(self.monitor)
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            return -math.inf
        return -value if lower_is_better(self.monitor) else value

    @property
    def _shown(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.monitor, *_ALWAYS)))

    def _of_record(self) -> tuple[int, dict[str, Any]]:
        record, metrics = self.record, self.record.get("metrics", {})
        found = {summary_name(name): metrics.get(name) for name in self._shown}
        found |= {name: record.get(name) for name in _OF_RECORD}
        epochs, best = record.get("epochs") or 0, record.get("best_epoch") or 0
        step = round(record.get("steps", 0) * (best + 1) / epochs) if epochs else 0
        return step, found

    def _of_log(self) -> tuple[int, dict[str, Any]]:
        """Of the best epoch in metrics.csv, by the rule that the training has for it."""
        logged = read_rows(self.folder / "metrics.csv")
        if not logged:
            return 0, {}
        sign = -1 if lower_is_better(self.monitor) else 1
        judged = [row for row in logged if self.monitor in row] or logged[-1:]
        best = max(  # of equal ones the first
            judged, key=lambda row: (sign * row.get(self.monitor, 0.0), -row.get("val/loss", 0.0))
        )
        found = {summary_name(name): best.get(name) for name in self._shown}
        return int(best.get("step", 0)), found | {"best_epoch": best["epoch"]}


@dataclass(frozen=True)
class Runs:
    """The runs of a folder in the order of their names.

    Args:
        keys: in which their configs differ, or those of the sweep's members that have not started.
        values: of each of these keys, in all of them.
        names: of the runs and of the sweep's members that have not started, by run_id.
        planned: the configs of the sweep's members.
    """

    runs: list[Run]
    keys: list[str]
    values: Mapping[str, list[Any]]
    names: Mapping[str, Name]
    planned: Sequence[Mapping[str, Any]] = ()

    @property
    def monitor(self) -> str:
        """The metric that ranks the runs."""
        return monitor_of(run.entry.config for run in self.runs)


def read_runs(folder: Path) -> Runs:
    """Those below a folder, or the one that it is itself.

    Names and keys are those of the whole sweep, of which sweep.json knows before it is trained.

    Raises:
        FileNotFoundError, ValueError: no such folder; no run in it.
    """
    entries = read_folder(folder)
    sweep = SweepFile.read(folder)
    configs = dict(sweep.configs) if sweep else {}
    configs |= {entry.folder.run_id: entry.config for entry in entries}
    keys = [key for key in distinguishing_keys(list(configs.values())) if key != "seed"]
    names = names_of(configs)
    values: dict[str, list[Any]] = {}
    shown: dict[str, dict[str, Any]] = {}
    for key in keys:
        own = [config[key] for config in configs.values() if key in config]
        values[key] = column_values(key, own)
        shown[key] = dict(zip(map(value_key, own), values[key], strict=True))
    runs = [
        Run(
            entry,
            names[entry.folder.run_id],
            {key: shown[key][value_key(entry.config[key])] for key in keys if key in entry.config},
        )
        for entry in entries
    ]
    planned = list(sweep.configs.values()) if sweep else []
    return Runs(sorted(runs, key=lambda run: run.name.run), keys, values, names, planned)


def _changed(path: Path) -> float:
    """When a file was last written, in seconds since 1970; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
