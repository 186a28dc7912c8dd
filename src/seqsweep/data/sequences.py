"""Labelled sequences of mixed lengths, which every source of data returns.

N sequences, T steps of the longest, F features (channels), C classes.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import Floats, Int64, Mask, blocks
from seqsweep.data.scaling import Scaling
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.text import count

_COMPUTED: Any = None
"""The default of what the constructor computes."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """N labelled sequences, padded with zeros to the same number of steps.

    Args:
        x: (N, T, F) in the source's float32 or float64; float32 after `prepare`. The constructor
            sets the steps after a sequence's length to zero.
        lengths: (N,) int64, each in 1..T.
        labels: (N,) int64, each a position in `class_names`.
        class_names: C names, which all splits of a data set share; none if targets are numbers.
        channel_names: F names.
        digests: (N,) a hash of each sequence before preparation; None computes the hashes.
        groups: (N,) int64, numbered by first appearance; a group is never in two splits.
            None if there are no groups.
        row_labels: (N, T) the label of each row of the source, -1 where it has none. None if all
            rows of a sequence have its label.
        label_change: where the labels or targets of rows first differ in a sequence, for messages.
        recordings: (N,) for windows, the digest of the recording that each was cut from.
        targets: what a LightningModule of the user reads in place of `labels`: numbers, float32
            (N, K), or (N, T, K) with NaN at a row without one; or, once `prepare` has been told
            that each row has a label, int64 (N, T) with -100 at a row without one.
        target_names: the K names of numbers.
    """

    x: Floats
    lengths: Int64
    labels: Int64
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    digests: npt.NDArray[np.uint64] = _COMPUTED
    groups: Int64 | None = None
    row_labels: Int64 | None = None
    label_change: str = ""
    recordings: npt.NDArray[np.uint64] | None = None
    targets: npt.NDArray[Any] | None = None
    target_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count, longest, channels = self.x.shape
        assert self.x.dtype in (np.float32, np.float64)
        assert count > 0 and channels == len(self.channel_names)
        assert self.lengths.dtype == np.int64 and self.labels.dtype == np.int64
        assert self.lengths.shape == self.labels.shape == (count,)
        for array in (self.groups, self.row_labels, self.targets):
            assert array is None or len(array) == count
        assert self.lengths.min() >= 1 and self.lengths.max() <= longest
        assert self.labels.min() >= 0
        assert self.labels.max() < (len(self.class_names) or count)
        if self.x[~self.valid].any():  # NaN counts as not zero
            zeroed = np.where(self.valid[:, :, None], self.x, np.float32(0))
            object.__setattr__(self, "x", zeroed)
        # The raw values are hashed: filling in and scaling change which sequences are equal.
        if self.digests is _COMPUTED:
            rows = zip(self.x, self.lengths.tolist(), strict=True)
            contents = (row[:length].astype("<f8").tobytes() for row, length in rows)
            object.__setattr__(self, "digests", digests_of(contents))

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        steps = " to ".join(map(str, sorted({self.lengths.min(), self.lengths.max()})))
        return f"Sequences({len(self)} of {steps} steps, {_width(self)})"

    @property
    def max_length(self) -> int:
        """The number of steps, T, to which every sequence is padded."""
        return self.x.shape[1]

    @functools.cached_property
    def num_steps(self) -> int:
        """The number of steps of all sequences together, without padding."""
        return int(self.lengths.sum())

    @property
    def input_size(self) -> int:
        return self.x.shape[2]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def is_per_step(self) -> bool:
        """Returns whether targets have a value for each step."""
        return self.targets is not None and (self.targets.ndim == 3 or not self.target_names)

    @property
    def units(self) -> npt.NDArray[Any] | None:
        """The group or recording of each window, (N,); None without windows.

        Windows with the same value are not independent of each other.
        """
        is_grouped = self.recordings is not None and self.groups is not None
        return self.groups if is_grouped else self.recordings

    def by_recording(self) -> tuple[Int64, Int64] | None:
        """Returns the first window of each recording, and each window's recording, numbered (N,).

        The result is None without windows or classes, or if labels change in a recording.
        """
        if self.recordings is None or self.targets is not None:
            return None
        _, first, number = np.unique(self.recordings, return_index=True, return_inverse=True)
        return (first, number) if (self.labels[first][number] == self.labels).all() else None

    @property
    def valid(self) -> Mask:
        """The mask (N, T): True at steps, False at padding."""
        return np.arange(self.max_length) < self.lengths[:, None]

    def select(self, index: npt.ArrayLike) -> Self:
        """Returns the sequences at the given positions, padded to T steps."""
        rows = np.asarray(index)
        assert rows.ndim == 1 and rows.dtype.kind in "iu", "select takes a vector of positions"
        # Every array has an item for each sequence.
        arrays = {name: v for name, v in vars(self).items() if isinstance(v, np.ndarray)}
        return replace(self, **{name: array[rows] for name, array in arrays.items()})

    def with_values(self, x: Floats, lengths: Int64, names: tuple[str, ...] | None = None) -> Self:
        """Returns sequences with other values, lengths and channel names; itself for the same x."""
        if x is self.x:
            return self
        return replace(self, x=x, lengths=lengths, channel_names=names or self.channel_names)

    def fingerprint(self) -> str:
        """Returns the sha256 (hex) of values, lengths, labels, targets, names and groups.

        The values are hashed as float64, so equal numbers have the same fingerprint in every type.
        """
        head: list[Any] = [len(self), self.input_size, self.class_names, self.channel_names]
        if self.groups is not None:
            head.append(self.groups.tolist())
        digest = hashlib.sha256(json.dumps(head).encode())
        if self.targets is not None:
            digest.update(repr(self.target_names).encode() + self.targets.tobytes())
        if self.row_labels is not None:
            digest.update(self.row_labels[self.valid].astype("<i8").tobytes())
        # The byte order is fixed, so that a fingerprint is the same on every machine.
        digest.update(self.lengths.astype("<i8").tobytes())
        digest.update(self.labels.astype("<i8").tobytes())
        for rows in blocks(self.x):
            valid = np.arange(self.max_length) < self.lengths[rows, None]
            digest.update(self.x[rows][valid].astype("<f8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of a data set, which share channels and class names.

    Args:
        notes: lines for the user of the data, which the commands print.
        scaling: the scaling that `prepare` has fitted on train.
        vocabulary: for texts, the symbols; x holds their indices.
        step: the usual time from row to row in train, if the source has equal steps.
    """

    train: Sequences
    val: Sequences | None = None
    test: Sequences | None = None
    notes: tuple[str, ...] = ()
    scaling: Scaling | None = None
    vocabulary: Vocabulary | None = None
    step: float | None = None

    def __post_init__(self) -> None:
        for part in (self.val, self.test):
            assert part is None or part.class_names == self.train.class_names
            assert part is None or part.input_size == self.train.input_size

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}={len(part)}" for name, part in self.parts.items())
        return f"Splits({sizes}: sequences of {_width(self.train)})"

    @property
    def parts(self) -> dict[str, Sequences]:
        """The splits that the data set has, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}

    def map(self, change: Callable[[str, Sequences], Sequences]) -> Self:
        """Returns the splits with `change` applied to each part's name and content."""
        return replace(self, **{name: change(name, part) for name, part in self.parts.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the splits that the data set has."""
        return tuple(self.parts)

    @property
    def input_size(self) -> int:
        return self.train.input_size

    @property
    def num_classes(self) -> int:
        return self.train.num_classes

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.train.class_names

    @property
    def channel_names(self) -> tuple[str, ...]:
        return self.train.channel_names

    def fingerprint(self) -> str:
        """Returns the sha256 (hex) of all three splits and the vocabulary."""
        parts = (self.train, self.val, self.test)
        prints: list[Any] = [None if part is None else part.fingerprint() for part in parts]
        if self.vocabulary is not None:  # other symbols may have the same indices
            prints.append(self.vocabulary.symbols)
        return hashlib.sha256(json.dumps(prints).encode()).hexdigest()

    @functools.cached_property
    def recordings(self) -> str:
        """The sha256 (hex) of the source data, independent of tokens and frames.

        So networks can be compared that read the same texts as characters or as words, or the same
        rows cut into other steps (`frame`).
        """
        digest = hashlib.sha256()
        for name, part in self.parts.items():
            digest.update(json.dumps([name, len(part), part.class_names]).encode())
            for array in (part.digests, part.labels, part.groups, part.row_labels):
                digest.update(b"" if array is None else array.astype("<u8").tobytes())
            digest.update(b"" if part.targets is None else part.targets.tobytes())
        return digest.hexdigest()


def _width(sequences: Sequences) -> str:
    """Returns the numbers of channels and of classes, or targets, as text."""
    channels, targets = sequences.input_size, len(sequences.target_names)
    values = count(targets, "target") if targets else f"{sequences.num_classes} classes"
    return f"{channels} channel{'s' * (channels > 1)}, {values}"


def digests_of(contents: Iterable[bytes]) -> npt.NDArray[np.uint64]:
    """Returns a hash of eight bytes for each content, (N,)."""
    # Among a million sequences, two hashes agree by chance in one of 4e7 data sets.
    hashes = (hashlib.blake2b(content, digest_size=8).digest() for content in contents)
    return np.array([int.from_bytes(one, "little") for one in hashes], dtype=np.uint64)
