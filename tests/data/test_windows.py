"""Windows lie inside one recording of one split, and have the label of most of their rows."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prepared import prepared

from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.tables import table
from seqsweep.data.windows import UNLABELLED, majority, windows_in

NO_CUT = {"val_fraction": 0.0, "test_fraction": 0.0, "standardize": False}


def recordings(lengths, seed=0, groups=None) -> Sequences:
    """Recordings of two classes; each value is unlike any other, so that it names its row."""
    lengths = np.array(lengths)
    x = 1 + np.arange(len(lengths) * lengths.max() * 2, dtype=np.float32)
    x = np.random.default_rng(seed).permutation(x).reshape(len(lengths), -1, 2)
    return make_sequences(x, np.arange(len(lengths)) % 2, lengths, groups=groups)


def with_rows(part: Sequences, seed=0, least=0) -> Sequences:
    """Returns the same recordings with labels by row."""
    shape = part.x.shape[:2]
    rows = np.random.default_rng(seed).integers(least, 2, size=shape)
    return Sequences(
        part.x, part.lengths, part.labels, part.class_names, part.channel_names, row_labels=rows
    )


def cut(part: Sequences, window: int, stride: int | None = None, **options) -> Splits:
    transform = {"window": window, "stride": stride} | options.pop("transform", {})
    return prepared(Splits(part), **NO_CUT | {"transform": transform} | options)


lengths_of_recordings = st.lists(st.integers(1, 23), min_size=2, max_size=5)


@settings(max_examples=50)
@given(lengths_of_recordings, st.integers(1, 9), st.integers(1, 9))
def test_each_window_is_a_span_of_one_recording(lengths, window, stride):
    part = recordings([*lengths, 23])
    train = cut(part, window, stride).train
    spans = [
        (of, first, min(window, length))
        for of, length in enumerate(part.lengths)
        for first in range(0, max(length - window, 0) + 1, stride)
    ]
    assert train.lengths.tolist() == [rows for *_, rows in spans]
    for n, (of, first, rows) in enumerate(spans):
        assert np.array_equal(train.x[n, :rows], part.x[of, first : first + rows])
        assert not train.x[n, rows:].any() and train.labels[n] == part.labels[of]


def test_the_padding_of_recordings_changes_no_window():
    short, long = recordings([9, 12, 12]), recordings([9, 12, 12])
    x = np.pad(short.x, ((0, 0), (0, 7), (0, 0)), constant_values=5.0)
    long = make_sequences(x, short.labels, short.lengths)
    first, second = (cut(part, 4, 3, standardize=True).train for part in (short, long))
    assert np.array_equal(first.x, second.x) and np.array_equal(first.lengths, second.lengths)


def test_windows_of_one_recording_are_a_view_of_it():
    part = with_rows(recordings([500, 500]).select([0]), least=0)
    train = cut(part, 50, 1).train
    assert len(train) == 451 and train.x.base is not None
    assert len({row.__array_interface__["data"][0] for row in train.x}) == 451
    assert np.shares_memory(train.x[0], train.x[1])


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 9), st.integers(-1, 0))
def test_a_window_has_the_label_of_most_rows_and_of_tied_ones_the_middlemost(
    seed, window, stride, least
):
    rng = np.random.default_rng(seed)
    labels, lengths = rng.integers(least, 3, size=(3, 20)), rng.integers(1, 21, size=3)
    windows = windows_in(lengths, window, stride)
    expected = []
    for of, first, rows in zip(*windows, strict=True):
        span = labels[of, first : first + rows].tolist()
        times = Counter(span)
        tied = [t for t, label in enumerate(span) if times[label] == max(times.values())]
        # `min` keeps the first, so the earlier of two rows that are equally near.
        expected.append(span[min(tied, key=lambda t: abs(2 * t - (rows - 1)))])
        expected[-1] = UNLABELLED if UNLABELLED in span else expected[-1]
    assert majority(labels, windows, 3).tolist() == expected


def test_rows_without_a_label_belong_to_no_window():
    part = with_rows(recordings([20, 20]))
    assert part.row_labels is not None
    part.row_labels[0, 7] = part.row_labels[1, :10] = UNLABELLED
    train = cut(part, 5).train
    assert len(train) == 3 + 2
    part.row_labels[:] = UNLABELLED
    with pytest.raises(ValueError, match="no window of train has a label in all its rows"):
        cut(part, 5)


@pytest.mark.parametrize("by", [{"test_fraction": 0.3}, {"folds": 3}])
def test_no_two_splits_share_a_recording_or_a_group(by):
    groups = np.arange(18) // 3
    splits = cut(recordings([20] * 18, groups=groups), 5, 2, val_fraction=0.3, **by)
    seen = [set(np.asarray(part.recordings).tolist()) for part in splits.parts.values()]
    assert len(seen) == 3 and len(set.union(*seen)) == sum(map(len, seen)) == 18
    assert all(
        len(part) == len(of) * 8 for part, of in zip(splits.parts.values(), seen, strict=True)
    )
    subjects = [set(np.asarray(part.groups).tolist()) for part in splits.parts.values()]
    assert sum(map(len, subjects)) == len(set.union(*subjects)) == 6
    assert all(part.units is part.groups for part in splits.parts.values())


@pytest.mark.parametrize("by", [{"test_fraction": 0.25}, {"folds": 4}])
@pytest.mark.parametrize("groups", [None, range(4)])
def test_a_recording_with_several_classes_may_leave_train(by, groups):
    part = recordings([20] * 4, groups=groups)
    part = replace(part, labels=np.array([0, 0, 0, 1]), row_labels=np.arange(80).reshape(4, 20) % 2)
    splits = cut(part, 5, **by)
    assert [len(train) for train in splits.parts.values()] == [12, 4]
    tested = {int(cut(part, 5, folds=4, fold=fold).parts["test"].x[0, 0, 0]) for fold in range(4)}
    assert len(tested) == 4


@settings(max_examples=30)
@given(st.lists(st.integers(40, 60), min_size=1, max_size=3), st.integers(1, 8), st.integers(1, 8))
def test_windows_cross_no_border_in_time(lengths, window, stride):
    part = with_rows(recordings([*lengths, 60]))
    assert part.row_labels is not None
    part.row_labels[:] = np.arange(60) > 9
    fractions = {"val_fraction": 0.2, "test_fraction": 0.3, "split_by": "time"}
    splits = cut(part, window, stride, **fractions)
    row_of = {float(x[0]): (n, t) for n, of in enumerate(part.x) for t, x in enumerate(of)}
    for n, length in enumerate(part.lengths):
        spans = {
            name: [t for x in split.x for m, t in (row_of[float(row[0])] for row in x) if m == n]
            for name, split in splits.parts.items()
        }
        val, test = round(0.2 * length), round(0.3 * length)
        assert min(spans["train"]) == 0 and max(spans["train"]) < length - val - test
        assert min(spans["val"]) == length - val - test and max(spans["val"]) < length - test
        assert min(spans["test"]) == length - test and max(spans["test"]) < length


def test_windows_are_those_of_recordings_that_were_cut_before_they_are_prepared():
    part = recordings([24, 30, 24, 30])
    x = part.x.copy()
    x[:, ::5] = np.nan
    part = make_sequences(x, part.labels, part.lengths)
    reshaping = {"downsample": 2, "frame": 2, "impute": "all"}
    options = {"missing": "zero", "standardize": True}
    train = cut(part, 12, 4, transform=reshaping, **options)
    windows = windows_in(part.lengths, 12, 4)
    alone = np.stack([x[of, first : first + 12] for of, first, _ in zip(*windows, strict=True)])
    assert train.scaling is not None
    values, lengths = train.scaling.apply(alone, np.full(len(alone), 12))
    assert np.array_equal(values, train.train.x)
    assert np.array_equal(lengths, train.train.lengths)


REFUSED = {
    "window": ({"transform": {"window": 0}}, "window=0: must be at least 1"),
    "no window": ({"transform": {"stride": 4}}, "stride=4: needs data.transform.window"),
    "too long": ({"transform": {"window": 31}}, "window=31: must be between 1 and 30, the rows"),
    "frame": ({"transform": {"window": 6, "frame": 4}}, "window=6: must be a multiple of 4"),
    "time without": ({"split_by": "time"}, "split_by=time: needs windows, as by data.transform"),
    "short": (
        {"split_by": "time", "val_fraction": 0.1, "transform": {"window": 4}},
        "recording 0 has 20 rows, of which val gets 2; must be at least 4, the rows of a window",
    ),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_options_without_meaning_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        prepared(Splits(recordings([20, 30])), **NO_CUT | options)


LONG = "case,t,x,label\n" + "".join(f"a,{t},{t},{'ab'[t > 4]}\nb,{t},{t},a\n" for t in range(9))


def test_a_label_that_changes_within_a_sequence_is_refused_without_windows(write):
    splits = table(write(LONG))
    message = r"csv:12: sequence 'a' has label 'b' .*'a' at .*csv:2; must be one for a sequence"
    with pytest.raises(
        ValueError, match=f"{message}; windows have a label each: data.transform.window="
    ):
        prepared(splits, **NO_CUT)
    train = prepared(splits, transform={"window": 3}, **NO_CUT).train
    assert train.labels.tolist() == [0, 0, 1, 0, 0, 0]


def test_a_label_that_changes_changes_the_fingerprint(write):
    first, second = (
        table(write(LONG)),
        table(write(LONG.replace("a,5,5,b", "a,5,5,a"), "other.csv")),
    )
    assert np.array_equal(first.train.labels, second.train.labels)
    assert first.fingerprint() != second.fingerprint()
    assert first.recordings != second.recordings


def test_a_split_of_shorter_recordings_has_the_labels_of_its_rows(write):
    rows = "".join(f"{n},{t},{t},{'ab'[t > 2]},{n}\n" for n in ("train", "test") for t in range(9))
    content = f"id,t,x,label,split\n{rows.replace('test,8,8,b,test', '')}"
    splits = prepared(table(write(content)), transform={"window": 3}, **NO_CUT)
    assert [part.labels.tolist() for part in splits.parts.values()] == [[0, 1, 1], [0, 1]]


def test_a_table_that_names_no_sequence_is_one_recording(write):
    rows = "".join(f"{t},{t % 3},{'' if t == 12 else 'ab'[t > 6]}\n" for t in range(20))
    splits = table(write(f"time,x,state\n{rows}"), label="state")
    assert len(splits.train) == 1 and "one sequence of 20 rows" in splits.notes[-2]
    assert "labels by row" in splits.notes[-1] and "; 1 row without one" in splits.notes[-1]
    train = prepared(splits, transform={"window": 5}, **NO_CUT).train
    assert train.labels.tolist() == [0, 1, 1]
