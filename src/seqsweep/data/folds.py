"""Divides sequences into folds for cross-validation, and cuts splits from train.

N sequences, C classes, G groups. A group, such as a patient, is never divided between splits.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from seqsweep.data.checks import Array, Int64, Mask, numbered
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.errors import integer


def hold_out(splits: Splits, folds: int, fold: int, seed: int) -> Splits:
    """Makes one fold of train the test split; the other folds remain in train.

    The folds themselves do not depend on `fold`, so over all values of `fold` each sequence is
    tested once. A given validation split stays the same for all folds.
    """
    if splits.test is not None:
        raise ValueError(f"data.folds={folds}: must be null, because the data have a test split")
    integer("data.folds", folds, 2, reason=", or null for no folds")
    integer("data.fold", fold, 0, folds - 1, f" with data.folds={folds}")
    # The test and validation splits are drawn from the random streams 0 and 1.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    train = splits.train
    is_tested = folds_of(train, folds, rng) == fold
    test, rest = (train.select(np.flatnonzero(part)) for part in (is_tested, ~is_tested))
    notes = [] if train.groups is None else [group_note("test", train.groups, is_tested)]
    return replace(splits, train=rest, test=test, notes=(*splits.notes, *notes))


def folds_of(sequences: Sequences, folds: int, rng: np.random.Generator) -> Int64:
    """Returns the fold of each sequence, (N,).

    The folds are stratified: their sizes, and their counts of each class, differ by at most one.
    With groups, each group lies in one fold, and sizes and classes are only nearly balanced.
    The names of groups and classes have no effect.

    Raises:
        ValueError: a class has too few sequences, or there are too few groups, for so many folds;
            or one fold would hold all groups of a class.
    """
    labels, groups = sequences.labels, sequences.groups
    names = sequences.class_names or range(len(labels))  # bins of targets
    if groups is None:
        values, counts = np.unique(labels, return_counts=True)
        rarest = int(counts.argmin())
        if counts[rarest] < folds:
            most = f"{counts[rarest]}, the sequences of the rarest class {names[values[rarest]]!r}"
            raise ValueError(f"data.folds={folds}: must be at most {most}")
        return _stratified(labels, folds, rng)
    number = len(np.unique(groups))
    if number < folds:
        raise ValueError(f"data.folds={folds}: must be at most {number}, the number of groups")
    result = _folds_of_groups(labels, groups, folds, rng)
    for label in np.unique(labels).tolist():
        # When this fold is tested, the other folds would train without the class.
        if len(np.unique(result[labels == label])) == 1:
            raise ValueError(
                f"data.folds={folds}: all sequences of class {names[label]!r} are in one fold,"
                " as groups are kept together; give fewer folds, or another data.split_seed"
            )
    return result


def _stratified(labels: Int64, folds: int, rng: np.random.Generator) -> Int64:
    """Assigns the shuffled sequences to the folds in turn, class by class."""
    shuffled = rng.permutation(len(labels))
    # The classes are sorted by their first shuffled sequence, so that their names do not matter.
    dealt = shuffled[np.argsort(numbered(labels[shuffled]), kind="stable")]
    result = np.empty(len(labels), dtype=np.int64)
    result[dealt] = np.arange(len(labels)) % folds
    return result


def _folds_of_groups(labels: Int64, groups: Int64, folds: int, rng: np.random.Generator) -> Int64:
    """Puts each group, large groups first, into the fold that lacks its classes most.

    A fold gets a sum for the group: for each sequence of the group, the share of the sequence's
    class that the fold already holds. The fold with the smallest sum is chosen. If sums are equal,
    the fold with the fewest sequences is chosen, so the first groups get one fold each.
    """
    counts, index = by_class_and_group(labels, groups)  # (G, C)
    shares = counts / counts.sum(axis=0)
    order = rng.permutation(len(counts)).tolist()
    order.sort(key=lambda group: -int(counts[group].sum()))
    held = np.zeros((folds, counts.shape[1]))
    fold_of_group = np.empty(len(counts), dtype=np.int64)
    for group in order:
        # Rounding makes sums equal that would be equal in exact numbers.
        crowded = np.round(held @ shares[group], 9)
        fold = min(range(folds), key=lambda k: (crowded[k], held[k].sum()))
        fold_of_group[group] = fold
        held[fold] += counts[group]
    return fold_of_group[index]


def grouped(labels: Int64, groups: Int64, size: int, rng: np.random.Generator, option: str) -> Mask:
    """Draws about `size` sequences in whole groups: (N,), True where drawn.

    The wanted number for a class is its share of `size`. The shuffled groups are tried one by one.
    A group is taken if it brings the drawn numbers nearer to the wanted numbers. The distance is
    chi-squared: the sum over the classes of (drawn - wanted)**2 / N_c, where class c has N_c
    sequences in all. A group is never taken if train would lose a class. If no group brings the
    numbers nearer, the group with the smallest distance is taken. The names of groups and classes
    have no effect.

    Raises:
        ValueError: every group holds all sequences of some class, so none can be taken.
    """
    counts, index = by_class_and_group(labels, groups)
    total = counts.sum(axis=0)
    wanted = size / len(labels) * total
    drawn = np.zeros_like(total)

    def keeps_classes(group: int) -> bool:
        return bool(((counts[group] == 0) | (drawn + counts[group] < total)).all())

    def change(group: int) -> float:
        """Returns how a group changes the distance from the wanted numbers."""
        own = counts[group]
        # `fsum` is exact up to the last rounding, so the order of the classes does not matter.
        return math.fsum(own * (2 * (drawn - wanted) + own) / total)

    taken = list[int]()
    order: list[int] = rng.permutation(len(counts)).tolist()
    for group in order:
        if keeps_classes(group) and change(group) < 0:
            taken.append(group)
            drawn += counts[group]
    if not taken:
        possible = [*filter(keeps_classes, order)]
        if not possible:
            raise ValueError(
                f"{option}: none of the {len(order)} groups can be taken, because train must keep a"
                " sequence of each class; set it to 0, or give a split"
            )
        taken = [min(possible, key=change)]
    return np.isin(index, taken)


def group_note(split: str, groups: Int64, drawn: Mask) -> str:
    """Returns the size of a split as text: `test: 2 of 9 groups, 40 sequences`."""
    number, total = len(np.unique(groups[drawn])), len(np.unique(groups))
    return f"{split}: {number} of {total} groups, {drawn.sum()} sequences"


def by_class_and_group(labels: Int64, groups: Int64) -> tuple[Int64, Int64]:
    """Counts sequences by group and class, (G, C); also returns each sequence's group, (N,).

    Groups and classes are numbered by their first sequence, so their names do not matter.
    """
    of_group, of_class = numbered(groups), numbered(labels)
    counts = np.zeros((of_group.max() + 1, of_class.max() + 1), dtype=np.int64)
    np.add.at(counts, (of_group, of_class), 1)
    return counts, of_group


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Refuses fractions that are not in [0, 1)."""
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise ValueError(f"data.{name}={fraction}: must be at least 0 and below 1")


def fractions_of(splits: Splits, val_fraction: float, test_fraction: float) -> dict[str, float]:
    """Returns the checked parts of train to cut, 0 for a given split."""
    check_fractions(val_fraction, test_fraction)
    wanted = {"test": test_fraction, "val": val_fraction}
    fractions = {name: 0.0 if name in splits.parts else size for name, size in wanted.items()}
    if sum(fractions.values()) >= 1:
        both = f"data.val_fraction={val_fraction} and data.test_fraction={test_fraction}"
        raise ValueError(f"{both} leave nothing to train; their sum must be below 1")
    return fractions


def divided(splits: Splits, divide: Callable[[Splits], Splits]) -> Splits:
    """Divides splits by classes, or bins of targets; if bins or rows forbid it, without."""
    train, has_classes = splits.train, splits.train.row_labels is None
    if train.targets is not None:
        train, has_classes = replace(train, labels=_bins(train.targets[..., 0])), False
    try:
        return divide(replace(splits, train=train))
    except ValueError:
        if has_classes:
            raise
        # The class of most rows is one of several that a recording has, so it may leave train.
        return divide(replace(splits, train=replace(train, labels=np.zeros_like(train.labels))))


def _bins(targets: Array) -> Int64:
    """Returns the quantile bin (N,) of each sequence, by its mean target."""
    means = np.ma.masked_invalid(targets.reshape(len(targets), -1)).mean(axis=1).filled(0)
    ranks = means.argsort(kind="stable").argsort(kind="stable")
    # Ten sequences in a bin can be divided between ten folds.
    return ranks * max(1, min(10, len(ranks) // 10)) // len(ranks)


def cut(splits: Splits, fractions: Mapping[str, float], seed: int) -> Splits:
    """Cuts a missing test split, then a missing validation split, from train."""
    train, given, notes = splits.train, len(splits.train), list(splits.notes)
    # `rest` has positions in train, so that train itself is copied once, after the last cut.
    rest, parts = np.arange(given), dict[str, Sequences]()
    # Each cut has its own stream. The test split is cut first, so val_fraction does not change it.
    for stream, (split, fraction) in enumerate(fractions.items()):
        if fraction == 0:
            continue
        size = round(fraction * given)
        option = f"data.{split}_fraction={fraction} of {given} sequences"
        if size < 1:
            other = "with windows, data.split_by=time cuts each recording instead"
            raise ValueError(f"{option} rounds to none; set it to 0, or raise it; {other}")
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
        if train.groups is None:
            taken = _by_class(train.labels[rest], size, rng, option)
        else:
            groups = train.groups[rest]
            taken = grouped(train.labels[rest], groups, size, rng, option)
            notes.append(f"{group_note(split, groups, taken)} (asked for {size})")
        parts[split], rest = train.select(rest[taken]), rest[~taken]
    if not parts:
        return splits
    return replace(splits, train=train.select(rest), notes=tuple(notes), **parts)


def _by_class(labels: Int64, size: int, rng: np.random.Generator, option: str) -> Mask:
    """Draws `size` sequences in proportion to the classes: (N,), True where drawn.

    At least one sequence of each class is not drawn. The names of classes have no effect: if
    remainders are equal, the first class in the shuffled order gets the next sequence.
    """
    shuffled = rng.permutation(len(labels))
    values, first, counts = np.unique(labels[shuffled], return_index=True, return_counts=True)
    order = np.argsort(first)
    if size > len(labels) - len(values):
        raise ValueError(
            f"{option} is {size}, but train has {len(labels)} and must keep one of each of"
            f" its {len(values)} classes; set it to 0, or lower it"
        )
    shares = _largest_remainder(counts[order], size)
    taken = np.zeros(len(labels), dtype=np.bool_)
    for value, share in zip(values[order], shares, strict=True):
        members = shuffled[labels[shuffled] == value]
        taken[members[:share]] = True
    return taken


def _largest_remainder(counts: Int64, size: int) -> Int64:
    """Divides `size` in proportion to `counts` (C,); each share is below its count."""
    total = int(counts.sum())
    # Rounding down leaves some sequences, which go to the classes with the largest remainders.
    shares = counts * size // total
    while shares.sum() < size:
        remainders = counts * size - shares * total  # integers, so that rounding has no effect
        # A class that would lose its last sequence to this split gets no further share.
        remainders[shares >= counts - 1] = np.iinfo(np.int64).min
        shares[remainders.argmax()] += 1
    return shares
