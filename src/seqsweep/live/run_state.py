"""How far one run is, read from the small files of its folder while it is trained."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seqsweep.runs.lock import STALE_SECONDS
from seqsweep.runs.metrics_csv import MetricsTail, stat_of
from seqsweep.runs.run_folder import RunFolder

RunState = Literal["waiting", "running", "complete", "diverged", "failed", "interrupted"]
"""`waiting` is also a run that was killed: it waits for whoever goes on with it."""

_ENDS: dict[str, RunState] = {"failed": "failed", "interrupted": "interrupted"}


@dataclass
class RunProgress:
    """One run of a sweep; each `look` brings it up to date, until it has a record.

    Args:
        folder: of the run.
        config: flat.
        label: what a person calls it.
        skipped: the sweep found it done.
        tail: its metrics.csv.
        since: when the sweep was started, in seconds since 1970: an older failure does not count,
            nor does an older record if the config says `rerun`.
        already: epochs that it had when it was first looked at, so none of this sweep's pace.
        record: of the finished run.
        error: why it failed or diverged.
    """

    folder: Path
    config: Mapping[str, Any]
    label: str
    skipped: bool
    tail: MetricsTail
    since: float
    state: RunState = "waiting"
    already: int = 0
    record: dict[str, Any] | None = None
    error: str = ""
    _failure: tuple[int, int] | None = None
    _old_record: tuple[int, int] | None = None
    _end: RunState = "waiting"

    @property
    def max_epochs(self) -> int:
        return self.config.get("trainer.max_epochs") or 1

    @property
    def epochs(self) -> int:
        """That it has behind it; all, once it has ended, however early."""
        has_ended = self.state in ("complete", "diverged", "failed")
        return self.max_epochs if has_ended else self.trained

    @property
    def trained(self) -> int:
        """The same, but a run that failed or diverged has saved the others no time."""
        is_whole = self.state == "complete"
        return self.max_epochs if is_whole else min(self.tail.epochs, self.max_epochs)

    def score(self, metric: str) -> float | None:
        """The best so far; of a finished run that of its record."""
        if self.record is None:
            return self.tail.best.get(metric)
        return self.record.get("metrics", {}).get(metric)

    def look(self, is_running: Callable[[Path], bool], is_first: bool) -> bool:
        """Reads what is new; whether the run has ended since the look before.

        Args:
            is_running: whether a folder in which a lock lies is being trained.
            is_first: nobody has looked at the sweep before.
        """
        # The lock first: a run that has given its lock back has written its last word before.
        is_locked = stat_of(f"{self.folder}/lock") is not None
        if self._has_record(is_first):
            self.already = self.trained if is_first else self.already
            return not self.skipped
        failed_again = self._has_new_failure(is_first)
        self.state = "running" if is_locked and is_running(self.folder) else self._end
        self._read_epochs(is_first)
        return failed_again

    def _read_epochs(self, is_first: bool) -> None:
        is_new = self.tail.epochs == 0
        self.tail.look()
        was_there = is_new and self.tail.written < self.since  # as what a shorter run leaves
        if was_there or is_first:
            self.already = self.trained
        self.already = min(self.already, self.trained)  # the file may have been cut

    def _has_record(self, is_first: bool) -> bool:
        stat = stat_of(f"{self.folder}/record.json")
        if stat is None:
            return False
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if self.config.get("rerun") and is_first and stat.st_mtime < self.since:
            self._old_record = stamp
        if stamp == self._old_record:
            return False
        self.record = RunFolder(self.folder).record()
        if self.record is None:
            return False
        self.state = self.record["status"]
        self.error = str(self.record.get("error", ""))
        return True

    def _has_new_failure(self, is_first: bool) -> bool:
        stat = stat_of(f"{self.folder}/failure.json")
        if stat is None:
            self._end = "waiting"
            return False
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp == self._failure:
            return False
        self._failure = stamp
        failure = RunFolder(self.folder).failure() or {}
        is_old = is_first and stat.st_mtime < self.since
        self._end = "waiting" if is_old else _ENDS.get(failure.get("kind", ""), "waiting")
        self.error = failure["error"] if self._end == "failed" else ""
        return self._end == "failed"


def beats(folder: Path) -> bool:
    """Whether a run's lock has been touched within a minute.

    For the process that trains the run: to open a lock of its own, as `is_locked` does, would drop
    it if the run has just taken it.
    """
    stat = stat_of(f"{folder}/lock")
    return stat is not None and abs(time.time() - stat.st_mtime) < STALE_SECONDS
