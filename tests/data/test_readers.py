"""Every layout and format gives the same sequences; every broken file gives one message."""

import gzip
import io
import os
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from seqsweep.data.files import read_file
from seqsweep.data.readers import npz
from seqsweep.data.tables import table
from seqsweep.data.ts import ts

LENGTHS = np.array([4, 1, 2])
X = np.arange(1.0, 25.0).reshape(3, 4, 2) * (np.arange(4) < LENGTHS[:, None])[:, :, None]
JOINED = np.concatenate([row[:length] for row, length in zip(X, LENGTHS, strict=True)])
Y = np.array([0, 1, 0])
CASES = "1,3,5,7:2,4,6,8\n9:10\n17,19:18,20\n"


def same(one, two) -> bool:
    return one.fingerprint() == two.fingerprint()


def test_splits_in_one_file_share_classes_and_keep_their_own_length(save):
    splits = npz(
        save(
            X_train=X, y_train=["b", "a", "b"], lengths_train=LENGTHS,
            X_val=X[:2, :3], y_val=["b", "a"], X_test=X[:1], y_test=["c"],
        )
    )  # fmt: skip
    assert splits.class_names == ("a", "b", "c")
    assert splits.val is not None and splits.test is not None
    assert splits.train.labels.tolist() == [1, 0, 1] and splits.test.labels.tolist() == [2]
    assert splits.val.max_length == 3 and splits.train.lengths.tolist() == [4, 1, 2]


def test_the_test_split_may_be_in_a_second_file(save):
    one = npz(save(X_train=X, y_train=Y, X_test=X[1:], y_test=Y[1:]))
    first = save("train.npz", X=X, y=Y)
    assert same(npz(first, test_path=save("test.npz", X=X[1:], y=Y[1:])), one)
    assert same(npz(first, test_path=save("test.npz", X_test=X[1:], y_test=Y[1:])), one)
    whole = save("whole.npz", X_train=X, y_train=Y, X_test=X, y_test=Y)
    with pytest.raises(ValueError, match=r"path=.*train.npz: .*whole.npz has train, test; give"):
        npz(whole, test_path=first)
    with pytest.raises(ValueError, match=r"whole.npz: has train, test, .* give one test split"):
        npz(first, test_path=whole)


def test_keys_that_are_not_read_are_named(save, tmp_path):
    one = save("one.npz", X=X, y=Y, lengths=LENGTHS, groups=Y, mask=X[..., 0] != 0)
    two = save("two.npz", X=X, y=Y, lengths=LENGTHS, train_idx=Y, sample_weight=Y)
    assert npz(one, test_path=two).notes == (
        f"{tmp_path}/one.npz: keys not used: mask",
        f"{tmp_path}/two.npz: keys not used: train_idx, sample_weight",
    )


def test_channels_first_is_read_and_otherwise_suspected(save):
    waves = np.random.default_rng(0).normal(size=(50, 12, 100))
    labels = np.arange(50) % 2
    (note,) = npz(save(X=waves, y=labels)).notes
    assert note.endswith(
        "data.npz looks like channels first: 50 sequences of 12 steps with 100 channels;"
        " data.source.layout=channels_first?"
    )
    read = npz(save(X=waves, y=labels), layout="channels_first")
    assert read.notes == () and read.train.x.shape == (50, 100, 12)
    assert same(read, npz(save(X=waves.swapaxes(1, 2), y=labels)))
    for shape in ((60, 8, 8), (60, 20, 60), (60, 4, 20)):
        ordinary = np.random.default_rng(0).standard_normal(shape)
        assert npz(save(X=ordinary, y=[0, 1] * 30)).notes == ()


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        message = f"{name} is a pipe or a device; give the path of a regular file"
        with pytest.raises(ValueError, match=message):
            npz(str(tmp_path / name))


BAD_ARRAYS = {
    "no labels": ({"X": X}, "has no labels; expected y in an .npz file"),
    "lengths": ({"X": X, "y": Y, "seq_len": LENGTHS}, r"'seq_len'; did you mean 'lengths', \(N,"),
    "pickle": ({"X": X, "y": Y.astype(object)}, "key y holds pickled Python objects"),
    "sum of lengths": (
        {"X": JOINED[:6], "y": Y, "lengths": LENGTHS},
        r"X has 6 rows; expected 3 \(padded, one for each sequence\) or 7 \(one for each step",
    ),
    "not text": ({"X": X, "y": np.full(3, 0xD800, np.uint32).view("U1")}, "key y is cut off or"),
}


@pytest.mark.parametrize(("arrays", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_arrays_are_refused(save, arrays, message):
    with pytest.raises((ValueError, TypeError), match=rf"data\.npz.*{message}") as caught:
        npz(save(**arrays))
    assert "allow_pickle" not in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_not_npz_are_refused(write):
    with pytest.raises(ValueError, match=r"is not an .npz file with .*: it begins with b'1,2,3"):
        npz(write("1,2,3\n4,5,6\n", "data.npz"))


def test_a_file_cut_off_or_flipped_anywhere_is_refused_or_read_alike(tmp_path):
    path = tmp_path / "data.npz"
    np.savez_compressed(path, X=X, y=Y, lengths=LENGTHS)
    whole, good = path.read_bytes(), npz(str(path))
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at])
        with pytest.raises(ValueError, match=r"data\.npz"):
            npz(str(path))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        # The flip may be in what the reader does not need; any other error fails the test.
        with suppress(ValueError, TypeError):
            assert same(npz(str(path)), good)


LONG = b"case,time,x,y,class\np,0,1.5,2,a\np,1,?,3,a\nq,0,4,5,b\nq,1,1e3,5,b\n"
TS = b"@timeStamps false\n@dimensions 2\n@classLabel true a b\n@data\n1,2,?:4,5,6:a\n7,8:9,10:b\n"


def parquet_file() -> bytes:
    content = io.BytesIO()
    columns = {"id": list("ppq"), "x": [1.0, None, 3], "label": list("aab")}
    parquet.write_table(pa.table(columns), content)
    return content.getvalue()


DAMAGED = {
    "rows.csv": (table, LONG),
    "rows.csv.gz": (table, gzip.compress(LONG)),
    "rows.parquet": (table, parquet_file()),
    "cases.ts": (ts, TS),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGED)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=12),
    cut=st.none() | st.tuples(st.integers(0, 1 << 16), st.integers(0, 1 << 16)),
)
@settings(max_examples=60)
def test_a_damaged_file_is_read_or_refused_by_one_message(tmp_path_factory, name, changes, cut):
    """Some bytes are replaced, and a part may be cut out; any other error fails the test."""
    read, whole = DAMAGED[name]
    content = bytearray(whole)
    for position, value in changes:
        content[position % len(content)] = value
    if cut is not None:
        start, end = sorted(position % len(content) for position in cut)
        del content[start:end]
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    message = ""
    try:
        read(str(path))
    except (ValueError, TypeError) as error:
        message = str(error)
    # Further lines are indented: they are to be copied.
    assert "\n" not in message.replace("\n    ", "") and len(message) <= 2000


@pytest.mark.parametrize(
    ("layout", "arrays"),
    [
        ("batch_first", {"X": X, "lengths": LENGTHS}),
        ("time_first", {"x": X.swapaxes(0, 1), "lengths": LENGTHS}),
        ("channels_first", {"X": X.swapaxes(1, 2), "lengths": LENGTHS}),
        ("batch_first", {"X": JOINED, "lengths": LENGTHS}),
        ("batch_first", {"x": X, "Lengths": LENGTHS.astype(np.uint8)}),
    ],
)
@pytest.mark.parametrize("labels", [{}, {"y": ["b", "a", "b"]}])
def test_each_layout_of_an_npz_file_is_read_with_and_without_labels(save, layout, arrays, labels):
    part = read_file(save(**arrays, **labels), layout=layout, labelled=False).parts["train"]
    assert np.array_equal(part.x, X) and part.lengths is not None
    assert part.lengths.tolist() == [4, 1, 2]
    assert (part.labels is None) == (not labels)


def test_one_channel_needs_no_axis(save):
    one = npz(save(X=X[:, :, 0], y=Y, lengths=LENGTHS))
    assert one.train.x.shape == (3, 4, 1)
    assert same(npz(save(X=JOINED[:, 0], y=Y, lengths=LENGTHS)), one)


@pytest.mark.parametrize("header", ["", "@classLabel false\n"])
def test_a_ts_file_is_read_without_labels(write, header):
    stored = read_file(write(f"{header}@data\n{CASES}", "data.ts"), labelled=False)
    part = stored.parts["train"]
    assert np.array_equal(part.x, X) and part.lengths is not None
    assert part.lengths.tolist() == [4, 1, 2] and part.labels is stored.class_names is None


def test_an_unknown_option_and_an_unknown_ending_are_named(save, write):
    message = r"layuot: no such option .*data.npz; did you mean 'layout'\?"
    with pytest.raises(ValueError, match=message):
        read_file(save(X=X, lengths=LENGTHS), labelled=False, layuot="time_first")
    with pytest.raises(ValueError, match=r"data.odd: unknown ending; expected .npz, .ts, .csv"):
        read_file(write("", "data.odd"))
