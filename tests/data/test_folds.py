"""Folds and cuts are complete, stratified and whole in groups; they depend on the seed alone."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prepared import prepared

from seqsweep.data.folds import folds_of, grouped
from seqsweep.data.info import contents
from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Sequences, Splits


def made(labels: Any, groups: Any = None, names: Any = None) -> Sequences:
    """Sequences whose only value is their position."""
    x = np.arange(len(labels), dtype=np.float64)[:, None, None]
    return make_sequences(x, labels, groups=groups, class_names=names)


def divided(sequences: Sequences, folds: int, seed: int = 0) -> np.ndarray:
    return folds_of(sequences, folds, np.random.default_rng(seed))


def ready(splits: Splits, **options: Any) -> Splits:
    return prepared(splits, **{"val_fraction": 0.25, "folds": 4} | options)


def known(part: Sequences | None) -> list[int]:
    assert part is not None
    return part.x[:, 0, 0].astype(int).tolist()


LABELS = [0] * 21 + [1] * 10 + [2] * 9


@given(st.integers(2, 6), st.lists(st.integers(6, 25), min_size=2, max_size=5), st.integers(0, 99))
@settings(max_examples=60)
def test_sizes_and_classes_differ_by_at_most_one(folds, counts, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    fold = divided(made(labels), folds, seed)
    table = [np.bincount(labels[fold == k], minlength=len(counts)) for k in range(folds)]
    assert np.ptp(table, axis=0).max() <= 1
    assert np.ptp(np.sum(table, axis=1)) <= 1


def test_each_sequence_is_tested_once_and_no_split_shares_one():
    tested: list[int] = []
    for fold in range(4):
        cut = ready(Splits(made(LABELS)), fold=fold)
        parts = [known(cut.train), known(cut.val), known(cut.test)]
        assert sorted(parts[0] + parts[1] + parts[2]) == list(range(40))
        assert (len(parts[1]), len(parts[2])) == (8, 10)  # a quarter of 30, a quarter of 40
        tested += parts[2]
    assert sorted(tested) == list(range(40))


def test_the_partition_is_that_of_the_split_seed_alone():
    source = Splits(made(LABELS))
    first = [known(ready(source, fold=fold).test) for fold in range(4)]
    for others in ({"test_fraction": 0.0}, {"val_fraction": 0.0}, {"missing": "zero"}):
        assert [known(ready(source, fold=fold, **others).test) for fold in range(4)] == first
    cuts = [ready(source, fold=fold, split_seed=seed) for seed in (0, 1) for fold in range(4)]
    assert len({tuple(known(cut.test)) for cut in cuts}) == 8
    assert len({cut.fingerprint() for cut in cuts}) == 8
    assert len({contents(cut)["test"]["fingerprint"] for cut in cuts}) == 8


@given(st.integers(0, 999), st.integers(2, 5))
@settings(max_examples=60)
def test_a_group_lies_in_one_fold_and_the_classes_stay_near_proportion(seed, folds):
    rng = np.random.default_rng(seed)
    groups = rng.integers(40, size=400)
    labels = (rng.random(400) < 0.3).astype(int)
    fold = divided(made(labels, groups), folds, seed)
    assert all(len(set(fold[groups == group])) == 1 for group in groups)
    sizes = np.bincount(fold, minlength=folds)
    # A fold may miss its share by about one group of ten sequences.
    assert abs(sizes - 400 / folds).max() <= 12
    assert all(abs(labels[fold == k].mean() - labels.mean()) < 0.08 for k in range(folds))


def test_a_given_validation_split_is_the_same_for_all_folds():
    source = Splits(made(LABELS), val=made([0, 1, 2]))
    cuts = [ready(source, fold=fold) for fold in range(4)]
    assert all(known(cut.val) == [0, 1, 2] for cut in cuts)
    assert all(len(cut.train) == 30 for cut in cuts)


FEW = made([0] * 9 + [1] * 3, names=["a", "b"])
TOGETHER = made([0] * 9 + [1] * 3, np.r_[np.arange(9), [9] * 3], names=["a", "b"])
HALVES = replace(FEW, groups=np.arange(12) // 6)
BAD: dict[str, tuple[Splits, dict[str, Any], str]] = {
    "fold": (Splits(FEW), {"folds": 3, "fold": 3}, "^data.fold=3: must be between 0 and 2"),
    "test": (Splits(FEW, test=FEW), {"folds": 3}, "^data.folds=3: must be null, .* a test split"),
    "groups": (Splits(HALVES), {"folds": 3}, "must be at most 2, the number of groups"),
    "together": (Splits(TOGETHER), {"folds": 3}, "all sequences of class 'b' are in one fold"),
}  # fmt: skip


@pytest.mark.parametrize(("splits", "options", "message"), BAD.values(), ids=BAD)
def test_impossible_folds_are_refused(splits, options, message):
    with pytest.raises(ValueError, match=message):
        ready(splits, **options)


def draw(labels: Any, groups: Any, size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return grouped(np.asarray(labels), np.asarray(groups), size, rng, "data.val_fraction=0.2")


@given(st.integers(0, 1000), st.integers(4, 30), st.integers(2, 4))
@settings(max_examples=60)
def test_a_cut_leaves_each_group_whole_and_each_class_in_train(seed, number, classes):
    rng = np.random.default_rng(seed)
    groups = rng.integers(number, size=10 * number)
    labels = rng.integers(classes, size=10 * number)
    cut = prepared(Splits(made(labels, groups)), split_seed=seed)
    positions = {name: known(part) for name, part in cut.parts.items()}
    assert sorted(itertools.chain(*positions.values())) == list(range(10 * number))
    of = {name: set(groups[rows]) for name, rows in positions.items()}
    assert sum(map(len, of.values())) == len(set(groups))
    assert set(cut.train.labels) == set(labels)


def test_a_cut_by_groups_is_near_the_wanted_size_and_balance():
    rng = np.random.default_rng(0)
    groups = rng.integers(60, size=3000)
    labels = (rng.random(3000) < 0.1).astype(int)
    for seed in range(5):
        taken = draw(labels, groups, 600, seed)
        assert abs(taken.sum() - 600) <= 30
        assert abs(labels[taken].mean() - labels.mean()) < 0.02
        assert np.array_equal(taken, draw(labels, groups, 600, seed))
    message = "data.val_fraction=0.2.*none of the 2 groups can be taken"
    with pytest.raises(ValueError, match=message):
        draw([0, 0, 1, 1], [0, 0, 1, 1], 1)


def test_neither_names_nor_the_validation_fraction_decide_the_cut_by_groups():
    groups, labels = np.repeat(np.arange(20), 5), np.tile([0, 1, 2, 0, 1], 20)
    names = np.array([f"p{17 * g % 20}" for g in groups])
    plain = prepared(Splits(made(labels, groups)))
    renamed = prepared(Splits(made(np.array(["c", "a", "b"])[labels], names)))
    for name, part in plain.parts.items():
        assert np.array_equal(part.x, renamed.parts[name].x)
    without = prepared(Splits(made(labels, groups)), val_fraction=0)
    assert known(without.test) == known(plain.test)
