"""Locks that processes hold for a moment only, and wait for."""

import contextlib
import time
from collections.abc import Generator
from pathlib import Path

from seqsweep.runs.lock import Locked, RunLock

_PAUSE_SECONDS = 0.05


@contextlib.contextmanager
def short_lock(folder: Path, name: str) -> Generator[None]:
    """Keeps other processes out of blocks with the same lock; waits for them before.

    Args:
        folder: where the lock file is made; the folder need not exist.
        name: the name of the lock file.

    Raises:
        OSError: the lock file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(RunLock(folder, name))
                break
            except Locked:
                time.sleep(_PAUSE_SECONDS)
        yield
