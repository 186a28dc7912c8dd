"""Notes about a folder in which locks or clocks are unusual."""

import tempfile
import time
from pathlib import Path

from seqsweep.runs.host import time_in
from seqsweep.runs.lock_files import STALE_SECONDS, take_posix_lock


def lock_notes(folder: Path) -> list[str]:
    """Returns what a user of this folder should know, one sentence each; usually nothing.

    Args:
        folder: an existing folder of runs, in which this process may write.
    """
    notes: list[str] = []
    ahead = time_in(folder) - time.time()
    if abs(ahead) > STALE_SECONDS:
        direction = "ahead of" if ahead > 0 else "behind"
        notes.append(
            f"{folder}: its clock is {_duration(abs(ahead))} {direction} the clock of this host; "
            "the runs are not affected, but times in logs differ"
        )
    if not _has_posix_locks(folder):
        notes.append(
            f"{folder}: its file system has no POSIX locks; the runs of a killed process are free "
            "after a minute instead of at once"
        )
    return notes


def _has_posix_locks(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return take_posix_lock(file.fileno())
    except OSError:  # reported by whatever writes there
        return True


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
