"""Divides sequences into folds for cross-validation.

N sequences, C classes, G groups, K folds.
"""

from dataclasses import replace

import numpy as np

from seqsweep.data.checks import Int64
from seqsweep.data.grouped_cut import by_class_and_group
from seqsweep.data.sequences import Sequences, Splits

_STREAM = 2
"""The random stream of the folds; the cuts of test and validation have the streams 0 and 1."""


def check_fold(folds: int | None, fold: int, where: str) -> None:
    """Refuses fewer than two folds, and a fold that does not exist."""
    if folds is None:
        if fold != 0:
            raise ValueError(
                f"{where}.fold={fold}: must be 0 without folds; give {where}.folds, as in"
                f" {where}.folds=5"
            )
        return
    if folds < 2:
        raise ValueError(f"{where}.folds={folds}: must be at least 2, or null for no folds")
    if not 0 <= fold < folds:
        raise ValueError(
            f"{where}.fold={fold}: must be between 0 and {folds - 1}, because there are"
            f" {where}.folds={folds}"
        )


def hold_out(splits: Splits, folds: int, fold: int, seed: int, where: str) -> Splits:
    """Makes one fold of train the test split.

    The folds depend on `seed` and `folds` alone, so over all values of `fold` each sequence is
    tested once. A given validation split stays the same for all folds. A given test split is
    refused: it was fixed for comparisons with other work, and the folds would replace it.

    Raises:
        ValueError: there is a test split, or see `folds_of`.
    """
    if splits.test is not None:
        raise ValueError(
            f"{where}.folds={folds}: must be null, because the data have a test split; folds are"
            " for data without one"
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    train = splits.train
    is_tested = folds_of(train, folds, rng, where) == fold
    test, rest = (train.select(np.flatnonzero(part)) for part in (is_tested, ~is_tested))
    notes = splits.notes
    if train.groups is not None:
        assert test.groups is not None
        number, total = len(np.unique(test.groups)), len(np.unique(train.groups))
        notes = (*notes, f"test: {number} of {total} groups, {len(test)} sequences")
    return replace(splits, train=rest, test=test, notes=notes)


def folds_of(sequences: Sequences, folds: int, rng: np.random.Generator, where: str) -> Int64:
    """Returns the fold of each sequence: (N,), from 0 to K - 1.

    The folds are stratified: their sizes, and their sequences of each class, differ by at most one.
    With groups each group lies in one fold, and sizes and classes are nearly balanced instead.
    Names decide nothing: neither those of the groups nor those of the classes.

    Raises:
        ValueError: a class has too few sequences or groups for so many folds.
    """
    labels, groups = sequences.labels, sequences.groups
    option = f"{where}.folds={folds}"
    if groups is None:
        _check_counts(labels, folds, sequences.class_names, option)
        return _stratified(labels, folds, rng)
    number = len(np.unique(groups))
    if number < folds:
        raise ValueError(f"{option}: must be at most {number}, the number of groups")
    result = _grouped(labels, groups, folds, rng)
    _check_spread(labels, result, sequences.class_names, folds, where)
    return result


def _check_counts(labels: Int64, folds: int, names: tuple[str, ...], option: str) -> None:
    values, counts = np.unique(labels, return_counts=True)
    rarest = int(counts.argmin())
    if counts[rarest] < folds:
        raise ValueError(
            f"{option}: must be at most {counts[rarest]}, the number of sequences of the rarest"
            f" class {names[values[rarest]]!r}"
        )


def _check_spread(
    labels: Int64, fold: Int64, names: tuple[str, ...], folds: int, where: str
) -> None:
    """Refuses a class that lies in one fold: the other folds would train without it."""
    for label in np.unique(labels).tolist():
        if len(np.unique(fold[labels == label])) == 1:
            raise ValueError(
                f"{where}.folds={folds}: all sequences of class {names[label]!r} are in one fold,"
                " because whole groups are kept together; give fewer folds, or another"
                f" {where}.split_seed"
            )


def _stratified(labels: Int64, folds: int, rng: np.random.Generator) -> Int64:
    """Deals the shuffled sequences to the folds like cards, class after class."""
    shuffled = rng.permutation(len(labels))
    # The classes come in the order of their first sequence, so that their names do not matter.
    _, first, inverse = np.unique(labels[shuffled], return_index=True, return_inverse=True)
    dealt = shuffled[np.argsort(first[inverse], kind="stable")]
    result = np.empty(len(labels), dtype=np.int64)
    result[dealt] = np.arange(len(labels)) % folds
    return result


def _grouped(labels: Int64, groups: Int64, folds: int, rng: np.random.Generator) -> Int64:
    """Puts each group into the fold that has the least of its classes.

    Large groups come first.

    A fold is judged by the sum, over the sequences of the group, of the fold's share of their
    class. Equal folds are judged by their size, so each of the first groups gets its own fold.
    """
    counts, index = by_class_and_group(labels, groups)  # (G, C)
    shares = counts / counts.sum(axis=0)
    order = rng.permutation(len(counts)).tolist()
    order.sort(key=lambda group: -int(counts[group].sum()))
    held = np.zeros((folds, counts.shape[1]))
    fold_of_group = np.empty(len(counts), dtype=np.int64)
    for group in order:
        # Rounding breaks ties between folds that would be equal in exact numbers.
        crowded = np.round(held @ shares[group], 9)
        fold = min(range(folds), key=lambda k: (crowded[k], held[k].sum()))
        fold_of_group[group] = fold
        held[fold] += counts[group]
    return fold_of_group[index]
