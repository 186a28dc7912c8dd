"""Reads float32 values of sequences from a file, without keeping them in memory.

S steps of all sequences together, F features (channels).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from seqsweep.data.checks import Array
from seqsweep.data.precision import Float32

_LITTLE = np.dtype("<f4")
_SPAN = 2
"""A range is read at once if at most this many times the wanted steps lie in it."""


class ValuesFile:
    """The steps of all sequences, one after the other: (S, F) float32, little endian.

    Reading by position, unlike a memory map, leaves no pages in the process. Processes may share
    the object: a position belongs to each call, and a copy in another process opens its own file.

    Args:
        path: the file.
        channels: F.
    """

    def __init__(self, path: Path, channels: int) -> None:
        self.path = path
        self.channels = channels
        self._descriptor: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_descriptor": None}

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def read(self, starts: Array, lengths: Array) -> Float32:
        """Returns the steps of some sequences, one after the other: (S, F).

        Args:
            starts: (B,) the first step of each sequence.
            lengths: (B,) its number of steps.
        """
        total = int(lengths.sum())
        first, last = int(starts[0]), int(starts[-1] + lengths[-1])
        # One call for many short sequences is much faster than a call for each of them.
        if (np.diff(starts) >= lengths[:-1]).all() and last - first <= _SPAN * total:
            span = self._range(first, np.empty((last - first, self.channels), _LITTLE))
            if last - first == total:
                return span.astype(np.float32, copy=False)
            return span[step_index(starts - first, lengths)].astype(np.float32, copy=False)
        result = np.empty((total, self.channels), _LITTLE)
        end = 0
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            begin, end = end, end + length
            self._range(start, result[begin:end])
        return result.astype(np.float32, copy=False)

    def _range(self, first: int, out: Array) -> Array:
        """Fills `out` with the steps from `first` on."""
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        left = out.data.cast("B")
        position = first * self.channels * _LITTLE.itemsize
        while left:
            count = os.preadv(self._descriptor, [left], position)
            if count == 0:
                raise ValueError(f"{self.path} is shorter than before; convert the data again")
            left, position = left[count:], position + count
        return out


def step_index(starts: Array, lengths: Array) -> Array:
    """Returns the positions of the steps of sequences that begin at `starts`, (S,)."""
    before = np.cumsum(lengths) - lengths  # the steps of the sequences before each one
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())
