"""Draws the sequences of each generated task.

N sequences, T steps, F features, C classes. All of a split comes from one generator.
"""

import itertools

import numpy as np

from seqsweep.data.sequences import Sequences
from seqsweep.data.task_parts import draw_labels, draw_lengths, equal_length

DISTRACTORS = ("a", "b", "c", "d")
# The first, second (and third) X or Y lies in these tenths of the length, [from, to).
RANGES = {2: ((1, 3), (5, 7)), 3: ((1, 3), (4, 6), (7, 9))}


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
    wave = np.sin(2 * np.pi * (cycles[labels][:, None] * times + phase))  # (N, T)
    x = wave + noise * rng.standard_normal(wave.shape)
    names = tuple(f"{f:.6g}" for f in cycles)
    return Sequences(x[:, :, None].astype(np.float32), steps, labels, names, ("signal",))


def numbered(classes: int) -> tuple[str, ...]:
    return tuple(str(c) for c in range(classes))
