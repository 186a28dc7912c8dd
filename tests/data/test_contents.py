"""Equal splits have equal fingerprints; every sequence of val or test that train has is counted."""

import functools
from typing import Any

import numpy as np
from prepared import prepared

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


def test_another_set_has_another_fingerprint():
    value, label, length = X.copy(), Y.copy(), np.full(N, 5)
    value[35, 4, 1] += 1
    label[35] = (label[35] + 1) % 4
    length[35] = 4
    test, equal = slice(30, 40), np.full(10, 5)
    sets = [
        made(test, lengths=equal), made(test, value, lengths=equal),
        made(test, y=label, lengths=equal), made(test, lengths=length[30:40]),
    ]  # fmt: skip
    train = made(slice(30))
    assert len({contents(Splits(train, test=one))["test"]["fingerprint"] for one in sets}) == 4


def test_sequences_that_train_has_too_are_counted():
    whole = contents(Splits(made(), val=made(slice(5)), test=made()))
    assert whole["test"]["also_in_train"] == N and whole["val"]["also_in_train"] == 5
    relabelled = contents(Splits(made(), test=made(y=(Y + 1) % 4)))
    assert relabelled["test"]["also_in_train"] == N
    # Beside an offset that float32 would lose, all digits count.
    x = X + np.array([1e9, 0])
    for difference, count in ((0, 5), (1e-3, 0)):
        parts = {"train": RawPart(x, Y, None, "train")}
        parts["test"] = RawPart(x[3:8] + difference, Y[3:8], None, "test")
        assert contents(make_splits(parts))["test"]["also_in_train"] == count


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
