"""Refuses data that cannot fit into memory, before they fill it."""

import os
import re
from pathlib import Path

_CGROUPS = (
    ("sys/fs/cgroup", "memory.max", "memory.current", "memory.stat"),
    ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"),
)
"""The folder of a container on Linux, and its files: the limit, what is used, and by what."""

_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)
_CACHED = re.compile(r"^(?:in)?active_file (\d+)", re.MULTILINE)


def check_memory(needed: int, where: str, what: str) -> None:
    """Refuses what needs more bytes than are free.

    A small file may stand for a large array: compressed zeros, or one sequence that is much longer
    than all others. Without this check the system would end the process without a message.

    Args:
        what: the subject of the message, in the plural: `its 3 columns`.
    """
    free = free_memory()
    if needed > free:
        raise ValueError(
            f"{where}: {what} need {needed / 2**30:,.1f} GiB of memory, and {free / 2**30:,.1f} GiB"
            " are free; train on a part of the data, or on all of it by a DataModule of your own"
            " over a memory map (docs/data.md, Data larger than memory)"
        )


def free_memory(root: Path = Path("/")) -> int:
    """Returns the free bytes of the machine, or of this process's container."""
    try:
        (kibibytes,) = _AVAILABLE.findall((root / "proc/meminfo").read_text())
        free = int(kibibytes) * 1024
    except (OSError, ValueError):  # not a Linux; then all memory counts as free
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for folder, *names in _CGROUPS:
        try:
            limit, used, parts = ((root / folder / name).read_text() for name in names)
        except OSError:
            continue
        if limit.strip().isdecimal():  # it is `max` without a limit
            # Files that the system keeps in memory give way to what a process needs.
            cached = sum(map(int, _CACHED.findall(parts)))
            free = min(free, max(0, int(limit) - int(used) + cached))
    return free
