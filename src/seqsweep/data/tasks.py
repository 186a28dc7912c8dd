"""Generates the data of tasks for networks; the data depend only on the arguments.

N sequences, T steps, F features, C classes. The sizes of the splits are num_train (at least 1),
num_val and num_test; 0 gives no split. Each split has its own stream of the seed, so the size of
one split does not change another split.

Sources: S. Hochreiter, J. Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8);
M. Arjovsky, A. Shah, Y. Bengio (2016), Unitary Evolution Recurrent Neural Networks, ICML.
"""

import itertools
from collections.abc import Callable

import numpy as np

from seqsweep.data.checks import Float32, Int64
from seqsweep.data.memory import check_memory
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.elementary import cos_of_turns, normal
from seqsweep.errors import integer

Drawn = tuple[Float32, Int64, Int64 | int]
"""The values (N, T, F) of a split, its labels (N,), and its lengths (N,) or the length of all."""

Draw = Callable[[np.random.Generator, int], Drawn]

_RANGES = {2: ((1, 3), (5, 7)), 3: ((1, 3), (4, 6), (7, 9))}
"""The ranges [from, to) for the positions of 2 or 3 symbols, in tenths of the length."""

_BYTES = 12
"""The memory for a number of x: a float32, and twice as much while it is drawn."""


def random_sequences(
    num_sequences: int,
    length: int,
    input_size: int,
    num_classes: int,
    seed: int = 0,
    labels: list[int] | None = None,
) -> Splits:
    """Generates noise with labels that a network can only memorise.

    Sequence 0 of `random_sequences(3, length=2, input_size=2, num_classes=2, labels=[0, 1, 0])`:

        x = [[1.686, -0.042], [-0.292, 0.484]]    label = 0

    Args:
        num_sequences, length, input_size: N, T, F, each at least 1, F at most a
            million; x is standard normal.
        num_classes: C, from 2 to a million.
        labels: N class indices in 0..C-1; None draws them evenly, and each class at least once if
            there are enough sequences.

    Source: `torch.randn` inputs with fixed labels, the smallest check that a network can learn.
    """
    where = "random_sequences"
    number = integer(f"{where}: num_sequences", num_sequences, 1)
    steps = integer(f"{where}: length", length, 1)
    channels = integer(f"{where}: input_size", input_size, 1, 10**6)
    classes = integer(f"{where}: num_classes", num_classes, 2, 10**6)
    if labels is not None and len(labels) != number:
        raise ValueError(f"{where}: {len(labels)} labels for num_sequences={number}")
    given = [integer(f"{where}: labels", label, 0, classes - 1) for label in labels or []]

    def draw(rng: np.random.Generator, count: int) -> Drawn:
        x = normal(rng.random((count, steps, channels, 2), dtype=np.float32))
        indices = draw_labels(rng, count, classes) if labels is None else np.array(given, np.int64)
        return x, indices, steps

    names = tuple(map(str, range(classes))), tuple(f"channel_{i}" for i in range(channels))
    return generated(where, (number, 0, 0), seed, steps, *names, draw)


def temporal_order(
    num_train: int, num_val: int, num_test: int, length: int, num_symbols: int = 2, seed: int = 0
) -> Splits:
    """Generates distractors and the symbols X and Y, whose order is the class.

    The third sequence of `temporal_order(5, 0, 0, length=10)`, class XY; each letter is a one-hot
    step of the 6 channels X, Y, a, b, c, d:

        a a X b c a Y d b d

    The positions are drawn evenly from [.1T, .3T) and [.5T, .7T), with three symbols from
    [.1T, .3T), [.4T, .6T) and [.7T, .9T). The classes and the distractors are drawn evenly too, and
    each class occurs at least once if there are enough sequences.

    Args:
        length: T, at least 4.
        num_symbols: 2 (classes XX XY YX YY) or 3 (XXX to YYY, eight classes).

    Source: Hochreiter and Schmidhuber, experiments 6a and 6b. Differences: sequences of a split are
    equally long, the positions scale with the length, and the start and end symbols are left out.
    """
    if num_symbols not in _RANGES:
        raise ValueError(f"temporal_order: num_symbols={num_symbols!r}: must be 2 or 3")
    steps = integer("temporal_order: length", length, 4)  # with 4 steps each range holds a step
    letters = ("X", "Y", "a", "b", "c", "d")
    names = tuple("".join(order) for order in itertools.product("XY", repeat=num_symbols))

    def draw(rng: np.random.Generator, count: int) -> Drawn:
        labels = draw_labels(rng, count, len(names))
        symbols = rng.integers(2, len(letters), size=(count, steps))  # (N, T), only distractors
        for index, (start, stop) in enumerate(_RANGES[num_symbols]):
            places = rng.integers(-(-start * steps // 10), -(-stop * steps // 10), size=count)
            # The symbols are the class index in binary, highest digit first: 0 is X, 1 is Y.
            symbols[np.arange(count), places] = (labels >> (num_symbols - 1 - index)) & 1
        return np.eye(len(letters), dtype=np.float32)[symbols], labels, steps

    sizes = (num_train, num_val, num_test)
    return generated("temporal_order", sizes, seed, steps, names, letters, draw)


def adding(
    num_train: int, num_val: int, num_test: int, length: int, num_classes: int = 2, seed: int = 0
) -> Splits:
    """Generates numbers; the class is the range of the sum of two marked numbers.

    The first sequence of `adding(1, 0, 0, length=6)`, class 1, with the channels value and marker:

        value   0.13 0.42 0.77 0.06 0.40 0.27
        marker  0    0    1    0    1    0

    The values are uniform in [0, 1); each half has one mark, at a step drawn evenly. The classes
    divide the sums, 0 to 2, into C ranges of equal probability. If C is 2, class 1 is above 1.

    Args:
        length: T, at least 2.
        num_classes: C, at least 2.

    Source: Hochreiter and Schmidhuber, experiment 4, with the marks of Arjovsky et al. Difference:
    the target is a class of the sum instead of the sum.
    """
    steps = integer("adding: length", length, 2)
    classes = integer("adding: num_classes", num_classes, 2)

    def draw(rng: np.random.Generator, count: int) -> Drawn:
        # The class is drawn first, then a sum within its range, then two numbers with this sum. So
        # the classes are equally likely, and the numbers are like independent uniform numbers.
        labels = draw_labels(rng, count, classes)
        quantile = (labels + rng.random(count)) / classes
        # The distribution function of the sum s of two uniform numbers is s^2 / 2 up to s = 1.
        low, high = np.sqrt(2 * quantile), 2 - np.sqrt(2 * (1 - quantile))
        sums = np.where(quantile < 0.5, low, high)
        # For a given sum, the first number is uniform between bounds that keep both within 0 and 1.
        least, most = np.maximum(sums - 1, 0), np.minimum(sums, 1)
        first = least + (most - least) * rng.random(count)
        x = np.zeros((count, steps, 2), dtype=np.float32)
        x[:, :, 0] = rng.random((count, steps))
        rows, half = np.arange(count), steps // 2
        for bounds, values in (((0, half), first), ((half, steps), sums - first)):
            places = rng.integers(*bounds, size=count)
            x[rows, places, 0] = values
            x[rows, places, 1] = 1
        return x, labels, steps

    sizes, names = (num_train, num_val, num_test), tuple(map(str, range(classes)))
    return generated("adding", sizes, seed, steps, names, ("value", "marker"), draw)


def delayed_recall(
    num_train: int, num_val: int, num_test: int, length: int, num_symbols: int = 8, seed: int = 0
) -> Splits:
    """Generates a symbol, a delay and a cue; the symbol is the class.

    The first sequence of `delayed_recall(1, 0, 0, length=6, num_symbols=4)`, class s1; each word is
    a one-hot step of the 6 channels s0, s1, s2, s3, blank, cue:

        s1 blank blank blank blank cue

    Args:
        length: T, at least 2; the delay has T - 2 steps.
        num_symbols: C, from 2 to a million; F is C + 2.

    Source: the copy task of both papers above. Difference: one symbol is recalled as a class,
    instead of a sequence of ten symbols.
    """
    steps = integer("delayed_recall: length", length, 2)
    symbols = integer("delayed_recall: num_symbols", num_symbols, 2, 10**6)
    names = tuple(f"s{i}" for i in range(symbols))

    def draw(rng: np.random.Generator, count: int) -> Drawn:
        labels = draw_labels(rng, count, symbols)
        words = np.full((count, steps), symbols)  # blank
        words[:, 0] = labels
        words[:, -1] = symbols + 1  # the cue
        return np.eye(symbols + 2, dtype=np.float32)[words], labels, steps

    sizes, channels = (num_train, num_val, num_test), (*names, "blank", "cue")
    return generated("delayed_recall", sizes, seed, steps, names, channels, draw)


def parity(
    num_train: int,
    num_val: int,
    num_test: int,
    length: int,
    min_length: int | None = None,
    seed: int = 0,
) -> Splits:
    """Generates bits; the class is whether the number of ones is even.

    The first sequence of `parity(1, 0, 0, length=6)`, class odd, with one channel:

        1 0 0 1 1 0

    Every bit changes the class, so a network must remember all bits. A part of the sequence alone
    says nothing about the class.

    Args:
        length: T of the longest sequence, at least 1.
        min_length: the shortest length; lengths are drawn evenly. None: all have `length` steps.

    Source: M. Minsky, S. Papert (1969), Perceptrons; as a task for recurrent networks in Hochreiter
    and Schmidhuber.
    """
    lengths = length_range(length, min_length, 1, "parity")

    def draw(rng: np.random.Generator, count: int) -> Drawn:
        labels = draw_labels(rng, count, 2)
        steps = draw_lengths(rng, count, lengths)
        bits = rng.integers(2, size=(count, lengths[1]))
        bits[np.arange(lengths[1]) >= steps[:, None]] = 0
        # The last bit is set so that the sequence has the drawn class.
        last = np.arange(count), steps - 1
        bits[last] = 0
        bits[last] = bits.sum(axis=1) % 2 ^ labels
        return bits[:, :, None].astype(np.float32), labels, steps

    sizes = (num_train, num_val, num_test)
    return generated("parity", sizes, seed, lengths[1], ("even", "odd"), ("bit",), draw)


def frequencies(
    num_train: int,
    num_val: int,
    num_test: int,
    length: int,
    num_classes: int = 4,
    noise: float = 0.5,
    min_length: int | None = None,
    seed: int = 0,
) -> Splits:
    """Generates noisy sine waves; the class is the frequency.

    x_t = sin(2 pi f t + phase) + noise * e_t, where e_t is standard normal and the phase is
    uniform. The frequencies f are evenly spaced from 0.05 to 0.15 cycles per step, and name the
    classes.

    Args:
        length: T of the longest sequence, at least 2.
        num_classes: C, at least 2.
        noise: the deviation of the noise, at least 0.
        min_length: the shortest length; lengths are drawn evenly. None: all have `length` steps.

    Source: this project, in the style of the waveform data of L. Breiman, J. Friedman,
    R. Olshen, C. Stone (1984), Classification and Regression Trees, section 2.6.2.
    """
    lengths = length_range(length, min_length, 2, "frequencies")
    classes = integer("frequencies: num_classes", num_classes, 2)
    if not 0 <= noise < float("inf"):  # NaN compares as false
        raise ValueError(f"frequencies: noise={noise}: must be finite and at least 0")
    cycles = np.linspace(0.05, 0.15, classes)  # per step
    names = tuple(f"{f:.6g}" for f in cycles)

    def draw(rng: np.random.Generator, count: int) -> Drawn:
        labels = draw_labels(rng, count, classes)
        steps = draw_lengths(rng, count, lengths)
        phase = rng.random((count, 1))
        turns = cycles[labels][:, None] * np.arange(lengths[1]) + phase  # (N, T)
        # A sine is a cosine shifted by a quarter of a turn.
        x = cos_of_turns(turns - 0.25) + noise * normal(rng.random((*turns.shape, 2)))
        return x[:, :, None].astype(np.float32), labels, steps

    sizes = (num_train, num_val, num_test)
    return generated("frequencies", sizes, seed, lengths[1], names, ("signal",), draw)


def generated(
    task: str,
    sizes: tuple[int, int, int],
    seed: int,
    length: int,
    class_names: tuple[str, ...],
    channel_names: tuple[str, ...],
    draw: Draw,
    test: tuple[int, Draw] | None = None,
) -> Splits:
    """Generates the three splits by `draw`, each from its own random generator.

    Args:
        test: the length of the test split, and what draws it, if these differ.
    """
    seed = integer(f"{task}: seed", seed, 0)
    channels, made = len(channel_names), dict[str, Sequences]()
    named = zip(("train", "val", "test"), sizes, strict=True)
    counts = {name: integer(f"{task}: num_{name}", n, int(name == "train")) for name, n in named}
    longest, draw_test = test or (length, draw)
    steps = sum(count * (longest if name == "test" else length) for name, count in counts.items())
    sequences = f"{sum(counts.values()):,} sequences of {max(length, longest):,} steps"
    what = f"{sequences} with {channels:,} channels"
    check_memory(_BYTES * steps * channels, task, what)
    for index, (name, count) in enumerate(counts.items()):
        if count:
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
            x, labels, steps = (draw_test if name == "test" else draw)(rng, count)
            lengths = np.full(count, steps, dtype=np.int64)
            made[name] = Sequences(x, lengths, labels, class_names, channel_names)
    return Splits(made["train"], made.get("val"), made.get("test"))


def draw_labels(rng: np.random.Generator, count: int, classes: int) -> Int64:
    """Draws class indices (count,), each equally likely and at least once if possible."""
    once = rng.permutation(classes)[:count]
    more = rng.integers(classes, size=max(count - classes, 0))
    return rng.permutation(np.concatenate([once, more])).astype(np.int64)


def draw_lengths(rng: np.random.Generator, count: int, lengths: tuple[int, int]) -> Int64:
    """Draws lengths (count,) evenly between shortest and longest; the first is the longest."""
    drawn = rng.integers(*lengths, size=count, endpoint=True)
    drawn[0] = lengths[1]  # so that the shape of a split is always the same
    return drawn


def length_range(length: object, min_length: object, minimum: int, where: str) -> tuple[int, int]:
    """Returns the shortest and the longest length, equal if `min_length` is None."""
    longest = integer(f"{where}: length", length, minimum)
    given = longest if min_length is None else min_length
    return integer(f"{where}: min_length", given, minimum, longest, ", the length"), longest
