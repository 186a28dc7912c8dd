"""Values unlike those of the training are named, and nothing else is."""

from typing import Any

import numpy as np
import pytest
from prepared import prepared

from seqsweep.data import tasks
from seqsweep.data.bundled import digits, japanese_vowels
from seqsweep.data.raw import make_sequences
from seqsweep.data.scaling import difference_notes
from seqsweep.data.sequences import Sequences, Splits

OTHER = "new.npz: other values than in training; check units and sensors: channel"


def signals(count=40, steps=25, seed=0):
    """Draws standard normal values (count, steps, 2)."""
    return np.random.default_rng(seed).normal(size=(count, steps, 2))


def trained_on(x, lengths=None, standardize=True, names=("u", "v"), **options: Any) -> Splits:
    part = make_sequences(x, np.arange(len(x)) % 2, lengths, channel_names=names)
    no_cut = {"val_fraction": 0.0, "test_fraction": 0.0}
    return prepared(Splits(part), standardize=standardize, **no_cut, **options)


def notes(splits: Splits, x, lengths=None):
    """Returns the lines on raw sequences, for a run that was trained on splits."""
    scaling = splits.scaling
    assert scaling is not None
    steps = np.full(len(x), x.shape[1]) if lengths is None else np.array(lengths)
    names = scaling.shaping.channel_names if scaling.shaping else splits.channel_names
    return difference_notes(*scaling.apply(x, steps), scaling, names, "new.npz")


# The factor and the offset of each channel, and the channels that are named.
CASES = [
    ((1, 1), (0, 0), {}),
    ((0.1, 1), (0, 0), {"u": "(-0.1"}),
    ((1, 1), (-20, 0), {"u": "in training -1"}),
    ((1000, 0), (0, 7), {"u": "in training -", "v": "(7 throughout; in training "}),
    ((2, 0.5), (1, -1), {}),
]


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(("factor", "offset", "named"), CASES)
def test_a_channel_unlike_train_is_named_with_its_values(factor, offset, named, standardize):
    lines = notes(trained_on(signals(), None, standardize), signals(seed=1) * factor + offset)
    assert len(lines) == bool(named)
    for channel in ("u", "v") if lines else ():
        assert (f"{channel!r} (" in lines[0]) == (channel in named)
        assert named.get(channel, "") in lines[0] and lines[0].startswith(OTHER)


def test_a_few_sequences_may_change_little_but_a_signal_is_never_constant():
    signal, fixed = trained_on(signals()), np.arange(40).reshape(40, 1, 1) + np.zeros((40, 25, 2))
    assert notes(signal, signals(9) * 0.1) == []
    assert notes(signal, signals(10) * 0.1) != []
    assert notes(signal, signals(1) * 0) != []
    # A channel that is constant within sequences, as an age is, may be constant in a file.
    assert notes(trained_on(fixed), fixed[3:4]) == []


def test_one_of_many_sequences_in_other_units_is_named():
    x = signals(37)
    x[5] *= 1000
    assert notes(trained_on(signals()), x) != []


def test_padding_masks_and_later_steps_of_frames_do_not_count():
    x, lengths = signals(), [25] * 20 + [5] * 20
    x[20:, 5:] = 1e9
    assert notes(trained_on(x, lengths), x, lengths) == []
    x = np.where(np.random.default_rng(1).random(signals().shape) < 0.1, np.nan, signals())
    transform = {"frame": 5, "impute": "missing"}
    splits = trained_on(x, None, transform=transform, missing="forward")
    assert splits.input_size == 20 and notes(splits, x) == []
    assert len(notes(splits, x * 10)) == 1


def parts_of(part: Sequences):
    """Yields all sequences, those of each class, and each ten that follow each other."""
    yield np.arange(len(part))
    yield from (np.flatnonzero(part.labels == c) for c in np.unique(part.labels))
    yield from (np.arange(n, n + 10) for n in range(0, len(part) - 9, 10))


SETS = {
    "digits": digits,
    "japanese_vowels": japanese_vowels,
    "adding": lambda: tasks.adding(300, 100, 100, 50),
    "frequencies": lambda: tasks.frequencies(300, 100, 100, 50),
    "random": lambda: tasks.random_sequences(200, 10, 8, 3),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("standardize", [True, False])
def test_no_split_of_a_known_set_is_named_nor_a_few_of_its_sequences(name, standardize):
    splits = prepared(SETS[name](), standardize=standardize)
    for part in splits.parts.values():
        for rows in parts_of(part):
            x, lengths = part.x[rows], part.lengths[rows]
            names = splits.channel_names
            assert difference_notes(x, lengths, splits.scaling, names, "new.npz") == []
