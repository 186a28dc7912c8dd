"""The description of a data set counts what is in it; equal splits have equal fingerprints."""

import functools
import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from prepared import prepared

from seqsweep.data.bundled import digits
from seqsweep.data.files import RawPart
from seqsweep.data.info import contents, describe, notes
from seqsweep.data.raw import make_sequences, make_splits
from seqsweep.data.sequences import Splits
from seqsweep.data.tables import table
from seqsweep.data.text import text


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
    many = np.random.default_rng(1).normal(size=(3, 400, 999))  # more values than one block holds
    for splits in (Splits(make_sequences(many, [0, 1, 1])), made()):
        info = describe(splits)
        values = np.concatenate([part.x[part.valid] for part in splits.parts.values()])
        for f, channel in enumerate(info.channels):
            column = values[:, f].astype(np.float64)
            expected = (np.nanmin(column), np.nanmax(column), np.nanmean(column), np.nanstd(column))
            found = (channel.min, channel.max, channel.mean, channel.std)
            assert found == pytest.approx(expected) and channel.name == f"channel_{f}"
            assert channel.missing == np.isnan(column).sum()
    assert [channel.is_constant for channel in info.channels] == [False, False, True]
    # A channel without a value has no range.
    x = np.random.default_rng(0).normal(size=(6, 4, 2)).astype(np.float32)
    x[:, :, 1] = np.nan
    (_, empty) = describe(Splits(make_sequences(x, np.arange(6) % 2))).channels
    assert (empty.min, empty.max, empty.mean, empty.std, empty.missing) == (*[None] * 4, 24)
    assert not empty.is_constant


def notes_of(source: Splits, **options: Any) -> tuple[str, ...]:
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
        (["None", "a", "b"], "label 'None' is a class; does it mean a missing label?"),
    ],
)
def test_labels_that_a_person_would_read_otherwise(labels, line):
    assert notes_of(labelled(*labels * 10)) == (line,)


def test_a_class_that_one_split_lacks_is_noted():
    rng = np.random.default_rng(0)
    parts = {
        name: RawPart(rng.normal(size=(12, 4, 2)), np.arange(12) % classes, None, name)
        for name, classes in (("train", 4), ("val", 3), ("test", 2))
    }
    assert notes_of(make_splits(parts)) == (
        "class '3' (3 in train): no sequence in val, so no val metric counts them",
        "classes '2' (3 in train), '3' (3 in train): no sequence in test, so no test metric counts"
        " them",
    )
    for ordinary in (digits(), labelled(*["a", "b", "1", "2", "-1", "10"] * 10)):
        assert notes_of(ordinary) == ()


def test_numbers_to_predict_and_repeated_sequences_are_noted():
    source = labelled(*[*range(30)] * 2)
    assert notes_of(source, val_fraction=0)[-1] == (
        "30 classes for 60 sequences; are the labels numbers to predict (regression)?"
        " data.source.target=COLUMN reads them"
    )
    part = labelled(*["a", "b"] * 20).train
    assert notes_of(Splits(part, test=part), val_fraction=0) == (
        "40 of 40 test sequences are also in train",
    )


N = 40
X = np.random.default_rng(0).normal(size=(N, 5, 2)).astype(np.float32).astype(np.float64)
Y = np.arange(N) % 4


def part_of(rows: Any = slice(None), x: Any = X, y: Any = Y, **more: Any) -> Any:
    return make_sequences(x[rows], y[rows], where="made", class_names="abcd", **more)


def held(source: Splits, **options: Any) -> dict[str, dict[str, Any]]:
    return contents(prepared(source, **{"standardize": True, "missing": "mean"} | options))


def test_equal_sets_have_equal_fingerprints_however_they_are_prepared():
    plain = held(Splits(part_of()))
    assert {name: split["sequences"] for name, split in plain.items()} == {
        "train": 24, "val": 8, "test": 8,
    }  # fmt: skip
    assert held(Splits(part_of()), standardize=False, missing="zero") == plain
    other_val = held(Splits(part_of()), val_fraction=0.3)
    assert other_val["test"] == plain["test"]  # though train, and so the scaling, is another
    assert other_val["val"] != plain["val"] and other_val["train"] != plain["train"]
    for options in ({"split_seed": 1}, {"test_fraction": 0.1}):
        assert held(Splits(part_of()), **options)["test"] != plain["test"]


def test_another_set_has_another_fingerprint_but_not_for_order_padding_or_type():
    value, label, length = X.copy(), Y.copy(), np.full(N, 5)
    value[35, 4, 1] += 1
    label[35] = (label[35] + 1) % 4
    length[35] = 4
    test, equal = slice(30, 40), np.full(10, 5)
    plain, other = part_of(test, lengths=equal), part_of(test, value, lengths=equal)
    relabelled, shorter = part_of(test, y=label, lengths=equal), part_of(test, lengths=length[test])
    train, sets = part_of(slice(30)), (plain, other, relabelled, shorter)
    assert len({contents(Splits(train, test=one))["test"]["fingerprint"] for one in sets}) == 4
    wide = np.pad(X, ((0, 0), (0, 3), (0, 0)))
    padded, single = part_of(test, x=wide, lengths=equal), part_of(test, x=X.astype(np.float32))
    first, *same = (
        contents(Splits(train, test=one))["test"]
        for one in (plain, part_of(np.arange(39, 29, -1)), padded, single)
    )
    assert same == [first] * 3


def test_recordings_are_the_same_in_whichever_way_they_are_read(tmp_path):
    lines = [f"{'really ' * (n % 3)}word {n},{'ab'[n % 2]}" for n in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *lines]))
    ways: list[dict[str, Any]] = [
        {}, {"tokens": "words"}, {"lower": True}, {"max_length": 3}, {"max_symbols": 2},
    ]  # fmt: skip
    texts = [text(str(tmp_path / "t.csv"), **way) for way in ways]
    assert len({one.recordings for one in texts}) == 1
    assert len({one.fingerprint() for one in texts}) > 1
    columns = ",".join(f"x{n}" for n in range(4))
    rows = [",".join(map(str, [*X[n, :2].ravel(), "ab"[n % 2]])) for n in range(12)]
    (tmp_path / "w.csv").write_text("\n".join([f"{columns},label", *rows]))
    read = functools.partial(table, str(tmp_path / "w.csv"))
    tables = [read(), read(frame=2), read(reshape=[2, 2]), read(frame=4)]
    assert len({one.recordings for one in tables}) == 1
    # Other values, labels, order, groups or splits are other recordings.
    others = [
        tables[0], read(features=["x0", "x1"]), read(group="x0"), Splits(part_of()),
        Splits(part_of(np.arange(N)[::-1])), Splits(part_of(y=(Y + 1) % 4)),
        Splits(part_of(slice(30)), test=part_of(slice(30, 40))),
    ]  # fmt: skip
    assert len({one.recordings for one in others}) == len(others)
