"""Deals the tests to the processes of pytest-xdist, the long files first; spreads samples."""

import random
from collections.abc import Sequence
from itertools import groupby
from typing import Any

SECONDS = {
    "extras/clusters/test_ray.py": 150,
    "extras/clusters/test_slurm_sweeps.py": 100,
    "end_to_end/test_chaos.py": 95,
    "sklearn/test_classifier.py": 25,
    "end_to_end/test_signals.py": 40,
    "end_to_end/test_search.py": 35,
    "end_to_end/test_watch.py": 30,
    "end_to_end/test_work.py": 30,
    "end_to_end/test_engines.py": 30,
    "end_to_end/test_pages.py": 30,
    "end_to_end/test_tensorboard.py": 30,
}
"""Roughly how long the longest files of tests/ take on two quiet cores."""


def deal(tests: Sequence[Any], processes: int) -> list[Any]:
    """Orders the tests for processes that each begin with an equal part of the list.

    `--dist worksteal` cuts the list into parts of equal numbers of tests. Each part begins with its
    share of the long files, so that no long test begins last. The short tests at its end are left
    for idle processes. The tests of a file stay in their order.
    """
    files = {path: list(group) for path, group in groupby(tests, _path)}
    # Each process must come to the same order, and a set of paths has another one in each.
    long = sorted(files.keys() & SECONDS.keys(), key=lambda path: (-SECONDS[path], path))
    parts: list[list[Any]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for path in long:
        index = loads.index(min(loads))
        loads[index] += SECONDS[path]
        parts[index] += files[path]
    short = [test for path, group in files.items() if path not in SECONDS for test in group]
    left = len(tests)
    for index, part in enumerate(parts):
        # The rule by which xdist cuts the list.
        size = left // (processes - index)
        left -= size
        count = max(0, size - len(part))
        part += short[:count]
        short = short[count:]
    return [test for part in parts for test in part] + short


def shuffle(tests: Sequence[Any], seed: int) -> list[Any]:
    """Orders the files at random, and the tests of each file."""
    draw = random.Random(seed)
    files = [list(group) for _, group in groupby(tests, _path)]
    for group in files:
        draw.shuffle(group)
    draw.shuffle(files)
    return [test for group in files for test in group]


def _path(test: Any) -> str:
    return test.nodeid.partition("::")[0].removeprefix("tests/")


def spread(cases: int, count: int) -> set[int]:
    """Chooses `count` cases of a test marked `sampled`: every n-th, and each time one further.

    A test of several parameters has its cases in order, so every n-th alone could give one value of
    a parameter again and again.
    """
    step = max(cases // count, 1)
    return {n for i in range(count) if (n := i * cases // count + i % step) < cases}
