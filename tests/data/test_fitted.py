"""Raw values come out of a `Scaling` as `prepare` scaled them, to the bit."""

from typing import Any

import numpy as np
import pytest

from seqsweep.data.fitted import Scaling
from seqsweep.data.prepare import prepare
from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Splits

OFFSETS = {"plain": 0.0, "time stamps": 1.7e9, "whole numbers": 0.0}
"""float32 would round the time stamps away."""


def raw(kind, seed, holes):
    """x (N, T, F) = (12, 6, 2) and lengths of 2 to 6 steps."""
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 5, (12, 6, 2)) + OFFSETS[kind]
    if kind == "whole numbers":
        return x.astype(np.int64), rng.integers(2, 7, 12)
    if holes:
        x[rng.random(x.shape) < 0.2] = np.nan
    return x, rng.integers(2, 7, 12)


def split(kind, seed, holes):
    x, lengths = raw(kind, seed, holes)
    return make_sequences(x, np.arange(12) % 2, lengths)


def prepared(kind, standardize, missing, holes=False):
    source = Splits(split(kind, 0, holes), test=split(kind, 1, holes))
    options: dict[str, Any] = {"missing": missing, "standardize": standardize, "split_seed": 0}
    splits = prepare(source, val_fraction=0.25, test_fraction=0.0, **options)
    assert splits.test is not None and splits.scaling is not None
    return splits.test, splits.scaling


@pytest.mark.parametrize("missing", ["error", "zero", "mean", "forward"])
@pytest.mark.parametrize(
    ("kind", "standardize"),
    # Time stamps as they are would be refused: float32 cannot hold them.
    [(kind, True) for kind in OFFSETS] + [("plain", False), ("whole numbers", False)],
)
def test_raw_values_are_scaled_as_the_test_split_was(kind, standardize, missing):
    holes = missing != "error" and kind != "whole numbers"
    test, scaling = prepared(kind, standardize, missing, holes)
    x, lengths = raw(kind, 1, holes)
    scaled, steps = scaling.apply(x[:, : lengths.max()], lengths)
    assert steps.tolist() == lengths.tolist()
    assert scaled.dtype == np.float32
    assert scaled.tobytes() == test.x.tobytes()


def test_a_missing_value_is_refused_where_training_refused_it():
    _, scaling = prepared("plain", True, "error")
    with pytest.raises(ValueError, match=r"x: 1 value is missing \(NaN\), .*missing=error"):
        scaling.apply(np.array([[[np.nan, 0.0]]]), np.array([1]))


def test_a_value_that_scaling_drives_out_of_float32_is_refused():
    scaling = Scaling("error", "float64", mean=np.zeros(1), deviation=np.full(1, 1e-30))
    with pytest.raises(ValueError, match="too far"):
        scaling.apply(np.full((1, 1, 1), 1e20), np.array([1]))
