"""Finds the hosts that train a sweep.

A process that trains a sweep holds a lock in the sweep's folder, and a lock in the folder of each
run that it trains. The host is in the name of the sweep's lock, and in the text of a run's lock.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from seqsweep.live.run_state import RunProgress
from seqsweep.runs.events import writer_of
from seqsweep.runs.files import stat_of
from seqsweep.runs.lock import is_locked
from seqsweep.runs.sweepfile import lock_names


@dataclass
class Host:
    """A host whose processes train runs of the sweep, or have trained some.

    Attributes:
        name: the host's name, spelled as in file names.
        running: the number of runs that the host trains now.
        done: the number of runs that the host has trained to their end.
        silent_since: when the host last touched a lock, if all its locks are dead; else None.
    """

    name: str
    running: int = 0
    done: int = 0
    silent_since: float | None = None


def find_hosts(
    folder: Path, names: Collection[str], runs: Iterable[RunProgress], since: float
) -> dict[str, Host]:
    """Returns the hosts of a sweep by name.

    Args:
        names: the names of all files in the sweep's folder.
        since: the start of the sweep by the clock of the folder. Older locks were left by processes
            that were killed before.
    """
    touched: dict[str, float] = {}
    for name, host in lock_names(names).items():
        stat = stat_of(f"{folder}/{name}")
        if stat is not None and stat.st_mtime >= since:
            when = math.inf if is_locked(folder, name) else stat.st_mtime
            touched[host] = max(when, touched.get(host, 0.0))
    hosts = {
        name: Host(name, silent_since=None if when == math.inf else when)
        for name, when in touched.items()
    }
    for run in runs:
        if run.state == "running" and run.host:
            hosts.setdefault(run.host, Host(run.host)).running += 1
        elif run.record is not None and not run.skipped:
            if run.host is None:
                # No look has found the lock of a run that ended before the first look or between
                # two looks. The name of its event file has the host, too.
                run.host, _ = writer_of(run.folder) or ("", 0)
            hosts.setdefault(run.host, Host(run.host)).done += 1
    hosts.pop("", None)
    return hosts
