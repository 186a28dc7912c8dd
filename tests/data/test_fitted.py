"""New values that a run cannot take are refused; the others are prepared as in training.

tests/data/transforms/test_prepared.py holds the bits of every scaling against those of `prepare`.
"""

import numpy as np
import pytest

from seqsweep.data.fitted import Scaling, Shaping


def test_a_missing_value_is_refused_where_training_refused_it():
    scaling = Scaling("error", "float64", mean=np.zeros(1), deviation=np.ones(1))
    with pytest.raises(ValueError, match=r"x: 1 value is missing \(NaN\), .*missing=error"):
        scaling.apply(np.array([[[np.nan], [0.0]]]), np.array([2]))


def test_a_value_that_scaling_drives_out_of_float32_is_refused():
    scaling = Scaling("error", "float64", mean=np.zeros(1), deviation=np.full(1, 1e-30))
    with pytest.raises(ValueError, match="too far"):
        scaling.apply(np.full((1, 1, 1), 1e20), np.array([1]))


def test_new_values_take_the_type_of_the_training_data():
    """The same numbers give the same bits, also where a mean of steps is rounded."""
    means = Shaping(("u",), downsample=3)
    scaling = Scaling("error", "float32", None, np.full(1, 0.3), np.full(1, 1e-4), means)
    x = np.array([[[0.1], [0.7], [0.2]]], dtype=np.float32)
    one, other = (scaling.apply(x.astype(kind), np.array([3]))[0] for kind in ("f4", "f8"))
    assert one.dtype == other.dtype == np.float32 and np.array_equal(one, other)
