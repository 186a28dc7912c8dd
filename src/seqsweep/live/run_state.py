"""Reads a run's state from its folder, for the display of a sweep."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seqsweep.runs.files import stat_of
from seqsweep.runs.identity import FlatConfig
from seqsweep.runs.lock import holder_of
from seqsweep.runs.metrics_csv import MetricsTail
from seqsweep.runs.record import NO_RECORD, Record
from seqsweep.runs.run_folder import RunFolder
from seqsweep.text import one_line

RunState = Literal["waiting", "running", "complete", "diverged", "pruned", "failed", "interrupted"]
"""The states of a run on the display. A killed run is `waiting`: a process may resume it."""

_SHOWN = ("status", "error", "epoch", "epochs", "metrics", "directions", "train_seconds", "pruned")
"""The keys of a record that a display needs. All keys would fill the memory in a large sweep."""


@dataclass
class RunProgress:
    """The progress of one run; each `look` brings it up to date.

    Args:
        skipped: whether the run was done before the sweep was started.
        is_searched: whether the run belongs to a search, for which a pruned run is done.
        since: the start of the sweep, in seconds since 1970. An older failure does not count. With
            `rerun` in the config, an older record does not count either.
        already: the number of epochs that do not count for the pace, because they were trained
            before the first look or copied from another run.
        record: the part of a complete, pruned or diverged run's record that a display needs.
        host: the host that trains the run or trained it last; None if no look has found it, and
            empty if it cannot be found.
    """

    folder: Path
    config: FlatConfig
    label: str
    skipped: bool
    is_searched: bool
    tail: MetricsTail
    since: float
    state: RunState = "waiting"
    already: int = 0
    record: Record | None = None
    error: str = ""
    host: str | None = None
    _failure: tuple[int, int] | None = None
    _old_record: tuple[int, int] | None = None
    _unlocked_state: RunState = "waiting"

    @property
    def max_epochs(self) -> int:
        return self.config.get("trainer.max_epochs") or 1

    @property
    def epochs(self) -> int:
        """The number of epochs that need no more time; after the run's end, all."""
        has_ended = self.state in ("complete", "diverged", "pruned", "failed")
        return self.max_epochs if has_ended else self.trained

    @property
    def trained(self) -> int:
        """The number of epochs that the estimate of the time left counts as trained.

        For a complete run this is `max_epochs`, even if the run stopped early. For any other run it
        is the number of epochs in metrics.csv.
        """
        is_complete = self.state == "complete"
        return self.max_epochs if is_complete else min(self.tail.epochs, self.max_epochs)

    def score(self, metric: str) -> float | None:
        """Returns a metric of the record, or the best value so far; None if missing."""
        if self.record is None:
            return self.tail.best.get(metric)
        return self.record.metrics.get(metric)

    def look(self, is_first: bool) -> bool:
        """Reads changed files; returns whether the run has just ended.

        `is_first` says that this is the first look, which finds what was there before the sweep.
        """
        # The lock is read first: a run writes its last file before it releases its lock.
        is_free = stat_of(f"{self.folder}/lock") is None
        if self._has_record(is_first):
            self.already = self.trained if is_first else self.already
            return not self.skipped
        failed_again = self._has_new_failure(is_first)
        holder = None if is_free else holder_of(self.folder)
        self.state = self._unlocked_state
        if holder is not None:
            self.state, self.host = "running", holder.host
        self._read_epochs(is_first)
        return failed_again

    def _read_epochs(self, is_first: bool) -> None:
        was_empty = self.tail.epochs == 0
        self.tail.look()
        # A file that is older than the sweep is a copy from a run with fewer epochs.
        is_older = was_empty and self.tail.written < self.since
        if is_older or is_first:
            self.already = self.trained
        # A resumed run cuts off the rows after its checkpoint, so `trained` may become smaller.
        self.already = min(self.already, self.trained)

    def _has_record(self, is_first: bool) -> bool:
        stat = stat_of(f"{self.folder}/record.json")
        if stat is None:
            return False
        # With `rerun` the record of the earlier training stays until the new one replaces it.
        if self.config.get("rerun") and is_first and stat.st_mtime < self.since:
            self._old_record = _version(stat)
        if _version(stat) == self._old_record:
            return False
        record = RunFolder(self.folder).record() or NO_RECORD
        if record.status not in ("complete", "diverged", "pruned"):  # a damaged record
            return False
        # A sweep that is not a search will resume a pruned run.
        if record.status == "pruned" and not self.is_searched:
            return False
        content = record.content
        self.record = Record.of({key: content[key] for key in _SHOWN if key in content})
        self.state = record.status
        self.error = one_line(record.error or "")
        return True

    def _has_new_failure(self, is_first: bool) -> bool:
        stat = stat_of(f"{self.folder}/failure.json")
        version = None if stat is None else _version(stat)
        if version == self._failure:
            return False
        self._failure = version
        # A failure that an earlier sweep has left says nothing about this sweep.
        is_old = stat is None or (is_first and stat.st_mtime < self.since)
        failure = {} if is_old else RunFolder(self.folder).failure() or {}
        kind = failure.get("kind")
        self._unlocked_state = kind if kind in ("failed", "interrupted") else "waiting"
        self.error = one_line(failure["error"]) if kind == "failed" else ""
        return kind == "failed"


def _version(stat: os.stat_result) -> tuple[int, int]:
    """Returns a value that changes when the file is replaced."""
    return stat.st_mtime_ns, stat.st_ino
