"""What is odd about data is said in a line; ordinary data have no line."""

from typing import Any

import numpy as np
import pytest
from prepared import prepared

from seqsweep.data.bundled import digits, japanese_vowels
from seqsweep.data.info import contents, notes
from seqsweep.data.raw import RawPart, make_sequences, make_splits
from seqsweep.data.sequences import Splits


def said(source: Splits, **options: Any) -> tuple[str, ...]:
    splits = prepared(source, **{"standardize": True} | options)
    return notes(splits, contents(splits))


def labelled(*labels: Any, seed: int = 0) -> Splits:
    x = np.random.default_rng(seed).normal(size=(len(labels), 4, 2))
    return Splits(make_sequences(x, np.array(labels), where="made"))


@pytest.mark.parametrize(
    "source",
    [
        digits(),
        japanese_vowels(),
        labelled(*["a", "b", "1", "2", "-1", "10"] * 10),
    ],
)
def test_ordinary_data_have_no_note(source):
    assert said(source) == ()


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
