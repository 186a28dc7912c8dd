"""Clocks for the programs of this folder. This module needs neither torch nor JAX."""

import os
import time
from collections.abc import Callable

BUDGET = 6.0
"""The seconds after which no further turn is started."""

ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
"""The environment of a process that computes with a single thread."""


def cpu_seconds(action: Callable[[], object], count: int) -> float:
    """Returns the CPU time of one call, the least of three turns.

    A turn makes `count` calls. A slow action gets fewer calls and fewer turns.
    """
    start = time.process_time()
    action()
    first = time.process_time() - start
    count = max(1, min(count, round(BUDGET / 3 / first))) if first > 0 else count
    least, began = float("inf"), time.process_time()
    for _ in range(3):
        start = time.process_time()
        for _ in range(count):
            action()
        least = min(least, (time.process_time() - start) / count)
        if time.process_time() - began > BUDGET:
            break
    return least


def wall_seconds(action: Callable[[], object], turns: int = 1) -> float:
    """Returns the wall time of one call, the least of some turns."""
    least = float("inf")
    for _ in range(turns):
        start = time.perf_counter()
        action()
        least = min(least, time.perf_counter() - start)
    return least
