"""Reads the runs that TensorBoard shows from the files of their folders."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from seqsweep.results.formatting import column_values
from seqsweep.results.rows import distinguishing_keys
from seqsweep.results.run_names import Name, names_of
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import REPLICATE_KEYS, is_own_module
from seqsweep.runs.ledger import Entry, read_folder, value_key
from seqsweep.runs.metrics import (
    DEFAULT_MONITOR,
    Metric,
    as_metric,
    epoch_score,
    finite,
    metrics_in,
    monitor_of_config,
    own_metrics,
    ranking_metric,
)
from seqsweep.runs.record import Record
from seqsweep.runs.sweepfile import SweepFile

Status = Literal["success", "failure", "unknown"]
"""TensorBoard's word for a run's end; `unknown` for a run in training, interrupted or killed."""

_STATUS: Mapping[str, Status] = {
    "complete": "success",
    "pruned": "success",
    "diverged": "failure",
    "failed": "failure",
}
_LAST_FILE = dict.fromkeys(("complete", "pruned", "diverged"), "record.json") | {
    "failed": "failure.json"
}
_RECORD_KEYS = ("best_epoch", "train_seconds", "params", "samples_per_s")
_METRICS = ("val/acc", "val/loss", "test/acc", "test/f1")
_COLUMNS = ("best_val_acc", "test_acc", "test_f1")


def summary_name(metric: str) -> str:
    """Returns the name under `summary/` of a metric: `best_val_loss`, `test_acc`."""
    name = metric.replace("/", "_")
    return name if as_metric(metric).split_name == "test" else f"best_{name}"


@dataclass(frozen=True)
class Run:
    """One run that TensorBoard shows.

    Args:
        entry: the content of the run's folder.
        name: the names of the run and of its config.
        config: the shown values of the keys that differ in the sweep, except keys of replicates.
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
    def monitor(self) -> Metric:
        return monitor_of_config(self.entry.config) or next(iter(self.own), DEFAULT_MONITOR)

    @property
    def own(self) -> list[Metric]:
        """The metrics of a user's own module in the record."""
        return own_metrics(metrics_in(self.record))

    @property
    def record(self) -> Record:
        """The run's record; empty if the run has none."""
        return self.entry.record

    @cached_property
    def started(self) -> float:
        """The start of the run in seconds since 1970."""
        started = read_object(self.folder / "provenance.json").get("started", "")
        try:
            # The run wrote this time itself. A file's time changes when a folder is copied.
            return datetime.strptime(started, "%Y-%m-%dT%H:%M:%S%z").timestamp()
        except (TypeError, ValueError):
            return _modified(self.folder / "config.yaml")

    @cached_property
    def ended(self) -> float:
        """The run's end in seconds since 1970; its start without an end."""
        name = _LAST_FILE.get(self.entry.state)
        return (name and _modified(self.folder / name)) or self.started

    @cached_property
    def best(self) -> tuple[int, dict[str, float]]:
        """The step of the best epoch, and the record's finite numbers by name."""
        record, metrics = self.record, metrics_in(self.record)
        names = dict.fromkeys((self.monitor, *(self.own or _METRICS)))
        values = {summary_name(name): metrics.get(name) for name in names}
        values |= {name: getattr(record, name) for name in _RECORD_KEYS}
        epochs, best_epoch = record.epochs or 0, record.best_epoch or 0
        # The record has only the total number of steps. Every epoch has equally many steps.
        step = round(record.steps * (best_epoch + 1) / epochs) if epochs else 0
        return step, finite(values)

    @property
    def score(self) -> float:
        """The run's monitored metric, signed so that higher is better; else -inf."""
        metrics, monitor = metrics_in(self.record), self.monitor
        return epoch_score(metrics, monitor)[0] if monitor in metrics else -math.inf


@dataclass(frozen=True)
class Runs:
    """The runs of a folder, ordered by name, and the planned configs.

    The keys that differ, their values and the names by run_id also cover members of the sweep that
    have not started.
    """

    runs: list[Run]
    keys: list[str]
    values: Mapping[str, list[Any]]
    names: Mapping[str, Name]
    planned: Sequence[Mapping[str, Any]] = ()

    @property
    def monitor(self) -> Metric:
        """The metric that ranks the runs."""
        complete = (run.record for run in self.runs if run.entry.state == "complete")
        return ranking_metric((run.entry.config for run in self.runs), complete)

    @property
    def scores(self) -> list[str]:
        """The names under `summary/` of the metrics in the columns of a table."""
        own = [summary_name(name) for run in self.runs for name in run.own]
        has_ours = not all(is_own_module(run.entry.config) for run in self.runs)
        return [summary_name(self.monitor), *own, *(_COLUMNS if has_ours else ())]


def read_runs(folder: Path) -> Runs:
    """Reads the runs below a folder, or the run in it.

    sweep.json lists all members of a sweep before they train, so names and keys stay the same
    while the sweep runs.

    Raises:
        FileNotFoundError, ValueError: the folder does not exist, or it contains no run.
    """
    entries = read_folder(folder)
    sweep = SweepFile.read(folder)
    planned = dict(sweep.configs) if sweep else {}
    configs = planned | {entry.folder.run_id: entry.config for entry in entries}
    # A damaged config is empty, and would make every key look swept.
    differing = distinguishing_keys([config for config in configs.values() if config])
    keys = [key for key in differing if key not in REPLICATE_KEYS]
    names = names_of(configs)
    # The displayed values of each key: a class is displayed by its option or last name.
    values: dict[str, list[Any]] = {}
    displayed: dict[str, dict[str, Any]] = {}
    for key in keys:
        # Members that have not started count too, so columns do not change when they start.
        raw = [config[key] for config in configs.values() if key in config]
        values[key] = column_values(key, raw)
        displayed[key] = dict(zip(map(value_key, raw), values[key], strict=True))
    runs: list[Run] = []
    for entry in entries:
        config = entry.config
        # Not every run has every key.
        differing = {key: displayed[key][value_key(config[key])] for key in keys if key in config}
        runs.append(Run(entry, names[entry.folder.run_id], differing))
    runs.sort(key=lambda run: run.name.run)
    return Runs(runs, keys, values, names, list(planned.values()))


def _modified(path: Path) -> float:
    """Returns a file's time in seconds since 1970; 0 without a file."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
