"""Every format gives the same sequences, and labels may lack where only a prediction is asked."""

import numpy as np
import pytest

from seqsweep.data.files import read_file

X = np.arange(1.0, 25.0).reshape(3, 4, 2)
LENGTHS = np.array([4, 1, 2])
X[np.arange(4) >= LENGTHS[:, None]] = 0
JOINED = np.concatenate([row[:length] for row, length in zip(X, LENGTHS, strict=True)])
CASES = "1,3,5,7:2,4,6,8\n9:10\n17,19:18,20\n"


@pytest.fixture
def save(tmp_path):
    def save(name="data.npz", **arrays) -> str:
        np.savez(tmp_path / name, **arrays)
        return str(tmp_path / name)

    return save


@pytest.fixture
def write(write):
    return lambda content, name="data.ts": write(content, name)


@pytest.mark.parametrize(
    ("layout", "arrays"),
    [
        ("batch_first", {"X": X, "lengths": LENGTHS}),
        ("time_first", {"x": X.swapaxes(0, 1), "lengths": LENGTHS}),
        ("channels_first", {"X": X.swapaxes(1, 2), "lengths": LENGTHS}),
        ("batch_first", {"X": JOINED, "lengths": LENGTHS}),
    ],
)
@pytest.mark.parametrize("labels", [{}, {"y": ["b", "a", "b"]}])
def test_each_layout_of_an_npz_file_is_read_with_and_without_labels(save, layout, arrays, labels):
    part = read_file(save(**arrays, **labels), layout=layout, labelled=False).parts["train"]
    assert np.array_equal(part.x, X) and part.lengths is not None
    assert part.lengths.tolist() == [4, 1, 2]
    assert (part.labels is None) == (not labels)


def test_an_npz_file_keeps_ids_and_names(save):
    names = {"class_names": ["b", "a"], "channel_names": ["u", "v"], "other": [1]}
    path = save(X=X, y=[0, 1, 0], ids=["p", "q", "r"], **names)
    stored = read_file(path)
    ids = stored.parts["train"].ids
    assert ids is not None and ids.tolist() == ["p", "q", "r"]
    assert stored.class_names == ("b", "a") and stored.channel_names == ("u", "v")
    assert stored.notes == (f"{path}: keys not used: other",)


def test_splits_of_one_file_keep_their_names(save):
    stored = read_file(save(X_train=X, y_train=[0, 1, 0], X_test=X[:1]), labelled=False)
    assert list(stored.parts) == ["train", "test"]
    assert stored.parts["test"].labels is None


@pytest.mark.parametrize(
    ("header", "ending"),
    [
        ("@data\n", ""),
        ("@classLabel false\n@data\n", ""),
        ("@classLabel true left right\n@data\n", ":left"),
    ],
)
def test_a_ts_file_is_read_with_and_without_labels(write, header, ending):
    path = write(header + CASES.replace("\n", f"{ending}\n"))
    stored = read_file(path, labelled=False)
    part = stored.parts["train"]
    assert np.array_equal(part.x, X) and part.lengths is not None
    assert part.lengths.tolist() == [4, 1, 2]
    assert stored.class_names == (("left", "right") if ending else None)
    assert (part.labels is None) == (not ending)


def test_labels_are_needed_where_they_are_asked_for(save, write):
    for path in (save(X=X), write("@classLabel false\n@data\n" + CASES)):
        with pytest.raises(ValueError, match=r"key y is missing|expected @classLabel true"):
            read_file(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layuot": "time_first"}, r"layuot: no such option .*data.npz; did you mean 'layout'\?"),
        ({"layout": "time"}, "layout='time': must be one of batch_first"),
        ({"layout": "time_first"}, r"lengths has shape \(3,\); must be \(4,\)"),
    ],
)
def test_wrong_options_are_refused(save, arguments, message):
    with pytest.raises(ValueError, match=message):
        read_file(save(X=X, lengths=LENGTHS), labelled=False, **arguments)


def test_an_unknown_ending_and_a_missing_file_are_named(write, tmp_path):
    with pytest.raises(ValueError, match=r"data.xls: unknown ending; expected .npz, .ts, .csv"):
        read_file(write("", "data.xls"))
    with pytest.raises(FileNotFoundError, match=r"did you mean 'data\.xls'"):
        read_file(tmp_path / "data.xl")
