"""Generated data follow from their arguments, and hold what their docstrings promise."""

import numpy as np
import pytest

from seqsweep.data.state_tracking import state_tracking
from seqsweep.data.tasks import (
    adding,
    delayed_recall,
    frequencies,
    parity,
    random_sequences,
    temporal_order,
)


def decoded(part):
    """The classes read off the sequences: the letters X and Y in their order."""
    letters = np.array(list("XYabcd"))[part.x.argmax(axis=2)]
    return ["".join(letter for letter in row if letter in "XY") for row in letters]


def test_random_sequences_are_standard_normal_and_even():
    splits = random_sequences(2000, length=5, input_size=3, num_classes=4)
    x, labels = splits.train.x, splits.train.labels
    assert x.shape == (2000, 5, 3) and abs(x.mean()) < 0.02 and abs(x.std() - 1) < 0.02
    assert np.bincount(labels).min() > 400
    # Given labels are kept and do not change x.
    given = random_sequences(3, 2, 2, num_classes=2, labels=[0, 1, 0])
    assert given.train.labels.tolist() == [0, 1, 0]
    assert np.array_equal(given.train.x, random_sequences(3, 2, 2, num_classes=2).train.x)
    example = [[1.686, -0.042], [-0.292, 0.484]]  # the docstring's
    assert np.allclose(given.train.x[0], example, atol=5e-4)


@pytest.mark.parametrize(
    ("num_symbols", "places"),
    [(2, [(0.1, 0.3), (0.5, 0.7)]), (3, [(0.1, 0.3), (0.4, 0.6), (0.7, 0.9)])],
)
def test_the_class_is_the_order_of_the_symbols_which_fill_their_ranges(num_symbols, places):
    for length in (4, 31):
        splits = temporal_order(300, 50, 20, length, num_symbols)
        for part in splits.parts.values():
            assert decoded(part) == [part.class_names[label] for label in part.labels]
            assert part.x.sum(axis=2).min() == part.x.sum(axis=2).max() == 1  # one-hot
        assert splits.num_classes == 2**num_symbols and splits.input_size == 6
    part = temporal_order(3000, 0, 0, length=20, num_symbols=num_symbols).train
    used = np.flatnonzero(part.x[:, :, :2].any(axis=(0, 2)))
    ranges = [range(round(20 * start), round(20 * stop)) for start, stop in places]
    assert used.tolist() == [step for steps in ranges for step in steps]


def test_the_examples_in_the_docstrings_are_right():
    part = temporal_order(5, 0, 0, length=10).train
    letters = np.array(list("XYabcd"))[part.x[2].argmax(axis=1)]
    assert "".join(letters) == "aaXbcaYdbd" and part.class_names[part.labels[2]] == "XY"
    part = adding(1, 0, 0, length=6).train
    assert part.x[0, :, 0].round(2).tolist() == pytest.approx([0.13, 0.42, 0.77, 0.06, 0.40, 0.27])
    assert part.x[0, :, 1].tolist() == [0, 0, 1, 0, 1, 0] and part.labels[0] == 1
    part = delayed_recall(1, 0, 0, length=6, num_symbols=4).train
    words = [part.channel_names[index] for index in part.x[0].argmax(axis=1)]
    assert words == ["s1", "blank", "blank", "blank", "blank", "cue"] and part.labels[0] == 1
    part = parity(1, 0, 0, length=6).train
    assert part.x[0, :, 0].tolist() == [1, 0, 0, 1, 1, 0]
    assert part.class_names[part.labels[0]] == "odd"


@pytest.mark.parametrize("classes", [2, 7])
def test_the_class_of_adding_is_the_range_of_the_marked_sum(classes):
    part = adding(4000, 0, 0, length=9, num_classes=classes).train
    values, marks = part.x[:, :, 0].astype(np.float64), part.x[:, :, 1]
    assert marks[:, :4].sum(axis=1).tolist() == marks[:, 4:].sum(axis=1).tolist() == [1] * 4000
    sums = (values * marks).sum(axis=1)
    below = np.where(sums <= 1, sums**2 / 2, 1 - (2 - sums) ** 2 / 2)  # the part of smaller sums
    # The numbers are rounded to float32, which moves a sum by less than 1e-6.
    assert (np.abs(below * classes - (part.labels + 0.5)) <= 0.5 + 1e-5).all()
    # The marked numbers are distributed as the others are: evenly in [0, 1).
    marked = np.sort(values[marks == 1])
    assert np.abs(marked - np.linspace(0, 1, len(marked))).max() < 0.03


@pytest.mark.parametrize("min_length", [None, 4])
def test_the_class_of_parity_is_the_number_of_ones(min_length):
    part = parity(2000, 0, 0, length=9, min_length=min_length).train
    ones = np.where(part.valid, part.x[:, :, 0], 0).sum(axis=1)
    assert (ones % 2).tolist() == part.labels.tolist()
    assert part.lengths.min() == (min_length or 9) and part.lengths.max() == 9
    # A bit alone says nothing about the class.
    first = part.x[part.lengths > 1, 0, 0] == part.labels[part.lengths > 1]
    assert abs(first.mean() - 0.5) < 0.05


def test_the_class_of_frequencies_is_the_strongest_frequency():
    part = frequencies(300, 0, 0, length=100, num_classes=3, noise=0.1).train
    strength = np.abs(np.fft.rfft(part.x[:, :, 0], axis=1))
    cycles = np.fft.rfftfreq(100)[strength[:, 1:].argmax(axis=1) + 1]
    assert np.abs(cycles - np.array([float(n) for n in part.class_names])[part.labels]).max() < 0.01
    assert np.abs(frequencies(9, 0, 0, length=30, noise=0).train.x).max() <= 1


def s3(train, val, test, length, seed):
    return state_tracking("s3", train, val, test, length, 1, length + 9, length, seed=seed)


@pytest.mark.parametrize("task", [adding, delayed_recall, parity, frequencies, temporal_order, s3])
def test_splits_are_independent_streams_of_the_seed(task):
    base = task(30, 30, 30, length=10, seed=3)
    prints = [part.fingerprint() for part in (base.train, base.val, base.test) if part]
    assert len(set(prints)) == 3
    other = task(30, 7, 0, length=10, seed=3)
    assert other.train.fingerprint() == prints[0] and other.test is None
    assert task(30, 30, 30, length=10, seed=3).fingerprint() == base.fingerprint()
    assert task(30, 30, 30, length=10, seed=4).fingerprint() != base.fingerprint()


TASK = {"num_train": 4, "num_val": 0, "num_test": 0, "length": 10}
GOOD = {random_sequences: {"num_sequences": 3, "length": 2, "input_size": 2, "num_classes": 2}}


@pytest.mark.parametrize(
    ("task", "arguments", "message"),
    [
        (random_sequences, {"length": 2.0}, "length=2.0: must be a whole number"),
        (random_sequences, {"num_sequences": 10**12}, ".* of 2 .* need 44,703.5 GiB of memory"),
        (random_sequences, {"labels": [0, 1, 2]}, "labels=2: must be between 0 and 1"),
        (temporal_order, {"length": 3}, "length=3: must be at least 4"),
        (temporal_order, {"num_symbols": 4}, "num_symbols=4: must be 2 or 3"),
        (parity, {"min_length": 11}, "min_length=11: must be between 1 and 10, the length"),
        (frequencies, {"noise": float("nan")}, "noise=nan: must be finite"),
    ],
)
def test_a_task_refuses_wrong_arguments(task, arguments, message):
    with pytest.raises((ValueError, TypeError), match=f"^{task.__name__}: {message}"):
        task(**(GOOD.get(task, TASK) | arguments))
