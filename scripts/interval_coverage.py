"""Simulates how often the interval of an accuracy over windows holds the true accuracy.

`python scripts/interval_coverage.py [FILES]` draws 1,000 files for each setting, and scores them as
`seqsweep evaluate` does. A setting has a number of recordings, their lengths in windows, and the
dependence of the windows of a recording: with 0 each window is right by itself, with 1 all windows
of a recording are right or all are wrong. The exit code is 1 if an interval of 95 % holds the true
accuracy in less than 93 % of the files of a setting. Files in which one recording decides have no
interval, and do not count.
"""

import itertools
import sys
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from seqsweep.using.scores import evaluate

TRUE, LEAST = 0.8, 0.93

Lengths = Callable[[np.random.Generator, int], npt.NDArray[np.int64]]


def equal(_: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    return np.full(count, 20)


def lognormal(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    return np.ceil(10 * rng.lognormal(0, 1.2, count)).astype(np.int64)


def one_longer(_: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    return np.array([30] + [5] * (count - 1))


def one_long(_: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    return np.array([400] + [5] * (count - 1))


def settings() -> Iterator[tuple[int, Lengths, float]]:
    """Yields the number of recordings, their lengths, and the dependence of their windows."""
    yield from itertools.product((10, 30), (equal, lognormal, one_longer, one_long), (0, 0.3, 1))
    yield from itertools.product((2, 3, 5), (equal,), (0, 0.3, 1))


def bounds_of_file(
    rng: np.random.Generator, lengths: npt.NDArray[np.int64], dependence: float
) -> tuple[float, float] | None:
    """Returns the interval of the accuracy in a simulated file; None if it has none."""
    share = np.full(len(lengths), TRUE)
    if dependence == 1:
        share = (rng.random(len(lengths)) < TRUE).astype(np.float64)
    elif dependence > 0:
        # The correlation of two windows of a recording is 1 / (a + b + 1) of the beta distribution.
        total = 1 / dependence - 1
        share = rng.beta(TRUE * total, (1 - TRUE) * total, len(lengths))
    unit = np.repeat(np.arange(len(lengths)), lengths)
    labels = unit % 2
    predicted = np.where(rng.random(len(unit)) < share[unit], labels, 1 - labels)
    # A single resample is enough, because the accuracy has a closed interval.
    scores = evaluate(np.eye(2)[predicted], labels, ("a", "b"), resamples=1, units=unit)
    _, low, high = scores.metrics["accuracy"]
    return None if low is None or high is None else (low, high)


def main(files: int) -> int:
    """Prints the coverage of each setting. Returns the exit code."""
    lowest = 1.0
    for count, lengths, dependence in settings():
        rng = np.random.default_rng(0)
        drawn = [bounds_of_file(rng, lengths(rng, count), dependence) for _ in range(files)]
        bounds = [each for each in drawn if each is not None]
        name = f"{count:2} recordings, {lengths.__name__:10} dependence {dependence:3}"
        if not bounds:
            print(f"{name}: one recording decides")
            continue
        coverage = float(np.mean([low <= TRUE <= high for low, high in bounds]))
        width = float(np.mean([high - low for low, high in bounds]))
        lowest = min(lowest, coverage)
        print(f"{name}: {coverage:.3f} of {len(bounds):,} files, mean width {width:.2f}")
    print(f"lowest coverage {lowest:.3f}; must be at least {LEAST}")
    return int(lowest < LEAST)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
