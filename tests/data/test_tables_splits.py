"""Splits, groups and labels come from columns, from a second table, or from a cut."""

import numpy as np
import pandas as pd
import pytest
from prepared import prepared

from seqsweep.data.tables import from_frame, read, table


def values(part) -> list[list[float]]:
    return [
        row[:length].tolist() for row, length in zip(part.x[:, :, 0], part.lengths, strict=True)
    ]


def test_a_split_column_divides_the_sequences(write):
    rows = (
        "id,t,x,split,label\na,0,1,train,0\na,1,2,train,0\nb,0,3,Valid,1\n"
        "c,0,4,train,1\nd,0,5,test,0\n"
    )
    splits = table(write(rows))
    assert splits.val is not None and splits.test is not None
    assert values(splits.train) == [[1, 2], [4]]
    assert values(splits.val) == [[3]] and values(splits.test) == [[5]]
    stored = read(write(rows)).parts
    assert {name: part.ids.tolist() for name, part in stored.items() if part.ids is not None} == {
        "train": ["a", "c"], "val": ["b"], "test": ["d"],
    }  # fmt: skip


def test_a_second_file_is_the_test_split(write):
    main = write("id,t,x,y,label\na,0,1,2,p\nb,0,3,4,q\nb,1,5,6,q\n")
    # Its columns have another order, and its groups or splits are not asked for.
    test = write("label,y,x,t,id,split\nq,20,10,0,a,train\n", "test.csv")
    splits = table(main, test_path=test)
    assert splits.test is not None
    assert splits.test.x[0].tolist() == [[10, 20]] and splits.test.labels.tolist() == [1]
    with pytest.raises(ValueError, match=r"test.csv: data.source.features=y: has no such column"):
        table(main, test_path=write("id,t,x,label\na,0,1,p\n", "test.csv"))
    with pytest.raises(ValueError, match="has a test split; give only one"):
        table(write("x,split,label\n1,train,a\n2,test,b\n"), test_path=test)


def test_a_long_test_file_with_one_row_for_each_sequence_is_long(write):
    main = write("id,x,y,label\na,1,2,p\na,3,4,p\nb,3,4,q\n")
    test = write("id,x,y,label\na,1,2,p\nb,3,4,q\n", "test.csv")
    splits = table(main, test_path=test)
    assert splits.test is not None and splits.test.x.shape == (2, 1, 2)


def grouped_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    patients = rng.integers(12, size=80)
    columns = {"a": rng.normal(size=80), "b": np.arange(80.0), "patient": patients}
    return pd.DataFrame(columns | {"label": np.arange(80) % 2})


def test_a_group_column_keeps_its_sequences_together_in_a_cut():
    frame = grouped_frame()
    splits = from_frame(frame)
    assert splits.train.groups is not None
    cut = prepared(splits)
    of = {name: set(frame.patient[part.x[:, 1, 0].astype(int)]) for name, part in cut.parts.items()}
    assert of.keys() == {"train", "val", "test"} and sum(map(len, of.values())) == 12


def test_groups_decide_the_fingerprint_and_their_names_do_not():
    frame = grouped_frame()
    plain = from_frame(frame, group="none", features=["a", "b"])
    renamed = from_frame(frame.assign(patient=frame.patient.map(lambda p: f"p{100 - p}")))
    other = from_frame(frame.assign(patient=np.arange(80) // 2))
    assert from_frame(frame).fingerprint() == renamed.fingerprint()
    assert len({from_frame(frame).fingerprint(), other.fingerprint(), plain.fingerprint()}) == 3


def test_a_cut_without_groups_is_the_one_of_before():
    """These positions are those of the version before groups."""
    frame = grouped_frame()
    plain = from_frame(frame, group="none", features=["a", "b"])
    cut = prepared(plain, val_fraction=0.1, test_fraction=0.1)
    assert cut.val is not None and cut.test is not None
    assert cut.test.x[:, 1, 0].tolist() == [7, 9, 15, 28, 30, 39, 46, 58]
    assert cut.val.x[:, 1, 0].tolist() == [4, 29, 31, 40, 54, 59, 73, 76]
