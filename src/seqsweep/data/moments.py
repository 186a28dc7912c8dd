"""Adds up channels part by part.

The sums have the bits of numpy's sum of the whole array.

S steps of all sequences together, F features (channels).
"""

from collections.abc import Iterable, Iterator

import numpy as np

from seqsweep.data.precision import Float32, Float64, Mask

_LEAF = 1 << 17
"""The most numbers that are summed in one call; any value gives the same bits."""

_BUFFER = 8192
"""The numbers that numpy converts at once where it sums float32 in float64."""


def channel_sums(parts: Iterable[Float64], steps: int, channels: int) -> Float64:
    """Returns `values.sum(axis=0)` for the values (S, F) that come in parts.

    Args:
        parts: arrays (s, F), which this function may overwrite.
        steps: S.
    """
    # Numpy adds one row after the other, but sums a single channel by halves.
    if channels == 1:
        return np.array([_sum_by_halves(steps, _Joined(parts))])
    total = np.zeros(channels)
    for part in parts:
        part[0] += total
        total = part.sum(axis=0)
    return total


def present_sums(parts: Iterable[Float32], channels: int) -> tuple[Float64, Float64]:
    """Returns the sum and the number of present values of each channel.

    A value is present if it is not NaN. The sums are those of
    `values.sum(axis=0, dtype=np.float64, where=~np.isnan(values))`.
    """
    total, count = np.zeros(channels), np.zeros(channels)
    for part in _of_buffers(parts) if channels == 1 else parts:
        present: Mask = ~np.isnan(part)
        count += present.sum(axis=0)
        if channels == 1:
            # Numpy sums each run of present values within a buffer by halves.
            total[0] = part.sum(dtype=np.float64, where=present, initial=total[0])
        else:
            values = np.where(present, part, 0).astype(np.float64)
            values[0] += total
            total = values.sum(axis=0)
    return total, count


class _Joined:
    """Cuts an iterable of arrays (s, 1) into arrays of the sizes that are asked for."""

    def __init__(self, parts: Iterable[Float64]) -> None:
        self.parts = iter(parts)
        self.left = np.empty(0)

    def take(self, count: int) -> Float64:
        pieces = [self.left]
        held = len(self.left)
        while held < count:
            pieces.append(next(self.parts)[:, 0])
            held += len(pieces[-1])
        joined = np.concatenate(pieces)
        self.left = joined[count:]
        return joined[:count]


def _sum_by_halves(count: int, values: _Joined) -> float:
    """Returns the sum of the next `count` values, with the halves of numpy's pairwise sum."""
    if count <= _LEAF:
        return float(np.add.reduce(values.take(count)))
    half = count // 2
    half -= half % 8  # numpy adds eight numbers side by side
    first = _sum_by_halves(half, values)
    return first + _sum_by_halves(count - half, values)


def _of_buffers(parts: Iterable[Float32]) -> Iterator[Float32]:
    """Yields the values of one channel in arrays of `_BUFFER` values."""
    left = np.empty((0, 1), np.float32)
    for part in parts:
        joined = np.concatenate([left, part])
        whole = len(joined) - len(joined) % _BUFFER
        for start in range(0, whole, _BUFFER):
            yield joined[start : start + _BUFFER]
        left = joined[whole:]
    if len(left):
        yield left
