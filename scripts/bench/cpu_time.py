"""The CPU time of one call, for the programs of this folder (needs neither torch nor JAX)."""

import time
from collections.abc import Callable

BUDGET = 6.0
"""Seconds after which no further turn is begun."""


def seconds(action: Callable[[], object], count: int) -> float:
    """CPU time of one call: the least of three turns of `count` calls, fewer of long ones."""
    start = time.process_time()
    action()
    first = time.process_time() - start
    count = max(1, min(count, round(BUDGET / 3 / first))) if first > 0 else count
    best, began = float("inf"), time.process_time()
    for _ in range(3):
        start = time.process_time()
        for _ in range(count):
            action()
        best = min(best, (time.process_time() - start) / count)
        if time.process_time() - began > BUDGET:
            break
    return best
