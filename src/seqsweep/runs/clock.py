"""Measures how long ago a file was changed, by the clock that stamped it."""

import os
import tempfile
import time
from pathlib import Path


def is_recent(changed: float, folder: Path, seconds: float) -> bool:
    """Returns whether a file was changed within the last seconds, by the folder's own clock.

    A time in the future is not recent: a clock has been set back since, or was wrong.

    Args:
        changed: the file's time of change, in seconds since 1970.
        folder: the folder of the file, in which a temporary file shows the present time.
    """
    return abs(time_in(folder) - changed) < seconds


def time_in(folder: Path) -> float:
    """Returns the present time by the clock that stamps the files of a folder.

    That clock may be another machine's. Where nothing can be written, this machine's clock is used.
    """
    try:
        # On a network file system the server sets the times, so only a new file of the same folder
        # shows its clock.
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()
