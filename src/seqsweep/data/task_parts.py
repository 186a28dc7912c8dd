"""Checks the arguments of generated data, and draws the sequences of each task.

N sequences, T steps, F features, C classes. All of a split comes from one generator.
"""

import itertools
import math
import operator
from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np

from seqsweep.data.checks import Float32, Int64
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.elementary import cos_of_turns, normal

_LARGEST = 2**31  # numbers of x: 8 GiB

DISTRACTORS = ("a", "b", "c", "d")
# The first, second (and third) X or Y lies in these tenths of the length, [from, to).
RANGES = {2: ((1, 3), (5, 7)), 3: ((1, 3), (4, 6), (7, 9))}


def generated_splits(
    where: str,
    sizes: tuple[int, int, int],
    seed: int,
    shape: tuple[int, int],
    make: Callable[..., Sequences],
    *options: Any,
) -> Splits:
    """Draws the three splits, each from its own stream of the seed.

    The size of one split therefore does not change another.

    Args:
        where: the name of the task, which begins every message.
        sizes: the sequences of train, at least 1, and of val and test, at least 0; 0 gives no such
            split.
        seed: at least 0.
        shape: T and F, to refuse what would not fit into memory.
        make: draws a number of sequences from a generator, with the options.
    """
    root = integer("seed", seed, 0, where)
    names = ("num_train", "num_val", "num_test")
    least = (1, 0, 0)
    counts = [integer(*given, where) for given in zip(names, sizes, least, strict=True)]
    check_size((sum(counts), *shape), where)
    made = [make(stream(root, i), n, *options) if n else None for i, n in enumerate(counts)]
    train, val, test = made
    assert train is not None
    return Splits(train, val, test)


def stream(seed: int, index: int) -> np.random.Generator:
    """Returns the generator of one split, independent of the other splits' generators."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def draw_labels(rng: np.random.Generator, count: int, classes: int) -> Int64:
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


def draw_lengths(rng: np.random.Generator, count: int, shortest: int, longest: int) -> Int64:
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


def equal_length(
    x: Float32,
    labels: Int64,
    class_names: tuple[str, ...],
    channel_names: tuple[str, ...],
) -> Sequences:
    lengths = np.full(len(x), x.shape[1], dtype=np.int64)
    return Sequences(x, lengths, labels, class_names, channel_names)


def ordered(rng: np.random.Generator, count: int, length: int, num_symbols: int) -> Sequences:
    """Returns `count` sequences of the temporal order task."""
    letters = ("X", "Y", *DISTRACTORS)
    names = tuple("".join(order) for order in itertools.product("XY", repeat=num_symbols))
    labels = draw_labels(rng, count, len(names))
    symbols = rng.integers(2, len(letters), size=(count, length))  # (N, T), distractors all over
    for index, (start, stop) in enumerate(RANGES[num_symbols]):
        steps = rng.integers(-(-start * length // 10), -(-stop * length // 10), size=count)
        # The symbols are the class index in binary, highest digit first: 0 is X, 1 is Y.
        symbols[np.arange(count), steps] = (labels >> (num_symbols - 1 - index)) & 1
    x = np.eye(len(letters), dtype=np.float32)[symbols]  # (N, T, 6)
    return equal_length(x, labels, names, letters)


def marked_sums(rng: np.random.Generator, count: int, length: int, classes: int) -> Sequences:
    """Returns `count` sequences of the adding task.

    The class is drawn first, then a sum within its range, then two numbers with this sum: so each
    class occurs, and the numbers are distributed as two independent uniform ones.
    """
    labels = draw_labels(rng, count, classes)
    quantile = (labels + rng.random(count)) / classes
    # The distribution function of the sum s of two uniform numbers is s^2 / 2 up to s = 1.
    low, high = np.sqrt(2 * quantile), 2 - np.sqrt(2 * (1 - quantile))
    sums = np.where(quantile < 0.5, low, high)
    # For a given sum the first number is uniform between the bounds that [0, 1] leaves to it.
    least, most = np.maximum(sums - 1, 0), np.minimum(sums, 1)
    first = least + (most - least) * rng.random(count)
    x = np.zeros((count, length, 2), dtype=np.float32)
    x[:, :, 0] = rng.random((count, length))
    rows, half = np.arange(count), length // 2
    for steps, values in (
        (rng.integers(0, half, size=count), first),
        (rng.integers(half, length, size=count), sums - first),
    ):
        x[rows, steps, 0] = values
        x[rows, steps, 1] = 1
    return equal_length(x, labels, numbered(classes), ("value", "marker"))


def recalled(rng: np.random.Generator, count: int, length: int, symbols: int) -> Sequences:
    """Returns `count` sequences of the delayed recall task."""
    labels = draw_labels(rng, count, symbols)
    words = np.full((count, length), symbols)  # blank
    words[:, 0] = labels
    words[:, -1] = symbols + 1  # the cue
    names = tuple(f"s{i}" for i in range(symbols))
    x = np.eye(symbols + 2, dtype=np.float32)[words]  # (N, T, C + 2)
    return equal_length(x, labels, names, (*names, "blank", "cue"))


def bits_with_parity(rng: np.random.Generator, count: int, lengths: tuple[int, int]) -> Sequences:
    """Returns `count` sequences of the parity task."""
    labels = draw_labels(rng, count, 2)
    steps = draw_lengths(rng, count, *lengths)
    bits = rng.integers(2, size=(count, lengths[1]))
    bits[np.arange(lengths[1]) >= steps[:, None]] = 0
    # The last bit is the one that makes the drawn class true.
    last = np.arange(count), steps - 1
    bits[last] = 0
    bits[last] = bits.sum(axis=1) % 2 ^ labels
    x = bits[:, :, None].astype(np.float32)
    return Sequences(x, steps, labels, ("even", "odd"), ("bit",))


def noisy_waves(
    rng: np.random.Generator, count: int, lengths: tuple[int, int], classes: int, noise: float
) -> Sequences:
    """Returns `count` sequences of the frequencies task."""
    labels = draw_labels(rng, count, classes)
    steps = draw_lengths(rng, count, *lengths)
    cycles = np.linspace(0.05, 0.15, classes)  # per step
    phase = rng.random((count, 1))
    times = np.arange(lengths[1])
    turns = cycles[labels][:, None] * times + phase  # (N, T)
    # The sine is the cosine a quarter of a turn before.
    x = cos_of_turns(turns - 0.25) + noise * normal(rng.random((*turns.shape, 2)))
    names = tuple(f"{f:.6g}" for f in cycles)
    return Sequences(x[:, :, None].astype(np.float32), steps, labels, names, ("signal",))


def numbered(classes: int) -> tuple[str, ...]:
    return tuple(str(c) for c in range(classes))
