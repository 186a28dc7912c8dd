"""Checks the arguments of generated data, and draws labels and lengths.

N sequences, T steps, F features, C classes. One generator draws all values of a split.
"""

import math
import operator
from collections.abc import Callable
from typing import SupportsIndex

import numpy as np

from seqsweep.data.checks import Int64
from seqsweep.data.sequences import Sequences, Splits

_LARGEST = 2**31  # the most numbers in x, which take 8 GiB as float32


def generated_splits(
    where: str,
    sizes: tuple[int, int, int],
    seed: int,
    shape: tuple[int, int],
    draw: Callable[[np.random.Generator, int], Sequences],
) -> Splits:
    """Draws the three splits, each from its own random generator.

    Args:
        where: the name of the task, which begins every message.
        sizes: the numbers of sequences of train (at least 1), val and test; 0 gives no split.
        shape: T and F, to refuse data that would not fit into memory.
    """
    root = integer("seed", seed, 0, where)
    names = ("num_train", "num_val", "num_test")
    counts = [integer(*given, where) for given in zip(names, sizes, (1, 0, 0), strict=True)]
    check_size((sum(counts), *shape), where)
    made = [draw(stream(root, i), n) if n else None for i, n in enumerate(counts)]
    assert made[0] is not None
    return Splits(made[0], made[1], made[2])


def stream(seed: int, index: int) -> np.random.Generator:
    """Returns the generator of one split, independent of the other splits' generators."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def draw_labels(rng: np.random.Generator, count: int, classes: int) -> Int64:
    """Draws class indices (count,), each equally likely and at least once if possible."""
    once = rng.permutation(classes)[:count]
    more = rng.integers(classes, size=max(count - classes, 0))
    return rng.permutation(np.concatenate([once, more])).astype(np.int64)


def draw_lengths(rng: np.random.Generator, count: int, lengths: tuple[int, int]) -> Int64:
    """Draws lengths (count,) between the shortest and the longest, all equally likely."""
    drawn = rng.integers(*lengths, size=count, endpoint=True)
    drawn[0] = lengths[1]  # so that the shape of a split is always the same
    return drawn


def length_range(length: object, min_length: object, minimum: int, where: str) -> tuple[int, int]:
    """Returns the shortest and the longest length, by default equal."""
    longest = integer("length", length, minimum, where)
    if min_length is None:
        return longest, longest
    shortest = integer("min_length", min_length, minimum, where)
    if shortest > longest:
        raise ValueError(
            f"{where}: min_length={shortest}: must be between {minimum} and length={longest}"
        )
    return shortest, longest


def integer(name: str, value: object, minimum: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        kind = type(value).__name__
        raise TypeError(f"{where}: {name}={value!r}: expected an integer, got a {kind}")
    if operator.index(value) < minimum:
        raise ValueError(f"{where}: {name}={value}: must be at least {minimum}")
    return operator.index(value)


def check_size(shape: tuple[int, int, int], where: str) -> None:
    """Refuses data that would exceed the memory of most machines."""
    count = math.prod(shape)
    if count > _LARGEST:
        raise ValueError(
            f"{where}: {shape[0]:,} sequences of {shape[1]:,} steps with {shape[2]:,} channels are"
            f" {count:,} numbers; must be at most {_LARGEST:,}"
        )
