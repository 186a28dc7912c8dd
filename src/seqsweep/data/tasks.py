"""Generates the data of tasks, which depend on the arguments alone, the seed among them.

N sequences, T steps, F features, C classes.
"""

import numpy as np

from seqsweep.data.checks import Int64
from seqsweep.data.sequences import Splits
from seqsweep.data.task_parts import (
    DISTRACTORS,
    RANGES,
    bits_with_parity,
    check_size,
    draw_labels,
    equal_length,
    generated_splits,
    integer,
    length_range,
    marked_sums,
    noisy_waves,
    number,
    numbered,
    ordered,
    recalled,
    stream,
)
from seqsweep.elementary import normal

_MOST_CLASSES = 10**6
_SHORTEST = 4  # the least length at which each range of RANGES holds a step


def random_sequences(
    num_sequences: int,
    length: int,
    input_size: int,
    num_classes: int,
    seed: int = 0,
    labels: list[int] | None = None,
) -> Splits:
    """Generates noise with unrelated labels, which a network can only memorise.

    The first of `random_sequences(3, length=2, input_size=2, num_classes=2, labels=[0, 1, 0])`:

        x = [[1.686, -0.042], [-0.292, 0.484]]    label = 0

    Args:
        num_sequences, length, input_size: N, T, F, each at least 1; x is standard normal.
        num_classes: C, at least 2.
        seed: at least 0.
        labels: N class indices in 0..C-1; None draws them evenly, each class at least once if there
            are as many sequences.

    Returns:
        All sequences as `train`, without `val` and `test`.

    Source: `torch.randn` inputs with fixed labels, the smallest check that a network can learn.
    """
    where = "random_sequences"
    n = integer("num_sequences", num_sequences, 1, where)
    shape = (n, integer("length", length, 1, where), integer("input_size", input_size, 1, where))
    classes = integer("num_classes", num_classes, 2, where)
    check_size(shape, where)
    if classes > _MOST_CLASSES:
        raise ValueError(f"{where}: num_classes={classes}: must be at most {_MOST_CLASSES}")
    rng = stream(integer("seed", seed, 0, where), 0)
    x = normal(rng.random((*shape, 2), dtype=np.float32))
    indices = (
        draw_labels(rng, n, classes) if labels is None else _checked(labels, n, classes, where)
    )
    channels = tuple(f"channel_{i}" for i in range(shape[2]))
    return Splits(train=equal_length(x, indices, numbered(classes), channels))


def temporal_order(
    num_train: int,
    num_val: int,
    num_test: int,
    length: int,
    num_symbols: int = 2,
    seed: int = 0,
) -> Splits:
    """Generates distractors with two or three X or Y, whose order is the class.

    The third of `temporal_order(5, 0, 0, length=10)`, class XY; each letter is a one-hot step of
    the 6 channels X, Y, a, b, c, d:

        a a X b c a Y d b d

    The positions are drawn evenly from [.1T, .3T) and [.5T, .7T), with three symbols from
    [.1T, .3T), [.4T, .6T) and [.7T, .9T); each other step is one of a, b, c, d, drawn evenly.
    The classes are drawn evenly too, and each occurs at least once if there are as many sequences.

    Args:
        num_train: at least 1.
        num_val, num_test: at least 0; 0 gives no such split. Each split has its own stream of the
            seed, so the size of one does not change another.
        length: T, at least 4.
        num_symbols: 2 (classes XX XY YX YY) or 3 (XXX to YYY, eight classes).
        seed: at least 0.

    Source: S. Hochreiter, J. Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8),
    experiments 6a and 6b. Differences: sequences of a split are equally long, the positions scale
    with the length, and the start and end symbols E and B are left out.
    """
    where = "temporal_order"
    if num_symbols not in RANGES:
        raise ValueError(f"{where}: num_symbols={num_symbols!r}: must be 2 or 3")
    steps = integer("length", length, _SHORTEST, where)
    sizes, shape = (num_train, num_val, num_test), (steps, 2 + len(DISTRACTORS))
    return generated_splits(where, sizes, seed, shape, ordered, steps, num_symbols)


def adding(
    num_train: int,
    num_val: int,
    num_test: int,
    length: int,
    num_classes: int = 2,
    seed: int = 0,
) -> Splits:
    """Generates numbers of which two are marked; the class says how large their sum is.

    The first of `adding(1, 0, 0, length=6)`, class 1, with the channels value and marker:

        value   0.13 0.42 0.77 0.06 0.40 0.27
        marker  0    0    1    0    1    0

    The values are uniform in [0, 1); one mark is in each half, at a step drawn evenly. The classes
    divide the sums, 0 to 2, into C ranges of equal probability; with two, class 1 is above 1.

    Args:
        num_train, num_val, num_test: as in `temporal_order`.
        length: T, at least 2.
        num_classes: C, at least 2.
        seed: at least 0.

    Source: S. Hochreiter, J. Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8),
    experiment 4, with the marks of M. Arjovsky, A. Shah, Y. Bengio (2016), Unitary Evolution
    Recurrent Neural Networks, ICML. Difference: a class of the sum instead of the sum itself.
    """
    where = "adding"
    steps = integer("length", length, 2, where)
    classes = integer("num_classes", num_classes, 2, where)
    sizes = num_train, num_val, num_test
    return generated_splits(where, sizes, seed, (steps, 2), marked_sums, steps, classes)


def delayed_recall(
    num_train: int,
    num_val: int,
    num_test: int,
    length: int,
    num_symbols: int = 8,
    seed: int = 0,
) -> Splits:
    """Generates a symbol, a delay, and a cue; the class is the symbol.

    The first of `delayed_recall(1, 0, 0, length=6, num_symbols=4)`, class s1; each word is a
    one-hot step of the 6 channels s0, s1, s2, s3, blank, cue:

        s1 blank blank blank blank cue

    Args:
        num_train, num_val, num_test: as in `temporal_order`.
        length: T, at least 2; the delay has T - 2 steps.
        num_symbols: C, at least 2.
        seed: at least 0.

    Source: the copy task of S. Hochreiter, J. Schmidhuber (1997) and of M. Arjovsky, A. Shah,
    Y. Bengio (2016), Unitary Evolution Recurrent Neural Networks, ICML. Difference: one symbol is
    recalled, as a class, instead of ten, as a sequence.
    """
    where = "delayed_recall"
    steps = integer("length", length, 2, where)
    symbols = integer("num_symbols", num_symbols, 2, where)
    sizes = num_train, num_val, num_test
    return generated_splits(where, sizes, seed, (steps, symbols + 2), recalled, steps, symbols)


def parity(
    num_train: int,
    num_val: int,
    num_test: int,
    length: int,
    min_length: int | None = None,
    seed: int = 0,
) -> Splits:
    """Generates bits; the class says whether the number of ones is even or odd.

    The first of `parity(1, 0, 0, length=6)`, class odd, with one channel:

        1 0 0 1 1 0

    Every bit changes the class, so nothing may be forgotten, and no part of the sequence tells
    anything about the class.

    Args:
        num_train, num_val, num_test: as in `temporal_order`.
        length: T of the longest sequence, at least 1.
        min_length: the shortest length; lengths are drawn evenly. None: all have `length` steps.
        seed: at least 0.

    Source: M. Minsky, S. Papert (1969), Perceptrons; as a task for recurrent networks in
    S. Hochreiter, J. Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8).
    """
    where = "parity"
    lengths = length_range(length, min_length, 1, where)
    sizes = num_train, num_val, num_test
    return generated_splits(where, sizes, seed, (lengths[1], 1), bits_with_parity, lengths)


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
        num_train, num_val, num_test: as in `temporal_order`.
        length: T of the longest sequence, at least 2.
        num_classes: C, at least 2.
        noise: the deviation of the noise, at least 0.
        min_length: the shortest length; lengths are drawn evenly. None: all have `length` steps.
        seed: at least 0.

    Source: the project's own, in the manner of the waveform data of L. Breiman, J. Friedman,
    R. Olshen, C. Stone (1984), Classification and Regression Trees, section 2.6.2.
    """
    where = "frequencies"
    lengths = length_range(length, min_length, 2, where)
    classes = integer("num_classes", num_classes, 2, where)
    scale = number("noise", noise, 0.0, where)
    sizes, shape = (num_train, num_val, num_test), (lengths[1], 1)
    return generated_splits(where, sizes, seed, shape, noisy_waves, lengths, classes, scale)


def _checked(labels: list[int], count: int, classes: int, where: str) -> Int64:
    indices = [integer(f"labels[{i}]", label, 0, where) for i, label in enumerate(labels)]
    if len(indices) != count:
        raise ValueError(f"{where}: {len(indices)} labels for num_sequences={count}")
    if max(indices) >= classes:
        raise ValueError(
            f"{where}: labels holds {max(indices)}; with num_classes={classes} must be"
            f" between 0 and {classes - 1}"
        )
    return np.array(indices, dtype=np.int64)
