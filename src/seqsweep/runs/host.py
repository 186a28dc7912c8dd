"""The name of this host, and the clock of a shared file system."""

import os
import re
import socket
import tempfile
import time
from pathlib import Path

VARIABLE = "SEQSWEEP_HOST"


def host_name() -> str:
    """Returns the name of this host, or what the variable SEQSWEEP_HOST says.

    The variable is for containers: one that replaces another may have the same name and the same
    process numbers.
    """
    name = os.environ.get(VARIABLE, "")
    return re.sub(r"[^A-Za-z0-9.-]", "_", name) or socket.gethostname()


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
