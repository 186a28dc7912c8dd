"""A part of a grid, without a list of the whole grid."""

import hashlib
import itertools
import math
from collections.abc import Collection, Iterator

from seqsweep.config.shape.axes import Grid, Point

_ROUNDS = 6


def sampled_configs(
    grid: Grid, replicate_keys: Collection[str], seed: int
) -> Iterator[list[Point]]:
    """Yields the points of each config, with all of its replicates.

    The first n configs are a sample of n. Their order depends on the values of the grid and on the
    seed, not on the order in which keys and values are given.

    Args:
        replicate_keys: the keys in which the replicates of one config differ.
    """
    repeats = [set(axis.keys) <= set(replicate_keys) for axis in grid.axes]
    ways: list[list[int]] = []
    for axis, repeated in zip(grid.axes, repeats, strict=True):
        texts = {tuple(sorted(choice)): place for place, choice in enumerate(axis.choices)}
        ways.append(
            list(range(len(axis.choices))) if repeated else [texts[t] for t in sorted(texts)]
        )
    order = [i for i, repeated in enumerate(repeats) if not repeated]
    order.sort(key=lambda i: sorted(grid.axes[i].keys))
    for number in permuted(math.prod(len(ways[i]) for i in order), seed):
        chosen = list(ways)
        for i in order:
            number, digit = divmod(number, len(ways[i]))
            chosen[i] = [ways[i][digit]]
        yield list(itertools.product(*chosen))


def permuted(size: int, seed: int) -> Iterator[int]:
    """Yields every number below `size` once, in an order that the seed decides.

    The first n numbers are a sample of n, and are part of every larger sample. Each takes the same
    time, whatever the size is. The order is that of a Feistel network over a square of numbers, of
    which those that are too large are left out (Black & Rogaway 2002, Ciphers with Arbitrary
    Finite Domains, CT-RSA).

    Args:
        size: the number of points, at least 1.
        seed: any whole number.
    """
    side = math.isqrt(size - 1) + 1
    for number in range(side * side):
        left, right = divmod(number, side)
        for step in range(_ROUNDS):
            left, right = right, (left + _hash(seed, step, right)) % side
        if (mixed := left * side + right) < size:
            yield mixed


def _hash(seed: int, step: int, value: int) -> int:
    # By hashlib, because `hash` and `random` may change with the version of Python.
    text = f"{seed}/{step}/{value}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
