"""Synthetic data, which depend on the arguments alone, the seed among them.

N sequences, T steps, F features, C classes.
"""

import itertools
import math
import operator
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from seqsweep.data.sequences import Sequences, Splits

_DISTRACTORS = ("a", "b", "c", "d")
# The first, second (and third) X or Y lies in these tenths of the length, [from, to).
_RANGES = {2: ((1, 3), (5, 7)), 3: ((1, 3), (4, 6), (7, 9))}
_LARGEST = 2**31  # numbers of x: 8 GiB
_MOST_CLASSES = 10**6
_SHORTEST = 4  # the least length at which each range of _RANGES holds a step


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

        x = [[2.131, 3.446], [-0.009, 0.629]]    label = 0

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
    n = _integer("num_sequences", num_sequences, 1, where)
    shape = (n, _integer("length", length, 1, where), _integer("input_size", input_size, 1, where))
    classes = _integer("num_classes", num_classes, 2, where)
    _check_size(shape, where)
    if classes > _MOST_CLASSES:
        raise ValueError(f"{where}: num_classes={classes}: must be at most {_MOST_CLASSES}")
    rng = _stream(_integer("seed", seed, 0, where), 0)
    x = rng.standard_normal(shape, dtype=np.float32)
    indices = (
        _draw_labels(rng, n, classes) if labels is None else _checked(labels, n, classes, where)
    )
    names = tuple(str(c) for c in range(classes))
    return Splits(train=_equal_length(x, indices, names, _channels(shape[2])))


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
    if num_symbols not in _RANGES:
        raise ValueError(f"{where}: num_symbols={num_symbols!r}: must be 2 or 3")
    steps = _integer("length", length, _SHORTEST, where)
    root = _integer("seed", seed, 0, where)
    train = _integer("num_train", num_train, 1, where)
    val = _integer("num_val", num_val, 0, where)
    test = _integer("num_test", num_test, 0, where)
    _check_size((train + val + test, steps, 2 + len(_DISTRACTORS)), where)
    return Splits(
        train=_ordered(_stream(root, 0), train, steps, num_symbols),
        val=_ordered(_stream(root, 1), val, steps, num_symbols) if val else None,
        test=_ordered(_stream(root, 2), test, steps, num_symbols) if test else None,
    )


def _ordered(rng: np.random.Generator, count: int, length: int, num_symbols: int) -> Sequences:
    """Returns `count` sequences of the temporal order task."""
    letters = ("X", "Y", *_DISTRACTORS)
    names = tuple("".join(order) for order in itertools.product("XY", repeat=num_symbols))
    labels = _draw_labels(rng, count, len(names))
    symbols = rng.integers(2, len(letters), size=(count, length))  # (N, T), distractors all over
    for index, (start, stop) in enumerate(_RANGES[num_symbols]):
        steps = rng.integers(-(-start * length // 10), -(-stop * length // 10), size=count)
        # The symbols are the class index in binary, highest digit first: 0 is X, 1 is Y.
        symbols[np.arange(count), steps] = (labels >> (num_symbols - 1 - index)) & 1
    x = np.eye(len(letters), dtype=np.float32)[symbols]  # (N, T, 6)
    return _equal_length(x, labels, names, letters)


def _stream(seed: int, index: int) -> np.random.Generator:
    """Returns the generator of one split, independent of the other splits' generators."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def _draw_labels(rng: np.random.Generator, count: int, classes: int) -> npt.NDArray[np.int64]:
    """Draws class indices evenly, (count,), each at least once if there is room."""
    once = rng.permutation(classes)[:count]
    more = rng.integers(classes, size=max(count - classes, 0))
    return rng.permutation(np.concatenate([once, more])).astype(np.int64)


def _checked(labels: list[int], count: int, classes: int, where: str) -> npt.NDArray[np.int64]:
    indices = [_integer(f"labels[{i}]", label, 0, where) for i, label in enumerate(labels)]
    if len(indices) != count:
        raise ValueError(f"{where}: {len(indices)} labels for num_sequences={count}")
    if max(indices) >= classes:
        raise ValueError(
            f"{where}: labels holds {max(indices)}; with num_classes={classes} must be"
            f" between 0 and {classes - 1}"
        )
    return np.array(indices, dtype=np.int64)


def _integer(name: str, value: object, minimum: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        kind = type(value).__name__
        raise TypeError(f"{where}: {name}={value!r}: expected an integer, got a {kind}")
    if operator.index(value) < minimum:
        raise ValueError(f"{where}: {name}={value}: must be at least {minimum}")
    return operator.index(value)


def _check_size(shape: tuple[int, int, int], where: str) -> None:
    """Refuses data that would exceed the memory of most machines."""
    count = math.prod(shape)
    if count > _LARGEST:
        raise ValueError(
            f"{where}: {shape[0]:,} sequences of {shape[1]:,} steps with {shape[2]:,} channels are"
            f" {count:,} numbers; must be at most {_LARGEST:,}"
        )


def _channels(count: int) -> tuple[str, ...]:
    return tuple(f"channel_{i}" for i in range(count))


def _equal_length(
    x: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    class_names: tuple[str, ...],
    channel_names: tuple[str, ...],
) -> Sequences:
    lengths = np.full(len(x), x.shape[1], dtype=np.int64)
    return Sequences(x, lengths, labels, class_names, channel_names)
