"""Reads the state of a sweep from its run folders.

The state of a run on disk is the state that is shown. A run that is done is read only once. For any
other run, a look reads its lock, and record.json, failure.json and metrics.csv if they are new.
"""

import contextlib
import functools
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from seqsweep.results.data_sets import source_of
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.keys import label_keys
from seqsweep.runs.events import writer_of
from seqsweep.runs.files import JsonObject, stat_of, version_of
from seqsweep.runs.lock import holder_of, is_locked
from seqsweep.runs.lock_files import host_name
from seqsweep.runs.metrics import Metric, knows_metrics, ranking_metric, without_validation
from seqsweep.runs.metrics_csv import MetricsSoFar
from seqsweep.runs.record import Record
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import NAME, SweepFile, lock_names
from seqsweep.text import one_line

_ENOUGH = 0.03
"""The least share of the work to estimate from, because epochs reach the disk in groups."""

_SHOWN = ("status", "error", "epoch", "epochs", "metrics", "directions", "train_seconds", "pruned")
"""The keys of a record that a display needs. All keys would fill the memory in a large sweep."""


class RunProgress:
    """The progress of one run; each `look` brings it up to date.

    Attributes:
        skipped: whether the run was done before the sweep was started.
        trained: the number of trained epochs; all of a complete run, even if it stopped early.
        epochs: the number of epochs that need no more time; after the run's end, all.
        state: `waiting`, `running`, `failed`, `interrupted` or the status of a record. A killed run
            is `waiting`: a process may resume it.
        record: the part of a done run's record that a display needs.
        host: the host that trains the run or trained it last; empty if it is unknown.
    """

    def __init__(self, folder: Path, sweep: SweepFile, label: str, metrics: list[Metric]) -> None:
        self.folder = folder
        self.label = label
        self.skipped = folder.name in sweep.done_before
        self.max_epochs: int = sweep.configs[folder.name].get("trainer.max_epochs") or 1
        self.trained = self.epochs = 0
        self.so_far = MetricsSoFar(folder / "metrics.csv", metrics)
        self.state = "waiting"
        self.record: Record | None = None
        self.error = ""
        self.host = ""
        self._sweep = sweep

    def score(self, metric: str) -> float | None:
        """Returns a metric of the record, or the best value so far; None if missing."""
        return (self.record.metrics if self.record else self.so_far.best).get(metric)

    def look(self) -> bool:
        """Reads changed files; returns whether the run has just ended."""
        # The lock is read first: a run writes its last file before it releases its lock.
        holder = holder_of(self.folder) if os.path.exists(f"{self.folder}/lock") else None
        self.record = self._read_record()
        if self.record is not None:
            self.state, self.error = self.record.status, one_line(self.record.error or "")
            self.epochs = self.max_epochs
            self.trained = self.max_epochs if self.state == "complete" else self.trained
            # No look has found the lock of a run that was trained between two looks. The name of
            # its event file has the host, too.
            if not self.host and not self.skipped:
                self.host, _ = writer_of(self.folder) or ("", 0)
            return not self.skipped
        before, version = self.state, version_of(f"{self.folder}/failure.json")
        # A failure that an earlier sweep has left says nothing about this sweep.
        is_new = version is not None and version[1] >= self._sweep.started * 1e9
        failure = _failure_in(self.folder, version) if is_new else {}
        kind = failure.get("kind")
        self.state = kind if kind in ("failed", "interrupted") else "waiting"
        self.error = one_line(failure.get("error", ""))
        if holder is not None:
            self.state, self.host = "running", holder.host
        self.so_far.look()
        self.trained = min(self.so_far.epochs, self.max_epochs)
        self.epochs = self.max_epochs if self.state == "failed" else self.trained
        return self.state == "failed" != before

    def _read_record(self) -> Record | None:
        stat, name = stat_of(f"{self.folder}/record.json"), self.folder.name
        # With `rerun` the record of the earlier training stays until the new one replaces it.
        reruns = self._sweep.configs[name].get("rerun")
        if stat is None or (reruns and stat.st_mtime < self._sweep.started):
            return None
        record = RunFolder(self.folder).record()
        # A sweep that is not a search will resume a pruned run.
        if record is None or (record.status == "pruned" and name not in self._sweep.limits):
            return None
        kept = {key: record.content[key] for key in _SHOWN if key in record.content}
        return Record.of(kept | {"config": self._sweep.configs[name]})


@functools.lru_cache(maxsize=4096)
def _failure_in(folder: Path, _version: tuple[int, int, int]) -> JsonObject:
    return RunFolder(folder).failure() or {}


class SweepProgress:
    """The progress of a sweep; each `look` brings it up to date.

    Attributes:
        columns: the texts of each column that distinguishes the runs, by run_id.
        sources: the data source of each run by run_id.
        max_epochs, epochs: the number of all epochs, and of those that need no more time.
        hosts: when each host that trains the sweep, or has trained runs, last touched a lock; `inf`
            unless all its locks are dead. Empty if there is no host but this one.
        has_begun: whether a run has a folder.
    """

    def __init__(
        self, folder: Path, sweep: SweepFile, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = folder
        self.sweep = sweep
        self.clock = clock
        configs = sweep.configs
        keys = key_names(label_keys(list(configs.values())), configs.values())
        self._metrics = [ranking_metric(configs.values()), without_validation(configs.values())]
        # A sweep of one run has no differing keys, so its label is the run_id.
        labels = {name: one_line(run_label(of, keys) or name) for name, of in configs.items()}
        metrics = self._metrics
        self.runs = [RunProgress(folder / name, sweep, labels[name], metrics) for name in configs]
        self.columns = {
            name: {run_id: one_line(keys.text(key, of.get(key))) for run_id, of in configs.items()}
            for key, name in keys.items()
        } or {"run": labels}
        self.sources = {name: source_of(config) for name, config in configs.items()}
        self.max_epochs = sum(run.max_epochs for run in self.runs)
        self.epochs = 0
        self.hosts: dict[str, float] = {}
        self.has_begun = False
        # Costs are used only if all runs have one, or else the estimate would be distorted.
        self._costs = sweep.costs if configs.keys() <= sweep.costs.keys() else {}
        self._begun = clock()
        self._trained_before = math.inf
        self._trained = 0.0
        self._ends: float | None = None
        self._version = version_of(f"{folder}/{NAME}")
        self._written = 0 if self._version is None else self._version[1]
        self._pending = self.runs

    def renewed(self) -> "SweepProgress":
        """Reads sweep.json again if it has changed; returns new progress for new runs."""
        version, self._version = self._version, version_of(f"{self.folder}/{NAME}")
        sweep = SweepFile.read(self.folder) if self._version != version else None
        # Without a command, the runs were found in the folder.
        if sweep is not None and self.sweep.command:
            before, self.sweep = self.sweep, sweep.current()
            # A sweep may only have written its end. A search may have added runs.
            now = self.sweep.started, self.sweep.configs.keys()
            if now != (before.started, before.configs.keys()):
                return SweepProgress(self.folder, self.sweep, self.clock)
        return self

    def look(self) -> list[RunProgress]:
        """Reads changed files; returns the runs that have just ended."""
        # One listing of the folder saves a look at each run that has not been started.
        names: set[str] = set()
        with contextlib.suppress(OSError):
            names.update(os.listdir(self.folder))
        begun = [run for run in self._pending if run.folder.name in names]
        ended = [run for run in begun if run.look()]
        self.has_begun |= bool(begun)
        # A failed run stays, because another process or a retry may resume it.
        self._pending = [run for run in self._pending if run.record is None]
        self.epochs = sum(run.epochs for run in self.runs)
        self.hosts = self._find_hosts(names)
        self._estimate()
        return ended

    def _find_hosts(self, names: Iterable[str]) -> dict[str, float]:
        hosts = dict.fromkeys((host for host, _ in self.counts_by_host), 0.0)
        for name, host in lock_names(names).items():
            stat = stat_of(f"{self.folder}/{name}")
            # Locks that are older than the sweep were left by processes that were killed before.
            if stat is not None and stat.st_mtime_ns >= self._written:
                when = math.inf if is_locked(self.folder, name) else stat.st_mtime
                hosts[host] = max(when, hosts.get(host, 0.0))
        hosts = {host: when or math.inf for host, when in hosts.items()}
        return hosts if hosts.keys() - {host_name()} else {}

    def _estimate(self) -> None:
        """Estimates the end from the pace since the start, when epochs have been added.

        Epochs count by their cost. Between two changes the time left counts down.
        """
        costs = [(run, self._costs.get(run.folder.name, 1.0)) for run in self.runs]
        total = sum(run.trained * cost for run, cost in costs)
        # Epochs from before the first look do not count, nor those that resumed runs cut off.
        self._trained_before = min(self._trained_before, total)
        trained = total - self._trained_before
        if trained != self._trained:
            self._trained, now = trained, self.clock()
            left = sum((run.max_epochs - run.epochs) * cost for run, cost in costs)
            is_known = trained > _ENOUGH * (trained + left)
            self._ends = now + left * (now - self._begun) / trained if is_known else None

    @property
    def seconds_left(self) -> float | None:
        """The estimated time left, or None while there is no estimate."""
        return None if self._ends is None else max(self._ends - self.clock(), 0.0)

    @property
    def counts(self) -> Counter[str]:
        """The number of runs by state; `skipped` were done before the sweep."""
        return Counter("skipped" if run.skipped else run.state for run in self.runs)

    @property
    def counts_by_host(self) -> Counter[tuple[str, str]]:
        """The number of `running` and `done` runs of each known host."""
        states = ((r.host, "done" if r.record else r.state) for r in self.runs if r.host)
        return Counter(state for state in states if state[1] in ("running", "done"))

    @property
    def monitor(self) -> Metric:
        """The metric that ranks the runs; without validation, a training metric."""
        records = [run.record for run in self.runs if run.record and run.state == "complete"]
        if not all(knows_metrics(record.config) for record in records):
            # Only the records of a user's own module say which metrics all runs have.
            return ranking_metric(self.sweep.configs.values(), records)
        # The logged metrics decide, because the data may lack a validation split.
        has_any = (m for m in self._metrics if any(r.score(m) is not None for r in self.runs))
        return next(has_any, self._metrics[0])

    def best(self, most: int) -> list[RunProgress]:
        """Returns at most `most` complete and running runs with the best scores.

        If the sweep has several data sources, the result is the best run on each of them.
        """
        monitor = self.monitor
        runs = [run for run in self.runs if run.state in ("complete", "running")]
        scored = [(score, run) for run in runs if (score := run.score(monitor)) is not None]
        # Python keeps the order of equal scores in both directions.
        scored.sort(key=lambda pair: pair[0], reverse=not monitor.lower_is_better)
        ranked = [run for _, run in scored]
        sources = dict.fromkeys(self.sources.values())
        if len(sources) > 1:
            firsts = {self.sources[run.folder.name]: run for run in reversed(ranked)}
            ranked = [firsts[source] for source in sources if source in firsts]
        return ranked[:most]
