"""Checks the arguments of generated data and draws what all of it shares.

N sequences, T steps, F features, C classes.
"""

import math
import operator
from collections.abc import Callable
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from seqsweep.data.sequences import Sequences, Splits

_LARGEST = 2**31  # numbers of x: 8 GiB

Make = Callable[[np.random.Generator, int], Sequences]
"""Draws a number of sequences from a generator."""


def generated_splits(
    sizes: tuple[int, int, int], shape: tuple[int, int], seed: int, where: str, make: Make
) -> Splits:
    """Draws the three splits, each from its own stream of the seed.

    The size of one split therefore does not change another.

    Args:
        sizes: the sequences of train, at least 1, and of val and test, at least 0; 0 gives no such
            split.
        shape: T and F, to refuse what would not fit into memory.
        seed: at least 0.
        where: the name of the task, which begins every message.
        make: draws the sequences of one split.
    """
    root = integer("seed", seed, 0, where)
    names = ("num_train", "num_val", "num_test")
    least = (1, 0, 0)
    counts = [integer(*given, where) for given in zip(names, sizes, least, strict=True)]
    check_size((sum(counts), *shape), where)
    made = [make(stream(root, i), count) if count else None for i, count in enumerate(counts)]
    train, val, test = made
    assert train is not None
    return Splits(train, val, test)


def stream(seed: int, index: int) -> np.random.Generator:
    """Returns the generator of one split, independent of the other splits' generators."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def draw_labels(rng: np.random.Generator, count: int, classes: int) -> npt.NDArray[np.int64]:
    """Draws class indices evenly, (count,), each at least once if there is room."""
    once = rng.permutation(classes)[:count]
    more = rng.integers(classes, size=max(count - classes, 0))
    return rng.permutation(np.concatenate([once, more])).astype(np.int64)


def integer(name: str, value: object, minimum: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        kind = type(value).__name__
        raise TypeError(f"{where}: {name}={value!r}: expected an integer, got a {kind}")
    if operator.index(value) < minimum:
        raise ValueError(f"{where}: {name}={value}: must be at least {minimum}")
    return operator.index(value)


def number(name: str, value: object, minimum: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        kind = type(value).__name__
        raise TypeError(f"{where}: {name}={value!r}: expected a number, got a {kind}")
    if not minimum <= value < math.inf:  # NaN compares as false
        raise ValueError(f"{where}: {name}={value}: must be finite and at least {minimum:g}")
    return float(value)


def check_size(shape: tuple[int, int, int], where: str) -> None:
    """Refuses data that would exceed the memory of most machines."""
    count = math.prod(shape)
    if count > _LARGEST:
        raise ValueError(
            f"{where}: {shape[0]:,} sequences of {shape[1]:,} steps with {shape[2]:,} channels are"
            f" {count:,} numbers; must be at most {_LARGEST:,}"
        )


def draw_lengths(
    rng: np.random.Generator, count: int, shortest: int, longest: int
) -> npt.NDArray[np.int64]:
    """Draws lengths evenly from `shortest` to `longest`, (count,); the first is the longest."""
    lengths = rng.integers(shortest, longest, size=count, endpoint=True)
    lengths[0] = longest  # so that the shape of a split does not depend on luck
    return lengths


def length_range(length: object, min_length: object, minimum: int, where: str) -> tuple[int, int]:
    """Returns the shortest and the longest length; without `min_length` all are equally long."""
    longest = integer("length", length, minimum, where)
    if min_length is None:
        return longest, longest
    shortest = integer("min_length", min_length, minimum, where)
    if shortest > longest:
        raise ValueError(
            f"{where}: min_length={shortest}: must be between {minimum} and length={longest}"
        )
    return shortest, longest


def channels(count: int) -> tuple[str, ...]:
    return tuple(f"channel_{i}" for i in range(count))


def equal_length(
    x: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    class_names: tuple[str, ...],
    channel_names: tuple[str, ...],
) -> Sequences:
    lengths = np.full(len(x), x.shape[1], dtype=np.int64)
    return Sequences(x, lengths, labels, class_names, channel_names)
