"""The lock of the process that searches in a folder. Imports no torch."""

import contextlib
import time
from collections.abc import Generator
from pathlib import Path

from rich.console import Console

from seqsweep.console import place
from seqsweep.runs.lock import Locked, RunLock, is_locked
from seqsweep.training.planned_run import PlannedRun

LOCK = ".searching"
"""The lock of the process that chooses or judges the runs of a folder."""


@contextlib.contextmanager
def searching(folder: Path, first: PlannedRun, console: Console) -> Generator[None]:
    """Holds the lock of the search during the block; waits for another process before.

    Args:
        folder: the sweep's folder.
        first: a run of the search, whose config says if the command waits.
        console: prints that the command waits.

    Raises:
        Locked: another process searches here, and the config says `when_locked=skip`.
    """
    with contextlib.ExitStack() as stack:
        is_waiting = False
        while True:
            try:
                stack.enter_context(RunLock(folder, LOCK))
                break
            except Locked:
                if first.config["when_locked"] == "skip":
                    raise
            if not is_waiting:
                text = f"another process searches in {place(folder)}; waiting for it"
                console.print(text, soft_wrap=True, highlight=False, markup=False)
                is_waiting = True
            while is_locked(folder, LOCK):
                time.sleep(0.5)
        yield
