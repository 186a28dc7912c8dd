"""Labelled texts of any file are the same data, and an error names the file and the line."""

import csv
import gzip
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prepared import prepared

from seqsweep.data.text import read_texts, text
from seqsweep.data.vocabulary import PADDING, UNKNOWN, Vocabulary

TEXTS = ["Good, really good", "bad", 'so "so"', "two\nlines", "ünïcode 語"] * 4
LABELS = ["yes", "no"] * 10


def write_csv(path, texts=TEXTS, labels=LABELS):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *zip(texts, labels, strict=True)])
    return str(path)


def test_the_same_texts_in_any_format_are_the_same_data(tmp_path):
    plain = write_csv(tmp_path / "a.csv")
    table = pa.table({"text": pa.array(TEXTS), "label": pa.array(LABELS)})
    pq.write_table(table, tmp_path / "a.parquet")
    encoded = table.set_column(1, "label", table["label"].dictionary_encode())
    pq.write_table(encoded, tmp_path / "dictionary.parquet", compression="zstd")
    (tmp_path / "B.CSV.GZ").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    names = ("B.CSV.GZ", "a.parquet", "dictionary.parquet")
    prints = {text(str(tmp_path / name)).fingerprint() for name in names}
    assert prints == {text(plain).fingerprint()}


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
    path = write_csv(tmp_path / "a.csv")
    splits = text(path, tokens="words")
    assert splits.vocabulary is not None
    symbols = [splits.vocabulary.symbols[int(i)] for i in splits.train.x[0, :4, 0]]
    assert symbols == ["Good", ",", "really", "good"]
    assert splits.train.lengths[:3].tolist() == [4, 1, 4]
    assert splits.class_names == ("no", "yes") and splits.train.channel_names == ("symbol",)
    # Runs with other tokens have the same sequences.
    np.testing.assert_array_equal(splits.train.digests, text(path).train.digests)
    assert text(path, max_length=3).notes == (f"{path}: 16 of 20 texts are cut to 3 characters",)
    assert text(path, max_length=100).notes == ()


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


def test_scaling_or_transforming_an_index_is_refused(tmp_path):
    splits = text(write_csv(tmp_path / "a.csv"))
    with pytest.raises(ValueError, match=r"^data\.standardize=true: must be false for texts"):
        prepared(splits, standardize=True)
    assert prepared(splits, transform={"frame": None}).vocabulary is not None
    with pytest.raises(ValueError, match=r"^data\.transform: must be null for texts.*max_length"):
        prepared(splits, transform={"jitter": 0.1})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b'text,label\n"two\nlines",x\n,y\n', ":4: '' has no characters"),
        ("a.csv", b"text,label\na,x\nb,\n", ": sequence 1 has label '': it is missing"),
        ("a.tsv", b"yes\tgood\nbad\n", ":2: expected LABEL<TAB>TEXT, got no tab"),
        ("a.parquet", b"PAR1text", ": is cut off or damaged"),
        ("a.json", b"{}", ": must end with one of .csv, .csv.gz, .parquet, .tsv, .tsv.gz, .txt"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / name) + message)}"):
        text(str(tmp_path / name))


def test_a_tsv_file_has_a_header_where_its_names_are_usual_or_given(tmp_path):
    rows = "".join(f"{'de' if n % 2 else 'en'}\tName {n}\n" for n in range(12))
    (tmp_path / "plain.tsv").write_text(rows)
    expected = text(str(tmp_path / "plain.tsv")).fingerprint()
    (tmp_path / "usual.tsv").write_text(f"label\ttext\n{rows}")
    assert text(str(tmp_path / "usual.tsv")).fingerprint() == expected
    turned = ["name\tkind", *("\t".join(row.split("\t")[::-1]) for row in rows.splitlines())]
    (tmp_path / "turned.tsv").write_text("\n".join(turned))
    named = text(str(tmp_path / "turned.tsv"), text_column="name", label_column="kind")
    assert named.fingerprint() == expected


texts = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6)


def place(index: int) -> str:
    return f"x[{index}]"


@given(texts, texts)
def test_a_fitted_vocabulary_knows_the_symbols_of_train_and_no_others(train, other):
    everything = Vocabulary().of([*train, *other])
    x, lengths = everything.encode(train, place)
    assert x.dtype == np.float32 and x.shape == (len(train), max(lengths), 1)
    for row, length, one in zip(x[:, :, 0], lengths, train, strict=True):
        assert "".join(everything.symbols[int(i)] for i in row[:length]) == one
        assert not row[length:].any()
    valid = np.arange(x.shape[1]) < lengths[:, None]
    fitted, moved = everything.fitted(x[valid][:, 0])
    assert set(fitted.symbols) == {PADDING, UNKNOWN} | set("".join(train))
    # Moving the old indices gives the indices of the fitted vocabulary, also of unknown symbols.
    for part in (train, other):
        before, after = everything.encode(part, place)[0], fitted.encode(part, place)[0]
        assert np.array_equal(moved[before.astype(int)], after)
        unknown = {s for text in part for s in text} - set("".join(train))
        assert (1 in after) == bool(unknown)


def fitted_on(text: str, **options) -> Vocabulary:
    whole = Vocabulary(**options).of([text])
    return whole.fitted(whole.encode([text], place)[0][0, :, 0])[0]


def test_frequent_symbols_come_first_and_rare_ones_are_unknown():
    # Equally frequent symbols keep the order of the texts.
    assert fitted_on("cabbac b").symbols == (PADDING, UNKNOWN, "b", "a", "c", " ")
    assert fitted_on("aaabbc", min_count=2).symbols[2:] == ("a", "b")
    assert fitted_on("aaabbc", max_symbols=1).symbols[2:] == ("a",)
    assert fitted_on("aaabbc", max_symbols=9, min_count=3).symbols[2:] == ("a",)
    x, _ = fitted_on("aaabbc", max_symbols=1).encode(["cab"], place)
    assert x[0, :, 0].tolist() == [1, 2, 1]
    vocabulary = fitted_on("abc", lower=True, max_length=9)
    assert Vocabulary.from_plain(json.loads(json.dumps(vocabulary.plain()))) == vocabulary


def test_words_and_signs_are_symbols_and_white_space_is_none():
    words = Vocabulary(tokens="words")
    assert words.split(" Don't\tstop: 3.5 — naïve\n") == [
        "Don", "'", "t", "stop", ":", "3", ".", "5", "—", "naïve",
    ]  # fmt: skip
    assert Vocabulary(tokens="words", lower=True).split("Äpfel") == ["äpfel"]
    # A text is cut after its first symbols.
    vocabulary = Vocabulary(tokens="words", max_length=2).of(["a b c"])
    assert vocabulary.symbols[2:] == ("a", "b")  # what is cut is not in the vocabulary
    x, lengths = vocabulary.encode(["b a b", "a"], place)
    assert x[:, :, 0].tolist() == [[3, 2], [2, 0]] and lengths.tolist() == [2, 1]

    with pytest.raises(ValueError, match=r"^x\[1\]: .* has no words; leave it out"):
        vocabulary.encode(["a", " \t"], place)
