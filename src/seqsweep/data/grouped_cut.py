"""Draws a split of whole groups, near the wanted size and class balance.

N sequences, G groups, C classes.
"""

import math

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
_Counts = dict[int, int]


def grouped(
    labels: Int64, groups: Int64, size: int, rng: np.random.Generator, option: str
) -> npt.NDArray[np.bool_]:
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
    counts = _counts_by_group(labels, groups)
    total = _class_counts(labels)
    share = size / len(labels)
    order = in_shuffled_order(groups, rng)
    drawn: _Counts = dict.fromkeys(total, 0)
    taken: list[int] = []
    for group in order:
        own = counts[group]
        if _keeps_classes(own, drawn, total) and _change(own, drawn, total, share) < 0:
            taken.append(group)
            for c, n in own.items():
                drawn[c] += n
    if not taken:
        possible = [group for group in order if _keeps_classes(counts[group], drawn, total)]
        if not possible:
            raise ValueError(
                f"{option}: none of the {len(order)} groups can be taken, because train must keep a"
                " sequence of each class; set it to 0, or give a split"
            )
        taken = [min(possible, key=lambda group: _change(counts[group], drawn, total, share))]
    return np.isin(groups, taken)


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


def _counts_by_group(labels: Int64, groups: Int64) -> dict[int, _Counts]:
    """Returns the number of sequences of each class by group, without zeros."""
    pairs, counts = np.unique(np.stack([groups, labels]), axis=1, return_counts=True)
    by_group: dict[int, _Counts] = {}
    for group, label, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
        by_group.setdefault(group, {})[label] = count
    return by_group


def _class_counts(labels: Int64) -> _Counts:
    values, counts = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def in_shuffled_order(groups: Int64, rng: np.random.Generator) -> list[int]:
    """Returns the groups in a random order that depends on their order of appearance alone."""
    appearing = list(dict.fromkeys(groups.tolist()))
    return [appearing[index] for index in rng.permutation(len(appearing))]


def _keeps_classes(group: _Counts, drawn: _Counts, total: _Counts) -> bool:
    return all(drawn[c] + n < total[c] for c, n in group.items())


def _change(group: _Counts, drawn: _Counts, total: _Counts, share: float) -> float:
    """Returns by how much a group changes the distance from the wanted proportions."""
    # `fsum` is exact up to the last rounding, so the order of the classes does not matter.
    return math.fsum(
        n * (2 * (drawn[c] - share * total[c]) + n) / total[c] for c, n in group.items()
    )
