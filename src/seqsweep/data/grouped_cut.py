"""Draws a split of whole groups, near the wanted size and class balance.

N sequences, G groups, C classes.
"""

import math

import numpy as np

from seqsweep.data.checks import Float64, Int64, Mask


def grouped(labels: Int64, groups: Int64, size: int, rng: np.random.Generator, option: str) -> Mask:
    """Draws about `size` sequences in whole groups: (N,), True where drawn.

    The groups are shuffled, and taken one by one where that brings the drawn sequences nearer to
    the class proportions of all. The distance is chi-squared: the sum over the classes of
    (drawn - wanted)**2 / N_c. A group that would leave a class without a sequence in train is never
    taken. If even the first group is too large, the one that is least so is taken.

    Names decide nothing: neither those of the groups nor those of the classes.

    Raises:
        ValueError: no group can be taken.
    """
    if size < 1:
        raise ValueError(f"{option} rounds to none; set it to 0, or raise it")
    counts, index = by_class_and_group(labels, groups)
    total = counts.sum(axis=0)
    wanted = size / len(labels) * total
    order = rng.permutation(len(counts)).tolist()
    drawn = np.zeros_like(total)
    taken: list[int] = []
    for group in order:
        own = counts[group]
        if _keeps_classes(own, drawn, total) and _change(own, drawn, total, wanted) < 0:
            taken.append(group)
            drawn += own
    if not taken:
        possible = [group for group in order if _keeps_classes(counts[group], drawn, total)]
        if not possible:
            raise ValueError(
                f"{option}: none of the {len(order)} groups can be taken, because train must keep a"
                " sequence of each class; set it to 0, or give a split"
            )
        taken = [min(possible, key=lambda group: _change(counts[group], drawn, total, wanted))]
    return np.isin(index, taken)


def by_class_and_group(labels: Int64, groups: Int64) -> tuple[Int64, Int64]:
    """Returns the number of sequences (G, C) by group and class, and each sequence's group (N,).

    Groups and classes are numbered by their first sequence, so their names do not matter.
    """
    (of_group, number), (of_class, classes) = map(_numbered, (groups, labels))
    counts = np.zeros((number, classes), dtype=np.int64)
    np.add.at(counts, (of_group, of_class), 1)
    return counts, of_group


def _numbered(values: Int64) -> tuple[Int64, int]:
    """Numbers values by their first appearance; returns the numbers and their count."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse], len(first)


def _keeps_classes(group: Int64, drawn: Int64, total: Int64) -> bool:
    return bool(((group == 0) | (drawn + group < total)).all())


def _change(group: Int64, drawn: Int64, total: Int64, wanted: Float64) -> float:
    """Returns by how much a group changes the distance from the wanted proportions."""
    # `fsum` is exact up to the last rounding, so the order of the classes does not matter.
    return math.fsum(group * (2 * (drawn - wanted) + group) / total)
