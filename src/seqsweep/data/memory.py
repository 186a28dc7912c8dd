"""Refuses data that cannot fit into memory, before they fill it."""

import os
from pathlib import Path

_CONTAINER = Path("/sys/fs/cgroup/memory.max")
"""The limit of a container on Linux: a number, or `max`."""


def check_memory(needed: int, where: str, what: str) -> None:
    """Refuses what needs more bytes than the machine has.

    A small file may stand for a large array: compressed zeros, or one sequence that is much longer
    than all others, which are padded to its length. Without this check the system would end the
    process, or others, without a message.

    Args:
        what: the subject of the message, in the plural: `its 3 columns`.
    """
    present = _physical_memory()
    if needed > present:
        raise ValueError(
            f"{where}: {what} need {needed / 1e9:,.1f} GB in memory, but this machine has"
            f" {present / 1e9:,.1f} GB"
        )


def _physical_memory() -> int:
    """Returns the bytes of the machine, or of the container that this process is in."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = _CONTAINER.read_text().strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdecimal() else machine
