"""Each step equals the same operation on every sequence by itself, whatever its padding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.data.transforms import Shaping


def sequences(seed, padding):
    """Returns x (7, 8 + padding, 2), 0 at its padding, and lengths of 3 to 8 steps."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, 7)
    x = rng.normal(size=(7, 8, 2)).astype(np.float32)
    x[rng.random(x.shape) < 0.3] = np.nan
    x = np.pad(x, ((0, 0), (0, padding), (0, 0)))
    x[np.arange(8 + padding) >= lengths[:, None]] = 0
    return x, lengths


def assert_each_is(result, x, lengths, by_hand):
    """Compares with a function of one sequence (T, F); the padding must be 0."""
    values, steps = result
    assert values.dtype == np.float32
    for row, one in enumerate(x):
        expected = by_hand(one[: lengths[row]])
        assert steps[row] == len(expected)
        np.testing.assert_array_equal(values[row, : steps[row]], expected)
        assert not values[row, steps[row] :].any()


def frame_by_hand(one, size):
    """The last frame is filled up with the last step."""
    full = np.pad(one, ((0, -len(one) % size), (0, 0)), mode="edge")
    return full.reshape(-1, size * one.shape[1])


def means_by_hand(one, size):
    blocks = [one[start : start + size] for start in range(0, len(one), size)]
    return np.array([[mean_of_present(column) for column in block.T] for block in blocks])


def mean_of_present(column):
    present = column[~np.isnan(column)].tolist()
    return np.float32(sum(present) / len(present) if present else np.nan)


@given(
    seed=st.integers(0, 5), size=st.integers(1, 9), first=st.integers(0, 2), more=st.integers(0, 5)
)
def test_frames_means_and_cuts_are_those_made_by_hand(seed, size, first, more):
    x, lengths = sequences(seed, padding=more)
    frames = Shaping(("u", "v"), frame=size).widen(x, np.isnan(x), lengths)
    assert_each_is(frames, x, lengths, lambda one: frame_by_hand(one, size))
    means = Shaping(("u", "v"), downsample=size).shorten(x, lengths)
    assert_each_is(means, x, lengths, lambda one: means_by_hand(one, size))
    cut = Shaping(("u", "v"), first, first + size).crop(x, lengths, "x")
    assert_each_is(cut, x, lengths, lambda one: one[first : first + size])
