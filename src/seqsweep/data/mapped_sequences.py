"""Sequences whose values stay in a file until a batch needs them.

N sequences, B of them in a batch, T steps, S steps together, F features (channels).
"""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from seqsweep.data.fitted import Scaling
from seqsweep.data.precision import Float32, Units, converted
from seqsweep.data.raw import join_padded
from seqsweep.data.sequences import Sequences
from seqsweep.data.values_file import ValuesFile

_AT_ONCE = 1 << 20
"""The most values, with padding, that are read at once to compute statistics."""


class Extremes(NamedTuple):
    """The range of each channel and the number of its missing values, (F,) each.

    The range is NaN where a channel has no value.
    """

    least: npt.NDArray[np.float64]
    most: npt.NDArray[np.float64]
    missing: npt.NDArray[np.int64]


class Rows(NamedTuple):
    """The part of N sequences that is in memory.

    Attributes:
        starts: (N,) the first step of each sequence in the file.
        lengths, labels, digests, groups: (N,), see `Sequences`.
    """

    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]
    groups: npt.NDArray[np.int64] | None = None

    def at(self, positions: npt.NDArray[np.integer] | slice) -> Self:
        """Returns some of the sequences."""
        return self._replace(
            starts=self.starts[positions],
            lengths=self.lengths[positions],
            labels=self.labels[positions],
            digests=self.digests[positions],
            groups=None if self.groups is None else self.groups[positions],
        )


class Store(NamedTuple):
    """The file of a split's values, and what holds for all of them.

    Attributes:
        extremes: of all sequences of the split in the file.
        fingerprint: of the split as it is stored.
        fits: what has been fitted on some of the sequences, by a key of `fit_by_parts`.
    """

    file: ValuesFile
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    units: Units | None
    max_length: int
    extremes: Extremes
    fingerprint: str
    fits: dict[str, Any]


class Converts(NamedTuple):
    """The units into which every read converts; None for the values themselves."""

    units: Units | None


class MappedSequences(Sequences):
    """Labelled sequences that are read from a file when they are used.

    `batch` reads some of them. `x` reads all of them, so it may take much memory.

    Args:
        store: the split in its file.
        rows: the sequences, in any order.
        scaling: applied to what is read; None for the values in `units`.
        is_whole: whether these are all sequences of the split, in its order.
        converts: the units of what is read; None for those of the file.
    """

    def __init__(
        self,
        store: Store,
        rows: Rows,
        scaling: Scaling | None = None,
        is_whole: bool = False,
        converts: Converts | None = None,
    ) -> None:
        self.store = store
        self.rows = rows
        self.scaling = scaling
        self.is_whole = is_whole
        self.converts = converts
        units = store.units if converts is None else converts.units
        # The class is not a dataclass: `x`, a field of the base, is a property here.
        fields = {
            "lengths": rows.lengths,
            "labels": rows.labels,
            "digests": rows.digests,
            "groups": rows.groups,
            "class_names": store.class_names,
            "channel_names": store.channel_names,
            "units": units if scaling is None else None,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def x(self) -> Float32:  # pyright: ignore[reportIncompatibleVariableOverride]
        """All values (N, T, F)."""
        return self.batch(np.arange(len(self)), self.max_length)

    @property
    def max_length(self) -> int:
        return self.store.max_length

    @property
    def input_size(self) -> int:
        return len(self.store.channel_names)

    def __len__(self) -> int:
        return len(self.rows.lengths)

    def batch(self, index: npt.NDArray[np.int64], steps: int | None = None) -> Float32:
        """Returns the values of some sequences, scaled and padded: (B, T, F).

        Args:
            index: (B,) their positions.
            steps: T; without it, that of the longest of them.
        """
        lengths = self.rows.lengths[index]
        values = join_padded(self.store.file.read(self.rows.starts[index], lengths), lengths)
        if self.converts is not None:
            valid = np.arange(values.shape[1]) < lengths[:, None]
            values = converted(values, valid, self.store.units, self.converts.units)
        if self.scaling is not None:
            values, _ = self.scaling.apply_in_units(values, lengths)
        missing = 0 if steps is None else steps - values.shape[1]
        return np.pad(values, ((0, 0), (0, missing), (0, 0))) if missing else values

    def parts(self) -> Iterator[tuple[npt.NDArray[np.int64], Float32]]:
        """Yields the positions and the valid steps (s, F) of all sequences, some at a time."""
        for index in self._indices():
            lengths = self.lengths[index]
            values = self.batch(index)
            yield index, values[np.arange(values.shape[1]) < lengths[:, None]]

    def select(self, index: npt.ArrayLike) -> Self:
        positions = np.asarray(index)
        assert positions.ndim == 1 and positions.dtype.kind in "iu"
        rows = self.rows.at(positions)
        return type(self)(self.store, rows, self.scaling, converts=self.converts)

    def scaled(self, scaling: Scaling) -> Self:
        """Returns the sequences with a scaling that every read applies."""
        return type(self)(self.store, self.rows, scaling, self.is_whole, self.converts)

    def in_units(self, units: Units | None) -> Self:
        """Returns the sequences in other units, before any scaling."""
        return type(self)(self.store, self.rows, None, self.is_whole, Converts(units))

    def in_memory(self) -> Sequences:
        return Sequences(
            self.x,
            self.lengths,
            self.labels,
            self.class_names,
            self.channel_names,
            self.units,
            self.digests,
            self.groups,
        )

    def fingerprint(self) -> str:
        if self.is_whole and self.scaling is None and self.converts is None:
            return self.store.fingerprint
        digest = hashlib.sha256(self.fingerprint_head())
        for _, values in self.parts():
            digest.update(values.astype("<f4").tobytes())
        return digest.hexdigest()

    def _indices(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yields ranges of positions whose padded values are few."""
        lengths = self.lengths
        most = max(1, _AT_ONCE // self.input_size)  # steps
        start = 0
        while start < len(lengths):
            # The longest sequence so far decides the padding of a range.
            ahead = most // int(lengths[start]) + 1
            longest = np.maximum.accumulate(lengths[start : start + ahead])
            fits = longest * np.arange(1, len(longest) + 1) <= most
            count = max(1, int(fits.argmin()) if not fits.all() else len(fits))
            yield np.arange(start, start + count)
            start += count
