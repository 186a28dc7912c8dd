"""A cut by groups keeps each group together, near the wanted size and class balance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prepared import prepared

from seqsweep.data.folds import grouped
from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Splits


def draw(labels, groups, size, seed=0):
    rng = np.random.default_rng(seed)
    return grouped(np.asarray(labels), np.asarray(groups), size, rng, "data.val_fraction=0.2")


def cut(labels, groups, seed=0, **fractions):
    x = np.arange(len(labels))[:, None] * np.ones((1, 2))  # the value is the position
    source = make_sequences(x, labels, groups=groups)
    return prepared(Splits(source), split_seed=seed, **fractions)


@given(st.integers(0, 1000), st.integers(4, 30), st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_a_group_is_never_in_two_splits_and_each_class_stays_in_train(seed, number, classes):
    rng = np.random.default_rng(seed)
    groups = rng.integers(number, size=10 * number)
    labels = rng.integers(classes, size=10 * number)
    splits = cut(labels, groups, seed)
    positions = {name: part.x[:, 0, 0].astype(int) for name, part in splits.parts.items()}
    assert sorted(np.concatenate(list(positions.values()))) == list(range(10 * number))
    of = {name: set(groups[rows]) for name, rows in positions.items()}
    assert (
        not of["train"] & of["val"] and not of["train"] & of["test"] and not of["val"] & of["test"]
    )
    assert set(splits.train.labels) == set(labels)


def test_the_cut_is_near_the_wanted_size_and_balance():
    rng = np.random.default_rng(0)
    groups = rng.integers(60, size=3000)
    labels = (rng.random(3000) < 0.1).astype(int)
    for seed in range(5):
        taken = draw(labels, groups, 600, seed)
        assert abs(taken.sum() - 600) <= 30
        assert abs(labels[taken].mean() - labels.mean()) < 0.02


def test_the_cut_depends_on_the_seed_alone():
    groups, labels = np.repeat(np.arange(20), 5), np.tile([0, 1, 1, 0, 1], 20)
    first = draw(labels, groups, 20)
    assert np.array_equal(first, draw(labels, groups, 20))
    assert any(not np.array_equal(first, draw(labels, groups, 20, seed)) for seed in (1, 2, 3))


def test_names_of_groups_and_classes_decide_nothing():
    groups, labels = np.repeat(np.arange(20), 5), np.tile([0, 1, 2, 0, 1], 20)
    names = np.array([f"p{17 * g % 20}" for g in groups])
    plain = cut(labels, groups)
    renamed = cut(np.array(["c", "a", "b"])[labels], names)
    for name, part in plain.parts.items():
        assert np.array_equal(part.x, renamed.parts[name].x)


def test_the_test_split_does_not_depend_on_the_validation_fraction():
    groups, labels = np.repeat(np.arange(20), 5), np.tile([0, 1, 1, 0, 1], 20)
    with_val, without = cut(labels, groups), cut(labels, groups, val_fraction=0)
    assert with_val.test is not None and without.test is not None
    assert np.array_equal(with_val.test.x, without.test.x)


def test_large_groups_are_taken_rather_than_none():
    groups, labels = np.repeat([0, 1], 10), np.tile([0, 1], 10)
    assert draw(labels, groups, 1).sum() == 10


@pytest.mark.parametrize(
    ("labels", "groups", "size", "message"),
    [
        ([0, 0, 1, 1], [0, 0, 1, 1], 1, "none of the 2 groups can be taken"),
    ],
)
def test_an_impossible_cut_by_groups_is_refused(labels, groups, size, message):
    with pytest.raises(ValueError, match=f"data.val_fraction=0.2.*{message}"):
        draw(labels, groups, size)


def test_groups_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"groups has shape \(3,\); must be \(2,\)"):
        make_sequences(np.zeros((2, 3)), [0, 1], groups=[0, 1, 2])
