"""Equal splits have equal fingerprints; every sequence of val or test that train has is counted."""

import functools
from typing import Any

import numpy as np
import pytest
from prepared import prepared

from seqsweep.data.bundled import digits, japanese_vowels
from seqsweep.data.info import contents
from seqsweep.data.raw import RawPart, make_sequences, make_splits
from seqsweep.data.sequences import Splits
from seqsweep.data.tables import table
from seqsweep.data.text import text

N = 40
X = np.random.default_rng(0).normal(size=(N, 5, 2)).astype(np.float32).astype(np.float64)
Y = np.arange(N) % 4


def made(rows: Any = slice(None), x: Any = X, y: Any = Y, **more: Any) -> Any:
    return make_sequences(x[rows], y[rows], where="made", class_names="abcd", **more)


def held(source: Splits, **options: Any) -> dict[str, dict[str, Any]]:
    return contents(prepared(source, **{"standardize": True, "missing": "mean"} | options))


def test_equal_sets_have_equal_fingerprints_however_they_are_prepared():
    plain = held(Splits(made()))
    assert {name: split["sequences"] for name, split in plain.items()} == {
        "train": 24, "val": 8, "test": 8,
    }  # fmt: skip
    assert held(Splits(made()), standardize=False, missing="zero") == plain
    other_val = held(Splits(made()), val_fraction=0.3)
    assert other_val["test"] == plain["test"]  # though train, and so the scaling, is another
    assert other_val["val"] != plain["val"] and other_val["train"] != plain["train"]
    for options in ({"split_seed": 1}, {"test_fraction": 0.1}):
        assert held(Splits(made()), **options)["test"] != plain["test"]


def test_the_order_the_padding_and_the_type_change_nothing():
    test = slice(30, 40)
    one = contents(Splits(made(slice(30)), test=made(test)))["test"]
    two = contents(Splits(made(slice(30)), test=made(np.arange(39, 29, -1))))["test"]
    x = np.pad(X, ((0, 0), (0, 3), (0, 0)))
    three = contents(Splits(made(slice(30)), test=made(test, x=x, lengths=np.full(10, 5))))["test"]
    four = contents(Splits(made(slice(30)), test=made(test, x=X.astype(np.float32))))["test"]
    assert one == two == three == four


@pytest.mark.parametrize("change", ["value", "label", "length"])
def test_another_set_has_another_fingerprint(change):
    x, y, lengths = X.copy(), Y.copy(), np.full(N, 5)
    if change == "value":
        x[35, 4, 1] += 1
    elif change == "label":
        y[35] = (y[35] + 1) % 4
    else:
        lengths[35] = 4
    one = made(slice(30, 40), lengths=np.full(10, 5))
    two = made(slice(30, 40), x, y, lengths=lengths[30:40])
    train = made(slice(30))
    prints = [contents(Splits(train, test=test))["test"]["fingerprint"] for test in (one, two)]
    assert prints[0] != prints[1]


def test_sequences_that_train_has_too_are_counted():
    twice = np.concatenate([X[:20], X[:20]])
    found = held(Splits(made(x=twice, y=np.concatenate([Y[:20], Y[:20]]))))
    known = {row.tobytes() for row in X[:20]}
    assert len(known) == 20 and found["test"]["also_in_train"] > 0
    whole = contents(Splits(made(), val=made(slice(5)), test=made()))
    assert whole["test"]["also_in_train"] == N and whole["val"]["also_in_train"] == 5
    relabelled = contents(Splits(made(), test=made(y=(Y + 1) % 4)))
    assert relabelled["test"]["also_in_train"] == N


def test_also_beside_an_offset_that_float32_loses():
    x = X + np.array([1e9, 0])
    parts = {
        "train": RawPart(x, Y, None, "train"),
        "test": RawPart(x[3:8], Y[3:8], None, "test"),
    }
    assert contents(make_splits(parts))["test"]["also_in_train"] == 5
    parts["test"] = RawPart(x[3:8] + 1e-3, Y[3:8], None, "test")
    assert contents(make_splits(parts))["test"]["also_in_train"] == 0


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
        read(features=["x0", "x1"]), read(group="x0"), texts[0],
        Splits(made()), Splits(made(np.arange(N)[::-1])), Splits(made(y=(Y + 1) % 4)),
        Splits(made(slice(30)), test=made(slice(30, 40))),
    ]  # fmt: skip
    assert len({one.recordings for one in [*others, tables[0]]}) == len(others) + 1


@pytest.mark.parametrize("source", [digits, japanese_vowels])
def test_the_bundled_data_have_no_sequence_twice(source):
    found = held(source())
    assert found["val"]["also_in_train"] == found["test"]["also_in_train"] == 0
