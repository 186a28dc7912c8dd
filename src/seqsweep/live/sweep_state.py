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
from dataclasses import dataclass
from pathlib import Path

from seqsweep.live.run_state import RunProgress
from seqsweep.live.worker_state import Workers
from seqsweep.results.data_sets import source_of
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.rows import label_keys
from seqsweep.results.run_names import readable_names
from seqsweep.runs.identity import FlatConfig, is_own_module
from seqsweep.runs.metrics import Metric, ranking_metric, without_validation
from seqsweep.runs.metrics_csv import MetricsTail
from seqsweep.runs.sweepfile import SweepFile

_ENOUGH = 0.03
"""The least share of the work to estimate from, because epochs reach the disk in groups."""


@dataclass
class Pace:
    """Estimates the time left from the pace of the training since the time `begun`.

    Epochs count by their cost. Between two changes the estimate counts down.
    """

    begun: float
    _changed: float = 0.0
    _trained: float = 0.0
    _left: float | None = None

    def update(self, now: float, trained: float, left: float) -> None:
        """Renews the estimate if `trained` has changed; `trained` and `left` are costs."""
        if trained != self._trained:
            self._trained, self._changed = trained, now
            is_known = trained > _ENOUGH * (trained + left)
            self._left = left * (now - self.begun) / trained if is_known else None

    def seconds_left(self, now: float) -> float | None:
        """Returns the estimate in seconds, or None while there is none."""
        return None if self._left is None else max(self._left - (now - self._changed), 0.0)


class SweepProgress:
    """The progress of a sweep; each `look` brings it up to date.

    Attributes:
        keys: the config keys in which the runs differ, each with its short name.
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
        self.pace = Pace(clock())
        self.workers = Workers(folder)
        self.has_begun = False
        self._pending = {run.folder.name: run for run in self.runs}
        # The first look finds what was done before this sweep.
        self._is_first = True

    def _run(self, name: str, config: FlatConfig) -> RunProgress:
        folder = self.folder / name
        tail = MetricsTail(folder / "metrics.csv", (self._monitor, self._without_validation))
        skipped = name in self.sweep.done_before
        # A sweep of one run has no differing keys, so its label is the run_id.
        label = run_label(config, self.keys) or name
        is_searched = name in self.sweep.limits
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
        self.workers.look(names, pending, self.clock(), self._is_first)
        self._is_first = False
        # A failed run stays, because another process or a retry may resume it.
        self._pending = {name: run for name, run in self._pending.items() if run.record is None}
        trained = sum((run.trained - run.already) * self._cost(run) for run in self.runs)
        left = sum((run.max_epochs - run.epochs) * self._cost(run) for run in self.runs)
        self.pace.update(self.clock(), trained, left)
        return ended

    def _cost(self, run: RunProgress) -> float:
        """Returns the cost of an epoch; 1 if some costs are unknown."""
        return self._costs.get(run.folder.name, 1.0)

    @functools.cached_property
    def short_names(self) -> dict[str, str]:
        """The short name of each run, for labels that do not fit."""
        return readable_names(self.sweep.configs)

    @functools.cached_property
    def to_train(self) -> int:
        """The number of runs that were not done before the sweep."""
        return sum(not run.skipped for run in self.runs)

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
        return self.pace.seconds_left(self.clock())

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

    def best(self, most: int) -> list[tuple[RunProgress, float]]:
        """Returns at most `most` complete and running runs with the best scores.

        If the sweep has several data sources, the result is the best run on each of them.
        """
        monitor = self.monitor
        ranked = [run for run in self.runs if run.state in ("complete", "running")]
        scores = [(run, score) for run in ranked if (score := run.score(monitor)) is not None]
        # Python keeps the order of equal scores in both directions.
        is_descending = not monitor.lower_is_better
        ranked_scores = sorted(scores, key=lambda pair: pair[1], reverse=is_descending)
        if self.has_several_sources:
            firsts = {self.sources[p[0].folder.name]: p for p in reversed(ranked_scores)}
            order = dict.fromkeys(self.sources.values())
            ranked_scores = [firsts[source] for source in order if source in firsts]
        return ranked_scores[:most]
