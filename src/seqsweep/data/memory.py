"""Refuses data that do not fit into memory."""

import os
import re
from pathlib import Path

_CGROUPS = (
    ("sys/fs/cgroup", "memory.max", "memory.current", "memory.stat"),
    ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"),
)
"""The folders of cgroup versions 2 and 1, each with files: limit, used memory, its parts."""

_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)
_CACHED = re.compile(r"^(?:in)?active_file (\d+)", re.MULTILINE)


def check_memory(needed: int, where: str, what: str) -> None:
    """Refuses data that need more bytes than are free.

    A small file may expand to a large array, if it has compressed zeros, or one sequence that is
    much longer than the others. Without this check the system would end the process silently.

    Args:
        what: the subject of the message, in the plural, such as `its 3 columns`.
    """
    if needed < 2**20:  # so much is free, and the question takes longer than a small file
        return
    free = free_memory()
    if needed > free:
        raise ValueError(
            f"{where}: {what} need {needed / 2**30:,.1f} GiB of memory, and {free / 2**30:,.1f} GiB"
            " are free; train on a part of the data, or on all of it by a DataModule of your own"
            " over a memory map (docs/data.md, Data larger than memory)"
        )


def free_memory(root: Path = Path("/")) -> int:
    """Returns the free bytes of the machine, or of the process's container."""
    try:
        (kibibytes,) = _AVAILABLE.findall((root / "proc/meminfo").read_text())
        free = int(kibibytes) * 1024
    except (OSError, ValueError):  # outside Linux all memory counts as free
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for folder, *names in _CGROUPS:
        try:
            limit, used, parts = ((root / folder / name).read_text() for name in names)
        except OSError:
            continue
        if limit.strip().isdecimal():  # without a limit the file holds `max`
            # Cached files count as free: the system drops them if a process needs memory.
            cached = sum(map(int, _CACHED.findall(parts)))
            free = min(free, max(0, int(limit) - int(used) + cached))
    return free
