"""Splits are transformed before they are scaled, and raw values again in the same way."""

import re
from typing import Any

import numpy as np
import pytest
from prepared import prepared

from seqsweep.data.raw import make_sequences
from seqsweep.data.scaling import Scaling
from seqsweep.data.sequences import Splits
from seqsweep.data.transforms import Shaping
from seqsweep.training.description import description, scaling_of

N, T, F = 24, 11, 2

TRANSFORMS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "frame": {"frame": 3},
    "truncate": {"truncate": 4},
    "impute all": {"impute": "all"},
    "all": {"crop": [1, 10], "downsample": 2, "impute": "all", "frame": 2},
}


def raw(seed, offset=0.0, holes=0.15):
    """Returns x (N, T, F) with missing values in channel 0 alone, and lengths of 4 to 11 steps."""
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 5, (N, T, F)) + offset
    x[:, :, 0][rng.random((N, T)) < holes] = np.nan
    return x, rng.integers(4, T + 1, N)


def made(seed, padding=0, dtype=np.float64, **options):
    x, lengths = raw(seed, **options)
    x = np.pad(x, ((0, 0), (0, padding), (0, 0)), constant_values=7).astype(dtype)
    return make_sequences(x, np.arange(N) % 3, lengths, channel_names=["u", "v"])


def ready(splits, transform=None, **options) -> Splits:
    defaults = {"val_fraction": 0.25, "test_fraction": 0, "standardize": True, "missing": "mean"}
    return prepared(splits, transform=transform, **defaults | options)


def both(transform, offset=0.0, dtype=np.float64, **options):
    train, test = (made(seed, offset=offset, dtype=dtype) for seed in (0, 1))
    return ready(Splits(train, test=test), transform, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("missing", ["zero", "mean", "forward"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_checkpoint_transforms_raw_values_as_the_test_split_to_the_bit(
    name, standardize, missing, dtype
):
    splits = both(TRANSFORMS[name], standardize=standardize, missing=missing, dtype=dtype)
    scaling, test = scaling_of(description({}, splits)), splits.parts["test"]
    assert scaling is not None
    x, lengths = raw(1)
    values, steps = scaling.apply(x[:, : lengths.max()], lengths)
    assert steps.tolist() == test.lengths.tolist()
    assert values.tobytes() == test.x[:, : steps.max()].tobytes()
    assert values.shape[2] == splits.input_size == len(splits.train.channel_names)
    # In other batches, and with other padding, a sequence stays what it is.
    alone, (length,) = scaling.apply(np.pad(x[3:4], ((0, 0), (0, 5), (0, 0))), lengths[3:4])
    assert alone[0, :length].tobytes() == test.x[3, :length].tobytes()


def test_time_stamps_keep_their_differences():
    """Numbers near 1.7e9 would lose their differences in float32."""
    for transform in (None, TRANSFORMS["all"]):
        splits, plain = both(transform, offset=1.7e9), both(transform)
        assert splits.test is not None and splits.scaling is not None
        values, steps = splits.scaling.apply(raw(1, offset=1.7e9)[0], raw(1)[1])
        assert values[:, : steps.max()].tobytes() == splits.test.x[:, : steps.max()].tobytes()
        np.testing.assert_allclose(splits.train.x, plain.train.x, atol=1e-5)


def test_padding_changes_nothing():
    for transform in TRANSFORMS.values():
        one, other = (ready(Splits(made(0, padding=n)), transform) for n in (0, 6))
        assert one.fingerprint() == other.fingerprint()


def test_masks_mark_what_was_missing_in_the_channels_of_train_and_are_not_scaled():
    splits = both({"impute": "missing"})
    test = splits.parts["test"]
    assert splits.train.channel_names == ("u", "v", "u_missing")
    x, lengths = raw(1)
    valid = np.arange(T) < lengths[:, None]
    np.testing.assert_array_equal(test.x[valid][:, 2], np.isnan(x[:, :, 0][valid]))
    # The other channels are as without masks.
    assert test.x[:, :, :2].tobytes() == both(None).parts["test"].x.tobytes()
    train, holed = made(0, holes=0), made(1)
    splits = ready(Splits(train, test=holed), {"impute": "missing"})
    assert splits.train.channel_names == ("u", "v")
    assert [line for line in splits.notes if "adds no channel" in line]


def test_missing_values_that_are_cropped_away_do_not_refuse_data():
    x, lengths = raw(0, holes=0)
    x[:, 0] = np.nan
    x[1, 5, 1] = np.nan
    source = Splits(make_sequences(x, np.arange(N) % 3, lengths))
    with pytest.raises(ValueError, match="missing values"):
        ready(source, missing="error")
    # The message counts steps as the source does.
    with pytest.raises(ValueError, match=r"1 missing value .*sequence 1, step 5, channel"):
        ready(source, {"crop": [1, 11]}, missing="error")
    x[1, 5, 1] = 0
    source = Splits(make_sequences(x, np.arange(N) % 3, lengths))
    splits = ready(source, {"crop": [1, 11]}, missing="error")
    assert splits.scaling is not None
    values, steps = splits.scaling.apply(x, lengths)
    assert np.isfinite(values).all() and steps.tolist() == (lengths - 1).tolist()


def test_new_values_that_a_run_cannot_take_are_refused():
    scaling = both({"crop": [3, 9]}).scaling
    assert scaling is not None
    message = r"x: sequence 1 has 3 steps; must have more than 3, .*crop"
    with pytest.raises(ValueError, match=message):
        scaling.apply(np.zeros((2, 5, F)), np.array([5, 3]))
    scaling = Scaling("error", "float64", mean=np.zeros(1), deviation=np.ones(1))
    with pytest.raises(ValueError, match=r"x: 1 missing .* in sequence 0, step 0, channel 0;"):
        scaling.apply(np.array([[[np.nan], [0.0]]]), np.array([2]))


def test_no_transform_leaves_the_splits_and_the_checkpoint_as_they_were():
    options = {"frame": None, "crop": None, "jitter": 0.5}
    plain, same = both(None), both(options)
    assert same.fingerprint() == plain.fingerprint()
    assert same.scaling is not None and same.scaling.shaping is None
    assert description({}, same)["scaling"]["shaping"] is None

    # The digests are those of the raw sequences, so that runs with and without a transform are
    # known to share their test sequences.
    other = both(TRANSFORMS["all"])
    for name, part in plain.parts.items():
        np.testing.assert_array_equal(part.digests, other.parts[name].digests)


def test_new_values_take_the_type_of_the_training_data():
    """Equal numbers give equal bits, even if a mean of steps is rounded."""
    means = Shaping(("u",), downsample=3)
    scaling = Scaling("error", "float32", None, np.full(1, 0.3), np.full(1, 1e-4), means)
    x = np.array([[[0.1], [0.7], [0.2]]], dtype=np.float32)
    one, other = (scaling.apply(x.astype(kind), np.array([3]))[0] for kind in ("f4", "f8"))
    assert one.dtype == other.dtype == np.float32 and np.array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame": 0}, "data.transform.frame=0: must be at least 1"),
        ({"crop": [2, 6], "frame": 5}, "data.transform.frame=5: must be between 1 and 4, the"),
        ({"crop": [3, 9]}, "train: sequence 1 has 3 steps; must have more than 3, where"),
        ({"crop": [0, 2], "truncate": 2}, "data.transform.truncate=2: must be null with crop"),
        ({"impute": "all"}, "data.transform.impute=all: needs data.missing=mean|zero|forward"),
        ({"jitter": -0.1}, "data.transform.jitter=-0.1: must be between 0 and"),
        ({"fram": 2}, "data.transform.fram: no such transform; did you mean 'frame'?"),
    ],
)
def test_a_value_outside_its_range_or_of_another_type_is_refused(options, message):
    """The sequences have 3 to 8 steps."""
    lengths = np.array([8, 3, 5, 4, 6, 7])
    train = make_sequences(np.ones((6, 8, 2)), np.arange(6) % 2, lengths)
    with pytest.raises((ValueError, TypeError), match=f"^{re.escape(message)}"):
        prepared(Splits(train), val_fraction=0, test_fraction=0, transform=options)
