"""Reads the state of a sweep from its run folders.

A look is one reading of the folders; the state is kept between two looks. A run that is done is
read only once. For any other run, a look reads its lock, and record.json, failure.json and
metrics.csv if they have changed.
"""

import contextlib
import functools
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from seqsweep.live.hosts import Host, find_hosts
from seqsweep.live.run_state import RunProgress
from seqsweep.results.data_sets import source_of
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.rows import label_keys
from seqsweep.runs.files import stat_of
from seqsweep.runs.identity import FlatConfig, is_own_module
from seqsweep.runs.lock_files import host_name
from seqsweep.runs.metrics import Metric, ranking_metric, without_validation
from seqsweep.runs.metrics_csv import MetricsTail
from seqsweep.runs.sweepfile import NAME, SweepFile
from seqsweep.text import one_line

_ENOUGH = 0.03
"""The least share of the work to estimate from, because epochs reach the disk in groups."""


class SweepProgress:
    """The progress of a sweep; each `look` brings it up to date.

    Attributes:
        keys: the config keys in which the runs differ, each with its short name.
        hosts: the hosts that train the sweep or have trained runs, by name.
    """

    def __init__(
        self, folder: Path, sweep: SweepFile, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = folder
        self.sweep = sweep
        self.clock = clock
        configs = sweep.configs
        self.keys = key_names(label_keys(list(configs.values())), configs.values())
        self._monitor = ranking_metric(configs.values())
        self._without_validation = without_validation(configs.values())
        self.runs = [self._run(name, config) for name, config in configs.items()]
        # Costs are used only if all runs have one, or else the estimate would be distorted.
        self._costs = sweep.costs if configs.keys() <= sweep.costs.keys() else {}
        self._begun = clock()
        self._trained = 0.0
        self._ends: float | None = None
        self.hosts: dict[str, Host] = {}
        stat = stat_of(f"{folder}/{NAME}")
        self._written = 0.0 if stat is None else stat.st_mtime
        self.has_begun = False
        self._pending = {run.folder.name: run for run in self.runs}
        # The first look finds what was done before this sweep.
        self._is_first = True

    def _run(self, name: str, config: FlatConfig) -> RunProgress:
        folder = self.folder / name
        tail = MetricsTail(folder / "metrics.csv", (self._monitor, self._without_validation))
        # A sweep of one run has no differing keys, so its label is the run_id.
        label = one_line(run_label(config, self.keys) or name)
        skipped, is_searched = name in self.sweep.done_before, name in self.sweep.limits
        return RunProgress(folder, config, label, skipped, is_searched, tail, self.sweep.started)

    def look(self) -> list[RunProgress]:
        """Reads changed files; returns the runs that have just ended."""
        # One listing of the folder saves a look at each run that has not been started.
        names: set[str] = set()
        with contextlib.suppress(OSError):
            names.update(os.listdir(self.folder))
        pending = [run for name, run in self._pending.items() if name in names]
        ended = [run for run in pending if run.look(self._is_first)]
        self.has_begun |= bool(pending)
        self.hosts = find_hosts(self.folder, names, self.runs, self._written)
        self._is_first = False
        # A failed run stays, because another process or a retry may resume it.
        self._pending = {name: run for name, run in self._pending.items() if run.record is None}
        self._estimate()
        return ended

    def _estimate(self) -> None:
        """Estimates the end from the pace since the start, when epochs have been added.

        Epochs count by their cost. Between two changes the time left counts down.
        """
        trained = sum((run.trained - run.already) * self._cost(run) for run in self.runs)
        if trained != self._trained:
            self._trained, now = trained, self.clock()
            left = sum((run.max_epochs - run.epochs) * self._cost(run) for run in self.runs)
            is_known = trained > _ENOUGH * (trained + left)
            self._ends = now + left * (now - self._begun) / trained if is_known else None

    def _cost(self, run: RunProgress) -> float:
        """Returns the cost of an epoch; 1 if some costs are unknown."""
        return self._costs.get(run.folder.name, 1.0)

    @functools.cached_property
    def columns(self) -> dict[str, dict[str, str]]:
        """The texts of each column that distinguishes the runs, by run_id."""
        if not self.keys:
            return {"run": {run.folder.name: run.label for run in self.runs}}
        configs = self.sweep.configs.items()
        return {
            name: {run_id: one_line(self.keys.text(key, of.get(key))) for run_id, of in configs}
            for key, name in self.keys.items()
        }

    @functools.cached_property
    def to_train(self) -> int:
        """The number of runs that were not done before the sweep."""
        return sum(not run.skipped for run in self.runs)

    @property
    def has_other_hosts(self) -> bool:
        """Tells whether other hosts than this one train the sweep, or have trained runs."""
        return any(name != host_name() for name in self.hosts)

    @property
    def max_epochs(self) -> int:
        """The number of epochs of all runs together."""
        return sum(run.max_epochs for run in self.runs)

    @property
    def epochs(self) -> int:
        """The number of epochs that need no more time, over all runs."""
        return sum(run.epochs for run in self.runs)

    @property
    def seconds_left(self) -> float | None:
        """The estimated time left, or None while there is no estimate."""
        return None if self._ends is None else max(self._ends - self.clock(), 0.0)

    @property
    def counts(self) -> Counter[str]:
        """The number of runs by state; `skipped` were done before the sweep."""
        return Counter("skipped" if run.skipped else run.state for run in self.runs)

    @property
    def monitor(self) -> Metric:
        """The metric that ranks the runs; without validation, a training metric."""
        if any(map(is_own_module, self.sweep.configs.values())):
            # Only the records say which metrics all runs have.
            records = (run.record for run in self.runs if run.record and run.state == "complete")
            return ranking_metric(self.sweep.configs.values(), records)
        other = self._without_validation
        # The logged metrics decide, because the data may lack a validation split.
        has_any = any(run.score(self._monitor) is not None for run in self.runs)
        has_other = any(run.score(other) is not None for run in self.runs)
        return other if has_other and not has_any else self._monitor

    @functools.cached_property
    def sources(self) -> dict[str, str]:
        """The data source of each run by run_id."""
        return {name: source_of(config) for name, config in self.sweep.configs.items()}

    @property
    def has_several_sources(self) -> bool:
        """Tells whether runs have different data, so that one ranking is impossible."""
        return len(set(self.sources.values())) > 1

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
        if self.has_several_sources:
            firsts = {self.sources[run.folder.name]: run for run in reversed(ranked)}
            ranked = [
                firsts[source]
                for source in dict.fromkeys(self.sources.values())
                if source in firsts
            ]
        return ranked[:most]
