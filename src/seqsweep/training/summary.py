"""What stands in a sweep's folder for people: report, baselines, TensorBoard's pages.

Renewed while the sweep runs and written when it ends, from the run folders alone. Imports no torch.
"""

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from seqsweep.training.baselines import write_baselines
from seqsweep.training.planning import Member

SECONDS_BETWEEN = 15.0
SHARE = 0.05
"""Of the time that renewing may take."""

_renewing = threading.Lock()
"""Held while a thread writes: a process forked meanwhile would inherit half-held locks."""

os.register_at_fork(
    before=_renewing.acquire, after_in_parent=_renewing.release, after_in_child=_renewing.release
)


class Renewing:
    """While the block runs, renews report and view now and then, if a run has ended meanwhile.

    Args:
        folder: of the sweep.
        every: seconds between two renewals at least; longer where one takes long.
    """

    def __init__(self, folder: Path, every: float = SECONDS_BETWEEN) -> None:
        self.folder = folder
        self.every = every
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._seen = self._ended()

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _run(self) -> None:
        wait = self.every
        while not self.stopped.wait(wait):
            start = time.perf_counter()
            with _renewing, contextlib.suppress(Exception):  # said at the end
                ended = self._ended()
                if ended == self._seen:
                    continue
                self._seen = ended
                _write(self.folder, images=None)
            wait = max(self.every, (time.perf_counter() - start) / SHARE)

    def _ended(self) -> int:
        return sum(1 for _ in self.folder.glob("*/record.json"))


def write_summary(members: Sequence[Member], folder: Path) -> list[str]:
    """Baselines, report and TensorBoard's pages of a sweep that has ended.

    Returns what could not be written, and why: the runs are what counts, so nothing is raised,
    for data that are gone, a full disk or a foreign file among the runs.
    """
    parts = {
        "baselines": lambda: write_baselines(members, folder),
        "report": lambda: _write(folder, images=8),
    }
    problems: list[str] = []
    for name, write in parts.items():
        try:
            write()
        except Exception as error:
            kind = "" if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: "
            problems.append(f"no {name}: {kind}{error}")
    return problems


def _write(folder: Path, images: int | None) -> None:
    # Imported here: a sweep that is complete needs neither.
    from seqsweep.results.report import write_report
    from seqsweep.results.tensorboard.view import renew

    write_report(folder)
    renew(folder, images)
