"""How far a sweep is, while it is trained: read from small files of its runs' folders.

What is known is kept between two looks. A run that is done is read once; of the others a look asks
for the state of four files, and reads what has been added to them.
"""

import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.live.run_state import RunProgress, RunState
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.naming import label_keys
from seqsweep.results.run_names import readable_names
from seqsweep.runs.lock import is_locked
from seqsweep.runs.metric_names import lower_is_better, monitor_of, without_validation
from seqsweep.runs.metrics_csv import MetricsTail
from seqsweep.runs.sweepfile import SweepFile

_ENOUGH = 0.03
"""The share of the work from which on a pace is known: most epochs are not written down at once."""


@dataclass
class Pace:
    """Time left, from the epochs that were trained since we look, by what they cost.

    Between two changes it counts down: the epochs of a stack end all at once.
    """

    begun: float
    _changed: float = 0.0
    _trained: float = 0.0
    _left: float | None = None

    def update(self, now: float, trained: float, left: float) -> None:
        """Takes in the cost of the epochs trained since `begun`, and of those that are left.

        Args:
            now: in seconds, as `begun`.
        """
        if trained != self._trained:
            self._trained, self._changed = trained, now
            is_known = trained > _ENOUGH * (trained + left)
            self._left = left * (now - self.begun) / trained if is_known else None

    def seconds_left(self, now: float) -> float | None:
        """None before anything is known."""
        return None if self._left is None else max(self._left - (now - self._changed), 0.0)


class Progress:
    """The runs of a sweep; each `look` brings them up to date.

    Args:
        folder: of the runs.
        sweep: which runs, and since when.
        is_running: whether a run's folder, in which a lock lies, is being trained.
        clock: seconds since 1970.

    Attributes:
        keys: of the runs' labels, with their short names.
        runs: in the order of the sweep.
    """

    def __init__(
        self,
        folder: Path,
        sweep: SweepFile,
        is_running: Callable[[Path], bool] = is_locked,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.sweep = sweep
        self.is_running = is_running
        self.clock = clock
        configs = sweep.configs
        self.keys = key_names(label_keys(list(configs.values())))
        self._monitor = monitor_of(configs.values())
        self._without_validation = without_validation(configs.values())
        self.runs = [self._run(name, config) for name, config in configs.items()]
        self._costs = sweep.costs if configs.keys() <= sweep.costs.keys() else {}
        self.pace = Pace(clock())
        self._pending = {run.folder.name: run for run in self.runs}
        self._is_first = True

    def _run(self, name: str, config: Mapping[str, Any]) -> RunProgress:
        folder = self.folder / name
        tail = MetricsTail(folder / "metrics.csv", (self._monitor, self._without_validation))
        skipped = name in self.sweep.done_before
        label = run_label(config, self.keys) or name
        return RunProgress(folder, config, label, skipped, tail, self.sweep.started)

    def look(self) -> list[RunProgress]:
        """Those that have ended since the look before, in the order of the sweep."""
        there = _names(self.folder)
        pending = [run for name, run in self._pending.items() if name in there]
        ended = [run for run in pending if run.look(self.is_running, self._is_first)]
        self._is_first = False
        self._pending = {n: run for n, run in self._pending.items() if run.record is None}
        trained = sum((run.trained - run.already) * self._cost(run) for run in self.runs)
        left = sum((run.max_epochs - run.epochs) * self._cost(run) for run in self.runs)
        self.pace.update(self.clock(), trained, left)
        return ended

    def _cost(self, run: RunProgress) -> float:
        """The cost of an epoch of the run; 1 for each where that of some is not known."""
        return self._costs.get(run.folder.name, 1.0)

    @functools.cached_property
    def short_names(self) -> dict[str, str]:
        """The names of the runs for where their labels do not fit, by run_id."""
        return readable_names(self.sweep.configs)

    @functools.cached_property
    def to_train(self) -> int:
        """The number of runs that the sweep did not find done."""
        return sum(not run.skipped for run in self.runs)

    @property
    def epochs_in_all(self) -> int:
        return sum(run.max_epochs for run in self.runs)

    @property
    def epochs(self) -> int:
        """That all runs together have behind them."""
        return sum(run.epochs for run in self.runs)

    @property
    def seconds_left(self) -> float | None:
        """None before anything is known."""
        return self.pace.seconds_left(self.clock())

    @property
    def counts(self) -> Counter[str]:
        """How many runs are in each state; `skipped` are those that the sweep found done."""
        return Counter("skipped" if run.skipped else run.state for run in self.runs)

    def in_state(self, state: RunState) -> list[RunProgress]:
        return [run for run in self.runs if run.state == state]

    @property
    def monitor(self) -> str:
        """The metric that ranks the runs; without a validation split one of training."""
        other = self._without_validation
        has_any = any(run.score(self._monitor) is not None for run in self.runs)
        has_other = any(run.score(other) is not None for run in self.runs)
        return other if has_other and not has_any else self._monitor

    def best(self, most: int) -> list[tuple[RunProgress, float]]:
        """The best of the finished and of the running ones, at most so many."""
        monitor = self.monitor
        among = [run for run in self.runs if run.state in ("complete", "running")]
        scored = [(run, score) for run in among if (score := run.score(monitor)) is not None]
        sign = 1 if lower_is_better(monitor) else -1
        return sorted(scored, key=lambda one: sign * one[1])[:most]


def duration(seconds: float) -> str:
    """`0:58`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()
