"""An option outside its range has one message, which names the option and what is allowed."""

import re
from typing import Any

import numpy as np
import pytest
from prepared import prepared

from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Splits
from seqsweep.data.transforms import Transform, shaping_options, transform_of


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame": 0}, "data.transform.frame=0: must be at least 1"),
        ({"frame": 9}, "data.transform.frame=9: must be at most 8, the steps of the longest"),
        (
            {"crop": [2, 6], "frame": 5},
            "data.transform.frame=5: must be at most 4, the steps of the longest",
        ),
        ({"crop": [3, 3]}, "data.transform.crop=[3, 3]: must begin before it ends"),
        ({"crop": [1]}, "data.transform.crop=[1]: must be [a, b]"),
        (
            {"crop": [3, 9]},
            "data.transform.crop=[3, 9]: must begin before step 3, the number of steps of the",
        ),
        (
            {"crop": [0, 2], "truncate": 2},
            "data.transform.truncate=2: must be null where crop is given",
        ),
        ({"impute": "al"}, "data.transform.impute='al': must be one of missing, all; did you mean"),
        ({"impute": "all"}, "data.transform.impute=all: must be null with data.missing=error"),
        ({"jitter": -0.1}, "data.transform.jitter=-0.1: must be between 0 and"),
        ({"time_mask": 8}, "data.transform.time_mask=8: must be below 8, the steps of the longest"),
        ({"fram": 2}, "data.transform.fram: no such transform; did you mean 'frame'?"),
        ({"frame": 2.5}, "data.transform.frame=2.5: must be a whole number"),
        ({"jitter": "a"}, "data.transform.jitter='a': must be a number"),
        ([2], "data.transform=[2]: must be a group of keys, or null"),
    ],
)
def test_a_value_outside_its_range_or_of_another_type_is_refused(options, message):
    """The sequences have 3 to 8 steps."""
    rng = np.random.default_rng(0)
    lengths = np.array([8, 3, 5, 4, 6, 7])
    train = make_sequences(rng.normal(size=(6, 8, 2)), np.arange(6) % 2, lengths)
    with pytest.raises((ValueError, TypeError), match=f"^{re.escape(message)}"):
        prepared(Splits(train), val_fraction=0, test_fraction=0, transform=options)


def test_an_option_that_is_null_or_absent_changes_nothing():
    nothing: list[Any] = [
        None,
        {},
        {"frame": None, "crop": None},
        {"frame": 1, "jitter": 0, "downsample": 1},
    ]
    assert {transform_of(options) for options in nothing} == {Transform()}
    assert not Transform().reshapes and not Transform().augments
    # What only training reads is not an option of the splits.
    shaping = {"crop": None, "truncate": None, "downsample": None, "impute": None, "frame": 2}
    assert shaping_options({"frame": 2, "jitter": 0.1, "time_mask": 3}) == shaping
    assert shaping_options(None) == shaping | {"frame": None}
