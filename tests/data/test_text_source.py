"""Labelled texts of any file are the same data, and an error names the file and the line."""

import csv
import gzip
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepared import prepared

from seqsweep.data.text import read_texts, text

TEXTS = ["Good, really good", "bad", 'so "so"', "two\nlines", "ünïcode 語"] * 4
LABELS = ["yes", "no"] * 10

TEXTS_GZ = gzip.compress(b"text,label\na,b\n" * 99, mtime=0)  # no time, as a test is named by it


def write_csv(path, header=("text", "label"), texts=TEXTS, labels=LABELS, **options):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, **options)
        writer.writerows([header, *zip(texts, labels, strict=True)])
    return str(path)


def packed(path, data: bytes) -> str:
    path.write_bytes(gzip.compress(data))
    return str(path)


def test_the_same_texts_in_any_format_are_the_same_data(tmp_path):
    plain = write_csv(tmp_path / "a.csv")
    content = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + content)
    extra = ["more", "label", "text"]
    with open(tmp_path / "more.csv", "w", newline="", encoding="utf-8") as file:
        rows = [[i, label, one] for i, (label, one) in enumerate(zip(LABELS, TEXTS, strict=True))]
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([extra, *rows])
    table = pa.table({"text": pa.array(TEXTS), "label": pa.array(LABELS)})
    pq.write_table(table, tmp_path / "a.parquet")
    encoded = table.set_column(1, "label", table["label"].dictionary_encode())
    pq.write_table(encoded, tmp_path / "dictionary.parquet", compression="zstd")
    paths = [
        plain, str(tmp_path / "bom.csv"), str(tmp_path / "more.csv"),
        packed(tmp_path / "a.csv.gz", content), packed(tmp_path / "B.CSV.GZ", content),
        str(tmp_path / "a.parquet"), str(tmp_path / "dictionary.parquet"),
    ]  # fmt: skip
    assert len({text(path).fingerprint() for path in paths}) == 1


def test_lines_of_label_and_text(tmp_path):
    one_line = [one.replace("\n", " ") for one in TEXTS]
    lines = "\r\n".join(f"{label}\t{one}" for label, one in zip(LABELS, one_line, strict=True))
    (tmp_path / "a.tsv").write_text(lines + "\n\n", newline="")
    expected = text(write_csv(tmp_path / "a.csv", texts=one_line)).fingerprint()
    assert text(str(tmp_path / "a.tsv")).fingerprint() == expected
    (tmp_path / "tabs.txt").write_text("yes\tone\ttwo\nno\tthree\n")
    assert read_texts(str(tmp_path / "tabs.txt")).texts == ["one\ttwo", "three"]
    (tmp_path / "new.txt").write_text("one\ttwo\nthree\n")
    unlabelled = read_texts(str(tmp_path / "new.txt"), labelled=False)
    assert (unlabelled.texts, unlabelled.labels) == (["one\ttwo", "three"], None)


def test_the_values_are_indices_of_the_symbols(tmp_path):
    splits = text(write_csv(tmp_path / "a.csv"), tokens="words")
    assert splits.vocabulary is not None
    symbols = [splits.vocabulary.symbols[int(i)] for i in splits.train.x[0, :4, 0]]
    assert symbols == ["Good", ",", "really", "good"]
    assert splits.train.lengths[:3].tolist() == [4, 1, 4]
    assert splits.class_names == ("no", "yes") and splits.train.channel_names == ("symbol",)


def test_labels_of_a_parquet_file_may_be_numbers(tmp_path):
    labels = [10, 9] * 10
    pq.write_table(pa.table({"text": TEXTS, "label": labels}), tmp_path / "a.parquet")
    as_text = write_csv(tmp_path / "a.csv", labels=labels)
    assert text(str(tmp_path / "a.parquet")).class_names == ("9", "10")
    assert text(str(tmp_path / "a.parquet")).fingerprint() == text(as_text).fingerprint()


def test_the_vocabulary_is_that_of_train_alone(tmp_path):
    """Neither what is cut from train nor a test file can add a symbol or move an index."""
    train = write_csv(tmp_path / "a.csv")
    tests = [
        write_csv(tmp_path / f"{name}.csv", texts=[one] * 20)
        for name, one in (("known", "good"), ("strange", "#0~"))
    ]
    known, strange = (prepared(text(train, test_path=path)) for path in tests)
    assert known.vocabulary is not None and known.vocabulary == strange.vocabulary
    assert np.array_equal(known.train.x, strange.train.x)
    assert strange.test is not None and set(strange.test.x.ravel()) == {1}
    assert "100% of the symbols in test are unknown" in strange.notes
    assert not any("unknown" in note for note in known.notes)
    # 12 of the 20 texts remain in train, and their symbols are the whole vocabulary.
    cut = prepared(text(train, tokens="words"))
    assert cut.vocabulary is not None
    assert len(cut.train) == 12
    assert set(cut.train.x[cut.train.valid].ravel()) == set(range(2, len(cut.vocabulary)))


def test_other_symbols_with_the_same_indices_are_other_data(tmp_path):
    one = write_csv(tmp_path / "a.csv", texts=["ab", "ba"] * 10)
    other = write_csv(tmp_path / "b.csv", texts=["cd", "dc"] * 10)
    first, second = text(one), text(other)
    assert np.array_equal(first.train.x, second.train.x)
    assert first.fingerprint() != second.fingerprint()


def test_scaling_an_index_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^data\.standardize=true: must be false for texts"):
        prepared(text(write_csv(tmp_path / "a.csv")), standardize=True)


@pytest.mark.parametrize("transform", [{"frame": 2}, {"jitter": 0.1}, {"crop": [0, 2]}])
def test_a_transform_of_indices_is_refused(tmp_path, transform):
    splits = text(write_csv(tmp_path / "a.csv"))
    assert prepared(splits, transform={"frame": None}).vocabulary is not None
    with pytest.raises(ValueError, match=r"^data\.transform: must be null for texts.*max_length"):
        prepared(splits, transform=transform)


def test_runs_with_other_tokens_have_the_same_test_set(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    words, characters = text(path, tokens="words"), text(path)
    assert words.train.digests is not None and characters.train.digests is not None
    assert np.array_equal(words.train.digests, characters.train.digests)


def test_a_cut_of_texts_is_noted(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    assert text(path, max_length=3).notes == (f"{path}: 16 of 20 texts are cut to 3 characters",)
    assert text(path, max_length=100).notes == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,x\nb\n", ":3: 1 cells; expected 2, as in the header"),
        ('text,label\n"a,x\n', ": a quoted cell does not end: the file has an odd number of"),
        ('text,label\n"two\nlines",x\n,y\n', ":4: '' has no characters"),
        ("", "CSV: is empty; expected a line with the names of the columns"),
        ("txt,label\na,x\n", "text_column=null: must be a column of CSV: txt, label; did you mean"),
        ("text,label\na,x\nb,\n", "sequence 1 has label '': it is missing"),
    ],
)
def test_a_bad_csv_is_refused_with_its_line(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=re.escape(message.replace("CSV", str(path)))):
        text(str(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", b"yes\tgood\nbad\n", ":2: expected LABEL<TAB>TEXT, got no tab"),
        ("a.tsv", b"yes\tgood\nno\t\n", ":2: '' has no characters"),
        ("a.tsv", b"yes\tgo\xffod\n", ": is not UTF-8: invalid start byte (byte 6)"),
        ("a.csv.gz", TEXTS_GZ[:-9], ": is cut off or damaged"),
        ("a.parquet", b"PAR1text", ": is cut off or damaged"),
        ("a.json", b"{}", ": must end with one of .csv, .csv.gz, .parquet, .tsv, .tsv.gz, .txt"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / name) + message)}"):
        text(str(tmp_path / name))


def test_a_missing_value_of_a_parquet_file_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", None], "label": ["x", "y"]}), path)
    with pytest.raises(ValueError, match=r"a\.parquet: row 1: text is missing"):
        text(str(path))
    pq.write_table(pa.table({"text": ["a", "b"], "label": [[1], [2, 3]]}), path)
    with pytest.raises(ValueError, match=r"a\.parquet: label holds lists; expected a label"):
        text(str(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length=0: must be at least 1"),
        ({"min_count": 0}, "min_count=0: must be at least 1"),
        ({"text_column": "labl"}, "text_column=labl: must be a column of .*; did you mean 'label'"),
    ],
)
def test_a_bad_option_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        text(write_csv(tmp_path / "a.csv"), **options)


def test_a_long_text_is_read_whole(tmp_path):
    """Python's csv would refuse a field of more than 131,072 characters."""
    long = "word " * 100_000
    path = write_csv(tmp_path / "a.csv", texts=[long, "b"], labels=["x", "y"])
    assert text(path).train.lengths.tolist() == [500_000, 1]
    assert csv.field_size_limit() == 131_072
