"""Each form of table gives the sequences, splits and groups that equal arrays give."""

import codecs
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prepared import prepared
from pyarrow import parquet

from seqsweep.data.raw import make_sequences
from seqsweep.data.tables import from_frame, read, table

EXAMPLES = Path(__file__).parent / "tables"
LONG = (EXAMPLES / "long.csv").read_text()
NAN = float("nan")

X = np.array(
    [
        [[0.1, 1.5], [0.2, 1.4], [0.3, 1.6]],
        [[2.5, -0.5], [2.6, -0.4], [0, 0]],
        [[0.2, 1.3], [NAN, 1.2], [0, 0]],
        [[2.4, -0.6], [2.2, -0.2], [2.3, -0.1]],
    ]
)
LENGTHS = [3, 2, 2, 3]
Y = ["walk", "run", "walk", "run"]
EXPECTED = make_sequences(X, Y, LENGTHS, channel_names=["x", "y"])


@pytest.fixture
def store(tmp_path):
    """`store(x=[1, 2])`: a parquet file with these columns."""

    def store(columns=None, name="my.parquet", **more) -> str:
        parquet.write_table(pa.table((columns or {}) | more), tmp_path / name, row_group_size=4)
        return str(tmp_path / name)

    return store


def frame() -> pd.DataFrame:
    return pd.read_csv(EXAMPLES / "long.csv")


def test_the_long_example():
    splits = table(str(EXAMPLES / "long.csv"))
    assert splits.train.fingerprint() == EXPECTED.fingerprint()
    assert splits.class_names == ("run", "walk") and splits.train.channel_names == ("x", "y")
    assert splits.notes == (
        f"{EXAMPLES / 'long.csv'}: long form, id=case, step=time, label=class, features=x,y",
    )


def test_the_wide_example():
    splits = table(str(EXAMPLES / "wide.csv"), id="name")
    assert splits.train.x[:, :, 0].tolist() == [[1, 2, 3, 4], [4, 3, 2, 1], [0, 2, 4, 6]]
    assert splits.train.channel_names == ("channel_0",) and splits.class_names == ("down", "up")
    framed = table(str(EXAMPLES / "wide.csv"), id="name", frame=2).train
    assert framed.x[0].tolist() == [[1, 2], [3, 4]]
    shaped = table(str(EXAMPLES / "wide.csv"), id="name", reshape=[1, 4]).train
    assert shaped.x[0].tolist() == [[1, 2, 3, 4]]


PLAIN = """id,time,x,y,label
a,0,1.5,-2.25,Hüpfen
a,0.5,2.5,1e3,Hüpfen
b,0,0.125,,Straße
b,0.5,3,4.5,Straße
"""
GERMAN = PLAIN.replace(",", ";").replace(".", ",")
WITHOUT = PLAIN.partition("\n")[2]
TABS = PLAIN.replace(",", "\t").encode()
ROLES: dict[str, Any] = {"header": False, "id": "0", "step": "1", "label": "4"}
FORMS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "decimal commas": (GERMAN.encode(), {"decimal": ","}),
    "Excel's first line": (b"sep=;\r\n" + PLAIN.replace(",", ";").encode(), {}),
    "a byte order mark": (codecs.BOM_UTF8 + PLAIN.encode(), {}),
    "no header": (WITHOUT.encode(), ROLES),
    "blanks": (
        b"  id  time  x y label \n" + WITHOUT.replace(",,", ",NA,").replace(",", "   ").encode(), {}
    ),
    "ends of lines of Windows": (PLAIN.replace("\n", "\r\n").encode(), {}),
    "blanks after commas": (PLAIN.replace(",", ", ").encode(), {}),
    "question marks": (PLAIN.replace(",,", ",?,").encode(), {}),
    "a line break in a cell": (PLAIN.replace("b,", '"b\n1",').encode(), {}),
    "titles of a spreadsheet": (b"Oven 3,,,,\nby,K. B.,,,\n,,,,\n" + PLAIN.encode(), {}),
    "titles without signs": (b"Logger: DL 204\r\n\r\nRate: 2 Hz\r\n" + TABS, {}),
    "a mean and a sum": (
        f"{PLAIN}Mean:,,1.8,1.1,\nSUM,,7.1,6.75,\n,,,,\n".encode(), {"totals": "drop"}
    ),
    "a remark": (f"{PLAIN}End of file\n".encode(), {"totals": "drop"}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_the_data_of_the_plain_file(form: str, write) -> None:
    plain = table(write(PLAIN, "plain.csv")).train
    content, options = FORMS[form]
    read = table(write(content), **options).train
    assert np.array_equal(read.x, plain.x, equal_nan=True)
    assert np.array_equal(read.labels, plain.labels) and read.class_names == plain.class_names
    assert read.channel_names == (("2", "3") if "header" in options else ("x", "y"))


def test_rows_in_any_order_need_a_step_column(write):
    rows = LONG.splitlines()
    ordered = table(write("\n".join(",".join(np.delete(row.split(","), 1)) for row in rows)))
    assert ordered.train.fingerprint() == EXPECTED.fingerprint()
    assert "long form, id=case, label=class, features=x,y" in ordered.notes[0]
    mixed = "\n".join([rows[0], *rows[1::2], *rows[2::2]])
    assert table(write(mixed)).train.num_steps == EXPECTED.num_steps
    with pytest.raises(ValueError, match="begins a second time"):
        from_frame(pd.read_csv(write(mixed)).drop(columns="time"))


def test_parquet_and_frames_are_the_same_data(store, tmp_path):
    columns = pa.Table.from_pandas(frame(), preserve_index=False)
    indexed = frame().set_index(["case", "time"])
    categories = frame().astype({"case": "category", "class": "category"})
    # The index that pandas writes into a file is not a feature.
    frame().to_csv(tmp_path / "index.csv")
    frame()[frame().time < 9].to_parquet(tmp_path / "index.parquet")
    paths = [str(tmp_path / name) for name in ("index.csv", "index.parquet")]
    paths.append(store(dict(zip(columns.column_names, columns.columns, strict=True))))
    same = [from_frame(one) for one in (frame(), columns, indexed, categories)]
    for splits in [*same, *map(table, paths)]:
        assert splits.train.fingerprint() == EXPECTED.fingerprint()


def test_labels_of_any_kind(store):
    numbers = pa.array([2, 1]).cast(pa.decimal128(19, 0))
    for values in (pa.array(["2", "1"]).dictionary_encode(), pa.array([b"2", b"1"]), numbers):
        assert table(store(id=["p", "q"], x=[1, 2], label=values)).class_names == ("1", "2")


@pytest.mark.parametrize("names", ["False,True", "01,1", "EU,NA", "2020-01-01,2020-01-02"])
def test_labels_of_a_csv_file_have_the_names_of_the_same_values(write, names):
    one, other = names.replace("False", "false").replace("True", "true").split(",")
    splits = table(write(f"x,label\n1,{other}\n2,{one}\n"))
    assert splits.class_names == tuple(names.split(","))


def test_yes_and_no_are_numbers_in_features_alone(write, store):
    rows = ["TRUE,yes,1,yes", "False,  no  ,0,no", ",NA,?,no"]
    splits = table(write("a,b,c,label\n" + "\n".join(rows)))
    expected = [[1, 1, 1], [0, 0, 0], [NAN, NAN, NAN]]
    assert np.array_equal(splits.train.x[:, :, 0], expected, equal_nan=True)
    assert splits.class_names == ("no", "yes")
    assert "my.csv: a, b: TRUE and yes are read as 1, FALSE and no as 0" in splits.notes[0]
    stored = store(a=["no", "YES", None], label=[1, 1, 0])
    assert np.array_equal(table(stored).train.x[:, 0, 0], [0, 1, NAN], equal_nan=True)
    texts = table(store(a=["1.5", " 2 ", "NA"], label=[1, 1, 0]))
    assert np.array_equal(texts.train.x[:, 0, 0], [1.5, 2, NAN], equal_nan=True)
    with pytest.raises(ValueError, match="csv:2: column 'a': 'TRUE' is not a number"):
        table(write("a,label\nTRUE,0\n2,1\n"))


def test_a_sequence_may_be_called_total(write):
    path = write("id,x,label\n1,2,a\n2,3,b\n3,4,b\nTotal,5,a\n")
    assert [len(table(path, totals=mode).train) for mode in ("keep", "drop")] == [4, 3]


def test_several_columns_name_a_sequence(write):
    path = write("m,run,t,x,subject,label\na,1,0,1,p,0\na,11,0,2,p,1\naa,1,0,3,q,0\naa,1,1,4,q,0\n")
    stored = read(path, id=["m", "run"])
    part = stored.parts["train"]
    assert part.ids is not None and part.ids.dtype.names == ("m", "run")
    assert part.ids.tolist() == [("a", "1"), ("a", "11"), ("aa", "1")]
    assert part.x[:, :, 0].tolist() == [[1, 0], [2, 0], [3, 4]]
    # One of them may be the group, and a test file has the same ones.
    test = write("run,subject,t,x,label\n1,z,0,5,1\n", "test.csv")
    splits = table(path, id=["subject", "run"], features="x", test_path=test)
    assert splits.train.groups is not None and splits.parts["test"].x.tolist() == [[[5]]]
    message = r"csv:3: sequence 'a/11' has group 'q' .*, but 'p' at .*:2"
    with pytest.raises(ValueError, match=message):
        table(write("m,run,x,group,label\na,11,1,p,0\na,11,2,q,0\n"), id=["m", "run"])


def test_a_column_that_counts_the_rows_is_never_a_feature(write):
    def rows(*, first: int, count: int = 12) -> str:
        lines = (f"{first + n},{n // 3},{n % 5}.5,{n // 3 % 2}" for n in range(count))
        return "\n".join(["No,id,x,label", *lines])

    for first in (0, 1):
        splits = table(write(rows(first=first)))
        assert splits.train.channel_names == ("x",)
        assert "my.csv: No counts the rows, so it is not a feature" in splits.notes[0]
    # Any other start, few rows, or a user's choice make it a feature.
    for content, options in ((rows(first=2), {}), (rows(first=0, count=9), {})):
        assert table(write(content), **options).train.channel_names == ("No", "x")
    assert table(write(rows(first=0)), features=["No"]).train.channel_names == ("No",)
    # A few new rows of a wide table would not show which column counts them.
    with pytest.raises(ValueError, match=r"No counts the rows.*source.id=No makes it the"):
        table(write(rows(first=1)), form="wide", id="none")
    assert table(write(rows(first=1)), form="wide", id="No").train.x.shape == (12, 2, 1)


@pytest.mark.parametrize(
    ("steps", "gaps"),
    [
        ([0, 0.5, 1, 3, 3.5, 4], ["2 gaps in 't' of up to 2, where a step is 0.5;"]),
        ([0, 1, 3, 7, 15, 31], []),  # no two steps are alike
    ],
)
def test_gaps_between_even_steps_are_said_once(write, steps, gaps):
    rows = [f"{name},{step},{step},{name}" for name in (0, 1) for step in steps[name:]]
    notes = table(write("id,t,x,label\n" + "\n".join(rows))).notes
    assert len(notes) == 1 + len(gaps) and all(gap in notes[0] for gap in gaps)


def test_no_type_of_a_column_loses_digits(store):
    for numbers in ([1.7e9 + 0.25, 1.7e9 + 0.5], [2**30 + 1, 2**30 + 3]):
        assert table(store(x=numbers, y=[0, 1])).train.x.ravel().tolist() == numbers


def test_features_are_chosen_by_names_and_patterns(write):
    content = "id,step,acc_x,acc_y,note,label\na,0,1,2,hi,0\na,1,3,4,hi,0\nb,0,5,6,hi,1\n"
    path = write(content)
    assert table(path, features=["acc_y", "acc_x"]).train.channel_names == ("acc_y", "acc_x")
    assert table(path, features="acc_*").train.channel_names == ("acc_x", "acc_y")
    assert table(path, features=["acc_*", "acc_x"]).train.input_size == 2
    assert table(path, features="acc_y").train.x[0, :, 0].tolist() == [2, 4]
    # Numbers may be names of columns, and `none` means that there is no such column.
    assert table(write("0,1,2,label\n5,6,7,a\n8,9,10,b\n")).train.x[0, :, 0].tolist() == [5, 6, 7]
    path = write("id,time,label\n1,5,0\n2,6,1\n")
    assert table(path, step="none", id="none").train.x[0, :, 0].tolist() == [1, 5]


def test_read_keeps_ids_and_accepts_a_file_without_labels(write):
    path = write("id,t,x\nb,0,1\na,0,2\na,1,3\n")
    stored = read(path, labelled=False)
    part = stored.parts["train"]
    assert part.labels is None and part.ids is not None and part.lengths is not None
    assert part.ids.tolist() == ["b", "a"] and part.lengths.tolist() == [1, 2]
    assert stored.channel_names == ("x",)
    with pytest.raises(ValueError, match=r"data.source.label=COLUMN names the label column"):
        read(path)
    # Labels are used only if none is missing.
    stored = read(write("x,y,label\n1,2,a\n3,4,\n"), labelled=False)
    assert stored.parts["train"].labels is None
    assert "1 labels are missing; none is used" in stored.notes[1]


@given(
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from("abc")), min_size=2, max_size=8),
    st.integers(1, 3),
    st.integers(0, 1 << 30),
)
@example([(1, "a"), (1, "a")], 2, 202)
@settings(max_examples=25)
def test_any_sequences_come_back_as_they_were_written(tmp_path_factory, shapes, channels, seed):
    """The rows are shuffled, and each number is written in as few digits as tell it apart."""
    folder = tmp_path_factory.mktemp("tables")
    random = Random(seed)
    values = [0.0, -0.0, 1e-45, 3.4e38, -1 / 3, 0.1, NAN, 1e16, random.random(), random.gauss(0, 1)]
    sequences = [
        np.array([[random.choice(values) for _ in range(channels)] for _ in range(length)])
        for length, _ in shapes
    ]
    names = [f"x{f}" for f in range(channels)]
    labels = [label for _, label in shapes]
    labels[:2] = ["a", "b"]
    x = sequences if len({len(one) for one in sequences}) > 1 else np.stack(sequences)
    expected = make_sequences(x, labels, channel_names=names)
    rows = [
        {"id": n, "step": step, **dict(zip(names, row, strict=True)), "label": labels[n]}
        for n, one in enumerate(sequences)
        for step, row in enumerate(one.tolist())
    ]
    heads = [row for row in rows if row["step"] == 0]  # ids keep the order of appearance
    rest = [row for row in rows if row["step"] != 0]
    random.shuffle(rest)
    written = pd.DataFrame([*heads, *rest])
    written.to_csv(folder / "my.csv", index=False)
    written.to_parquet(folder / "my.parquet")
    for name in ("my.csv", "my.parquet"):
        made = table(str(folder / name), form="long").train
        assert made.fingerprint() == expected.fingerprint()


def test_a_split_column_divides_the_sequences(write):
    path = write(
        "id,t,x,split,label\na,0,1,train,0\na,1,2,train,0\nb,0,3,Valid,1\n"
        "c,0,4,train,1\nd,0,5,test,0\n"
    )
    values = {name: part.x[:, :, 0].tolist() for name, part in table(path).parts.items()}
    assert values == {"train": [[1, 2], [4, 0]], "val": [[3]], "test": [[5]]}
    ids = {name: np.array(part.ids).tolist() for name, part in read(path).parts.items()}
    assert ids == {"train": ["a", "c"], "val": ["b"], "test": ["d"]}


def test_a_second_file_is_the_test_split(write):
    main = write("id,t,x,y,label\na,0,1,2,p\nb,0,3,4,q\nb,1,5,6,q\n")
    # Its columns have another order, and its groups or splits are not asked for.
    test = write("label,y,x,t,id,split\nq,20,10,0,a,train\n", "test.csv")
    read_second = table(main, test_path=test).parts["test"]
    assert read_second.x[0].tolist() == [[10, 20]] and read_second.labels.tolist() == [1]
    with pytest.raises(ValueError, match=r"test.csv: data.source.features=y: has no such column"):
        table(main, test_path=write("id,t,x,label\na,0,1,p\n", "test.csv"))
    with pytest.raises(ValueError, match="has a test split; give only one"):
        table(write("x,split,label\n1,train,a\n2,test,b\n"), test_path=test)
    # A table that is long stays long where its test file has one row for each sequence.
    main = write("id,x,y,label\na,1,2,p\na,3,4,p\nb,3,4,q\n")
    splits = table(main, test_path=write("id,x,y,label\na,1,2,p\nb,3,4,q\n", "test.csv"))
    assert splits.parts["test"].x.shape == (2, 1, 2)


def test_groups_decide_the_fingerprint_and_their_names_do_not():
    rng = np.random.default_rng(0)
    patients = rng.integers(12, size=80)
    columns = {"a": rng.normal(size=80), "b": np.arange(80.0), "patient": patients}
    frame = pd.DataFrame(columns | {"label": np.arange(80) % 2})
    splits = from_frame(frame, features=["a", "b"])
    plain = from_frame(frame, group="none", features=["a", "b"])
    other_names = frame.assign(patient=frame.patient.map(lambda p: f"p{100 - p}"))
    renamed = from_frame(other_names, features=["a", "b"])
    other = from_frame(frame.assign(patient=np.arange(80) // 2), features=["a", "b"])
    assert splits.fingerprint() == renamed.fingerprint()
    assert len({splits.fingerprint(), other.fingerprint(), plain.fingerprint()}) == 3
    cut = prepared(plain, val_fraction=0.1, test_fraction=0.1).parts
    assert cut["test"].x[:, 1, 0].tolist() == [7, 9, 15, 28, 30, 39, 46, 58]
    assert cut["val"].x[:, 1, 0].tolist() == [4, 29, 31, 40, 54, 59, 73, 76]
