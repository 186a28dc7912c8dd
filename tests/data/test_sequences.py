"""Raw arrays become `Sequences`, or one message with the argument, the value and the place."""

import re
from typing import Any

import numpy as np
import pytest

from seqsweep.data.checks import label_names
from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Sequences, Splits

X = np.arange(24.0).reshape(3, 4, 2)  # N=3, T=4, F=2
Y = np.array([0, 1, 0])


def make(x: Any = X, labels: Any = Y, lengths: Any = None, **more: Any) -> Sequences:
    return make_sequences(x, labels, lengths, where="some.npz", **more)


def test_shapes_types_names_and_the_line_that_describes_them():
    made, test = make(lengths=[4, 1, 2]), make(X[:2], Y[:2])
    assert made.x.dtype == np.float64 and made.x.shape == (3, 4, 2)
    assert made.lengths.dtype == made.labels.dtype == np.int64
    assert made.class_names == ("0", "1") and made.channel_names == ("channel_0", "channel_1")
    assert repr(made) == "Sequences(3 of 1 to 4 steps, 2 channels, 2 classes)"
    assert repr(Splits(made, test=test)) == (
        "Splits(train=3, test=2: sequences of 2 channels, 2 classes)"
    )


def test_padding_becomes_zero_whatever_stood_there():
    x = X.copy()
    x[1, 1:] = np.nan
    x[2, 2:] = np.inf
    made = make(x, lengths=[4, 1, 2])
    assert not made.x[~made.valid].any()
    assert np.array_equal(made.x[made.valid], X[made.valid])
    assert np.isnan(x[1, 1, 0])  # the caller's array is left alone
    x[0, 2, 1] = np.nan  # a missing value at a valid step stays
    assert np.argwhere(np.isnan(make(x, lengths=[4, 1, 2]).x)).tolist() == [[0, 2, 1]]
    # More padding than the longest needs is cut off.
    assert make(np.pad(X, ((0, 0), (0, 3), (0, 0))), lengths=[4, 1, 2]).max_length == 4


@pytest.mark.parametrize(
    ("kept", "types"),
    [("f4", ["f4", "f2", "i2", "u1", "?", ">f4"]), ("f8", ["f8", "i4", "u8", "g"])],
)
def test_values_keep_their_type_or_get_the_one_that_holds_them(kept, types):
    for x in (X.astype(one) for one in types):
        assert make(x).x.dtype == kept and np.array_equal(make(x).x, x.astype(kept))


def test_fingerprint_is_of_the_content_alone():
    same = make(lengths=[4, 1, 2]).fingerprint()
    other_padding = X.copy()
    other_padding[1, 3] = 77
    for x in (other_padding, np.pad(X, ((0, 0), (0, 3), (0, 0)))):
        assert make(x, lengths=[4, 1, 2]).fingerprint() == same
    assert re.fullmatch("[0-9a-f]{64}", same)
    changed = X.copy()
    changed[1, 0, 0] += 1
    others = [
        make(changed, lengths=[4, 1, 2]),
        make(lengths=[4, 1, 3]),
        make(labels=[0, 1, 1], lengths=[4, 1, 2]),
        make(labels=["a", "b", "a"], lengths=[4, 1, 2]),
        make(lengths=[4, 1, 2], channel_names=["a", "b"]),
        make(np.pad(X, ((0, 0), (0, 1), (0, 0)))),
    ]
    assert len({same, *(other.fingerprint() for other in others)}) == 7


def test_equal_numbers_are_one_data_set_in_any_type():
    x = np.random.default_rng(0).integers(-99, 99, (3, 4, 2))
    made = [make(x.astype(kind)) for kind in (np.int8, np.int64, np.float16, "f4", ">f8", "f8")]
    assert len({one.fingerprint() for one in made}) == 1
    rounded = make((x + 0.1).astype(np.float32))
    assert rounded.fingerprint() != make(x + 0.1).fingerprint()


def test_fingerprint_of_splits_tells_the_parts_apart():
    one, two = make(), make(labels=[1, 1, 0])
    prints = [
        Splits(one), Splits(one, val=two), Splits(one, test=two), Splits(one, two, two),
        Splits(two, one),
    ]  # fmt: skip
    assert len({splits.fingerprint() for splits in prints}) == 5


@pytest.mark.parametrize(
    ("labels", "names", "indices"),
    [
        ([10, 2, 10], ("2", "10"), [1, 0, 1]),
        (["b", "10", "2"], ("10", "2", "b"), [2, 0, 1]),
        ([1.0, -1.0, 1.0], ("-1", "1"), [1, 0, 1]),
        (np.array([b"no", b"yes", b"no"]), ("no", "yes"), [0, 1, 0]),
    ],
)
def test_labels_of_any_kind_become_indices_and_keep_their_names(labels, names, indices):
    made = make(labels=labels)
    assert made.class_names == names and made.labels.tolist() == indices


def test_label_names_are_common_to_all_splits_and_given_names_keep_their_order():
    assert label_names([3, 1], [2.0, 10.0]) == ("1", "2", "3", "10")
    made = make(labels=["lo", "hi", "lo"], class_names=["lo", "mid", "hi"])
    assert made.labels.tolist() == [0, 2, 0] and made.num_classes == 3
    # Whole numbers are positions in names that are not numbers.
    assert make(labels=[2, 0, 2], class_names=["a", "b", "c"]).labels.tolist() == [2, 0, 2]
    assert make(labels=[2, 1, 2], class_names=["1", "2"]).labels.tolist() == [1, 0, 1]


ROWS = [np.arange(6.0).reshape(3, 2), np.ones((1, 2)), np.zeros((2, 2))]


@pytest.mark.parametrize("layout", ["batch_first", "channels_first"])
def test_a_list_of_sequences_is_padded(layout):
    x = [row.T for row in ROWS] if layout == "channels_first" else ROWS
    made = make_sequences(x, [0, 1, 0], layout=layout)
    assert made.lengths.tolist() == [3, 1, 2] and made.x.shape == (3, 3, 2)
    padded = np.stack([np.pad(row, ((0, 3 - len(row)), (0, 0))) for row in ROWS])
    assert made.fingerprint() == make_sequences(padded, [0, 1, 0], [3, 1, 2]).fingerprint()


BAD = {
    "a list, time first": ({"x": ROWS, "layout": "time_first"}, "layout=time_first: x is a list"),
    "a list with other channels": (
        {"x": [*ROWS[:2], np.zeros((2, 3))]},
        "sequence 2 has 3 channels, but sequence 0 has 2; both must be equal",
    ),
    "too few labels": ({"labels": [0, 1]}, r"x has shape \(3, 4, 2\).* 3 sequences.* 2 labels"),
    "time first": (
        {"x": X.swapaxes(0, 1)},
        r"shape \(4, 3, 2\).*3 labels; it looks like time first, set data.source.layout=time_first",
    ),
    "layout": ({"layout": "time-first"}, "layout='time-first'.*did you mean 'time_first'"),
    "ragged": ({"x": [[[1.0], [1.0, 2.0]], [1.0]]}, "x is ragged; pad it and give lengths"),
    "object": ({"x": X.astype(object)}, "x has dtype object; expected real numbers"),
    "beyond float32": (
        {"x": np.where(X == 21, -1e39, X)},
        r"x is -1e.39 at sequence 2, step 2, channel 1 \(1 such values\)",
    ),
    "length 0": ({"lengths": [1, 1, 0]}, "sequence 2 has length 0; must be between 1 and 4"),
    "lengths' type": ({"lengths": [1.0, 2.0, 1.0]}, "lengths has dtype float64; .* integers"),
    "regression": ({"labels": [0, 0.37, 1]}, "sequence 1 has label 0.37.*regression"),
    "NaN label": ({"labels": [0, 1, np.nan]}, "sequence 2 has label nan: it is missing"),
    "object labels": ({"labels": np.array(["a", None, 1], object)}, "labels has dtype object"),
    "one class": ({"labels": [7, 7, 7]}, r"only one class, \('7',\)"),
    "unknown label": (
        {"labels": ["setosa", "setoss", "setosa"], "class_names": ["setosa", "virginica"]},
        "sequence 1 has label 'setoss'; must be one of setosa, virginica; did you mean 'setosa'",
    ),
    "unknown position": (
        {"labels": [0, 1, 3], "class_names": ["a", "b", "c"]},
        "sequence 2 has label '3'; must be between 0 and 2, a position in class_names",
    ),
    "channel twice": ({"channel_names": ["a", "a"]}, "channel_names has 'a' more than once"),
    "groups": ({"groups": [0, 1]}, r"groups has shape \(2,\); must be \(3,\)"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_its_place(arguments, message):
    with pytest.raises((ValueError, TypeError), match=f"^some.npz: .*{message}"):
        make(**arguments)
