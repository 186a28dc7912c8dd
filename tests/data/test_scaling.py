"""Values in other units than those of the training are named, and nothing else is."""

import numpy as np
import pytest

from seqsweep.data.bundled import digits, japanese_vowels
from seqsweep.data.fitted import Scaling
from seqsweep.data.prepare import prepare
from seqsweep.data.scaling import unit_notes

ASK = "other units than in training?"
PLAIN = Scaling("error", "float32", mean=np.zeros(2), deviation=np.ones(2))


def notes(x, lengths=None, scaling: Scaling | None = PLAIN, channels=("u", "v")):
    steps = np.full(len(x), x.shape[1]) if lengths is None else np.array(lengths)
    return unit_notes(x.astype(np.float32), steps, scaling, channels, "new.npz")


def standard(count=40, steps=25):
    """Draws values (count, steps, 2) whose channels have the mean 0 and the deviation 1."""
    x = np.random.default_rng(0).normal(size=(count, steps, 2))
    return (x - x.mean(axis=(0, 1))) / np.maximum(x.std(axis=(0, 1)), 1e-9)


# The factor and the offset of each channel, and the channels that are named.
CASES = [
    ((1, 1000), (0, 0), {"v": "deviation 1e+03 times train's"}),
    ((0.001, 1), (0, 0), {"u": "deviation 0.001 times train's"}),
    ((1, 1), (-50, 0), {"u": "mean 50 deviations from train's, deviation 1 times train's"}),
    ((1, 1), (6, 7), {"u": "mean 6 deviations", "v": "mean 7 deviations"}),
    ((0, 0), (0, 9), {"v": "mean 9 deviations from train's, deviation 0 times train's"}),
    ((90, 1 / 90), (0.1, 4.9), {}),
    ((1, 0), (0, 0), {}),  # a channel may be constant in a file
]


@pytest.mark.parametrize(("factor", "offset", "named"), CASES)
def test_a_channel_far_from_train_is_named_with_its_distance(factor, offset, named):
    lines = notes(standard() * factor + np.array(offset))
    assert len(lines) == bool(named)
    for channel in ("u", "v") if lines else ():
        assert (f"{channel!r} (mean " in lines[0]) == (channel in named)
        assert named.get(channel, "") in lines[0]
    assert all(line.startswith(f"new.npz: {ASK} channel") for line in lines)


def test_a_channel_may_change_little_within_a_few_sequences():
    assert notes(standard(9) * [1, 0.001]) == []
    assert notes(standard(10) * [1, 0.001]) != []
    assert notes(standard(1, 1)) == []


def test_padding_masks_later_steps_of_frames_and_unscaled_values_do_not_count():
    x, lengths = standard(), [25] * 20 + [5] * 20
    x[20:, 5:] = 1e9
    assert notes(x, lengths) == []
    further = np.concatenate([standard(), np.full((40, 25, 3), 1e6)], axis=2)
    assert notes(further) == []
    far = standard() + 100
    assert notes(far, scaling=None) == []
    assert notes(far, scaling=Scaling("error", "float32")) == []


def test_at_most_three_channels_are_listed():
    channels = tuple("abcde")
    scaling = Scaling("error", "float32", mean=np.zeros(5), deviation=np.ones(5))
    (line,) = notes(np.full((12, 4, 5), 8.0), None, scaling, channels)
    assert line.count("deviations from train's") == 3 and line.endswith(" and 2 more")


@pytest.mark.parametrize("make", [digits, japanese_vowels])
def test_a_missing_split_of_a_bundled_set_is_named(make):
    splits = prepare(
        make(), val_fraction=0.2, test_fraction=0, split_seed=0, standardize=True, missing="error"
    )
    for part in splits.parts.values():
        assert unit_notes(part.x, part.lengths, splits.scaling, splits.channel_names, "test") == []
