"""The description of a data set counts what is in it; a line says what is odd."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from prepared import prepared

from seqsweep.data.bundled import digits
from seqsweep.data.info import contents, describe, notes
from seqsweep.data.raw import RawPart, make_sequences, make_splits
from seqsweep.data.sequences import Splits


def made() -> Splits:
    """Train with a repeated sequence, test with two of train's, one under another label."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 6, 3))
    x[1] = x[0]
    x[3, 2, 0] = np.nan
    x[:, :, 2] = 5
    labels = np.array([0, 0, *np.arange(18) % 2])
    test, test_labels = x[[0, 5, 2]].copy(), np.array([0, 1 - labels[5], labels[2]])
    test[2] += 9
    return make_splits(
        {
            "train": RawPart(x, labels, np.r_[3, 3, np.full(18, 6)], "train"),
            "test": RawPart(test, test_labels, np.array([3, 6, 6]), "test"),
        }
    )


def test_sizes_lengths_duplicates_and_contradictions_are_counted():
    info = describe(made())
    train, test = info.splits
    assert (train.name, train.sequences, train.steps) == ("train", 20, 6 + 18 * 6)
    assert (train.shortest, train.median, train.longest) == (3, 6.0, 6)
    assert (test.name, test.sequences) == ("test", 3)
    assert (train.repeated, train.also_in_train) == (1, None)
    assert (test.repeated, test.also_in_train) == (0, 2)
    assert info.contradictions == 2  # sequence 5, in train and in test
    assert info.classes[0].sequences.keys() == {"train", "test"}
    assert sum(of.total for of in info.classes) == 23
    assert json.loads(json.dumps(asdict(info), allow_nan=False))


def test_channels_are_measured_over_the_valid_steps_of_all_splits():
    splits = made()
    info = describe(splits)
    values = np.concatenate([part.x[part.valid] for part in splits.parts.values()])
    for f, channel in enumerate(info.channels):
        column = values[:, f].astype(np.float64)
        expected = (np.nanmin(column), np.nanmax(column), np.nanmean(column), np.nanstd(column))
        assert (channel.min, channel.max, channel.mean, channel.std) == pytest.approx(expected)
        assert channel.missing == np.isnan(column).sum()
    assert [channel.is_constant for channel in info.channels] == [False, False, True]


def test_a_channel_without_a_value_has_no_range():
    x = np.random.default_rng(0).normal(size=(6, 4, 2)).astype(np.float32)
    x[:, :, 1] = np.nan
    (_, empty) = describe(Splits(make_sequences(x, np.arange(6) % 2))).channels
    assert (empty.min, empty.max, empty.mean, empty.std, empty.missing) == (*[None] * 4, 24)
    assert not empty.is_constant


def said(source: Splits, **options: Any) -> tuple[str, ...]:
    splits = prepared(source, **{"standardize": True} | options)
    return notes(splits, contents(splits))


def labelled(*labels: Any, seed: int = 0) -> Splits:
    x = np.random.default_rng(seed).normal(size=(len(labels), 4, 2))
    return Splits(make_sequences(x, np.array(labels), where="made"))


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (["a", "a ", "b"], "labels 'a' and 'a ' are classes of their own; are they the same?"),
        (["1", "1.0", "x"], "labels '1' and '1.0' are classes of their own; are they the same?"),
        (["A", "a", "no"], "labels 'A' and 'a' are classes of their own; are they the same?"),
        (["None", "a", "b"], "label 'None' is a class; does it mean a missing label?"),
    ],
)
def test_labels_that_a_person_would_read_otherwise(labels, line):
    assert said(labelled(*labels * 10)) == (line,)


def test_a_class_that_no_metric_counts_is_noted():
    source = labelled(*["a", "b"] * 20, "rare")
    assert said(source) == (
        "class 'rare' (1 in train): no sequence in val or test, so no metric counts them",
    )
    assert said(source, val_fraction=0, test_fraction=0) == ()
    for ordinary in (digits(), labelled(*["a", "b", "1", "2", "-1", "10"] * 10)):
        assert said(ordinary) == ()


def test_a_class_that_one_split_lacks_is_noted():
    rng = np.random.default_rng(0)
    parts = {
        name: RawPart(rng.normal(size=(12, 4, 2)), np.arange(12) % classes, None, name)
        for name, classes in (("train", 4), ("val", 3), ("test", 2))
    }
    assert said(make_splits(parts)) == (
        "class '2' (3 in train): no sequence in test, so no test metric counts them",
        "class '3' (3 in train): no sequence in val or test, so no metric counts them",
    )
    del parts["test"]
    assert said(make_splits(parts), test_fraction=0) == (
        "class '3' (3 in train): no sequence in val, so no metric counts them",
    )


def test_numbers_to_predict_and_repeated_sequences_are_noted():
    source = labelled(*[*range(30)] * 2)
    assert said(source, val_fraction=0)[-1] == (
        "30 classes for 60 sequences; are the labels numbers to predict (regression)?"
    )
    part = labelled(*["a", "b"] * 20).train
    assert said(Splits(part, test=part), val_fraction=0) == (
        "40 of 40 test sequences are also in train",
    )
