"""Sums by parts have the bits of numpy's sums of the whole array."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from seqsweep.data import moments
from seqsweep.data.moments import channel_sums, present_sums

SIZES = (1, 7, 128, 8191, 8192, 8193, 100_001)


def drawn(steps: int, channels: int) -> npt.NDArray[np.float32]:
    """Values of many magnitudes, so that another order of the sum gives other bits."""
    rng = np.random.default_rng(steps + channels)
    scale = 10.0 ** rng.integers(-12, 12, (steps, channels))
    return (rng.normal(size=(steps, channels)) * scale).astype(np.float32)


def parts(values: npt.NDArray[Any], seed: int) -> Iterator[npt.NDArray[Any]]:
    rng, start = np.random.default_rng(seed), 0
    while start < len(values):
        stop = start + int(rng.integers(1, 5000))
        yield values[start:stop].copy()
        start = stop


@pytest.mark.parametrize("channels", [1, 2, 3, 16])
@pytest.mark.parametrize("steps", SIZES)
def test_sums_by_parts_have_the_bits_of_the_sum_of_all(steps, channels, monkeypatch):
    monkeypatch.setattr(moments, "_LEAF", 4096)
    values = np.square(drawn(steps, channels).astype(np.float64) - 0.1)
    for seed in (0, 1):
        result = channel_sums(parts(values, seed), steps, channels)
        assert result.tobytes() == values.sum(axis=0).tobytes()


@pytest.mark.parametrize("channels", [1, 2, 16])
@pytest.mark.parametrize("steps", SIZES)
def test_sums_of_present_values_have_the_bits_of_a_masked_sum(steps, channels):
    values = drawn(steps, channels)
    values[np.random.default_rng(2).random(values.shape) < 0.1] = np.nan
    present = ~np.isnan(values)
    sums, counts = present_sums(parts(values, 0), channels)
    expected = values.sum(axis=0, dtype=np.float64, where=present)
    assert sums.tobytes() == expected.tobytes()
    assert (counts == present.sum(axis=0)).all()


def test_the_order_of_the_sum_would_show():
    """Ensures that the values of these tests do not add up to the same bits in any order."""
    values = np.square(drawn(100_001, 1).astype(np.float64) - 0.1)
    assert values.sum() != np.add.accumulate(values[:, 0])[-1]
