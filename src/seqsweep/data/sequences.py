"""Labelled sequences of mixed lengths, which every source of data returns.

N sequences, T steps of the longest, F features (channels), C classes.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self, cast

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import (
    Array,
    Layout,
    as_array,
    batch_first,
    check_lengths,
    check_names,
    class_indices,
    finite_float32,
    label_array,
    label_names,
)
from seqsweep.data.fitted import Scaling
from seqsweep.data.lists import is_list_of_sequences, pad_list
from seqsweep.data.memory import check_memory
from seqsweep.data.precision import Units, in_units, units_for
from seqsweep.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Sequences:
    """N labelled sequences, padded with zeros to the same number of steps.

    Args:
        x: (N, T, F) float32. The constructor sets the steps after a sequence's length to zero.
        lengths: (N,) int64, each in 1..T.
        labels: (N,) int64, each a position in `class_names`.
        class_names: C names, which all splits of a data set share.
        channel_names: F names.
        units: zero point and unit of each channel, where plain float32 would lose differences; None
            where x holds the values themselves.
        digests: (N,) a hash of each sequence as its source gave it; None computes them. Filling in
            and scaling keep them.
        groups: (N,) int64; sequences of one group never straddle a split. They are numbered by
            first appearance: their names decide nothing. None where every sequence stands alone.
    """

    x: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    units: Units | None = None
    digests: npt.NDArray[np.uint64] | None = None
    groups: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count, longest, channels = self.x.shape
        assert self.x.dtype == np.float32 and count > 0 and channels == len(self.channel_names)
        assert self.lengths.dtype == np.int64 and self.labels.dtype == np.int64
        assert self.lengths.shape == self.labels.shape == (count,)
        assert self.groups is None or self.groups.shape == (count,)
        assert self.lengths.min() >= 1 and self.lengths.max() <= longest
        assert self.labels.min() >= 0 and self.labels.max() < len(self.class_names)
        if self.x[~self.valid].any():  # NaN counts as not zero
            zeroed = np.where(self.valid[:, :, None], self.x, np.float32(0))
            object.__setattr__(self, "x", zeroed)
        # They are computed before filling in and scaling, so that the overlap of splits is that of
        # the raw data.
        if self.digests is None:
            object.__setattr__(self, "digests", _digests(self.x, self.lengths))

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        shortest, longest = int(self.lengths.min()), int(self.lengths.max())
        steps = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
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
    def valid(self) -> npt.NDArray[np.bool_]:
        """The mask (N, T): True at the steps of a sequence, False at its padding."""
        return np.arange(self.max_length) < self.lengths[:, None]

    def select(self, index: npt.ArrayLike) -> Self:
        """Returns the sequences at the given positions, in that order, padded to T steps."""
        rows = np.asarray(index)
        assert rows.ndim == 1 and rows.dtype.kind in "iu", "select takes a vector of positions"
        assert self.digests is not None
        return replace(
            self,
            x=self.x[rows],
            lengths=self.lengths[rows],
            labels=self.labels[rows],
            digests=self.digests[rows],
            groups=None if self.groups is None else self.groups[rows],
        )

    def in_memory(self) -> "Sequences":
        """Returns the sequences with all values in memory."""
        return self

    def fingerprint(self) -> str:
        """Returns the sha256 (hex) of the values, lengths, labels and names, without padding."""
        digest = hashlib.sha256(self.fingerprint_head())
        digest.update(self.x[self.valid].astype("<f4").tobytes())
        return digest.hexdigest()

    def fingerprint_head(self) -> bytes:
        """Returns what a fingerprint hashes before the values."""
        head: list[Any] = [len(self), self.input_size, "<f4", self.class_names, self.channel_names]
        if self.units is not None:
            head += [self.units.zero.tolist(), self.units.one.tolist()]
        if self.groups is not None:
            head.append(self.groups.tolist())
        # The byte order is fixed, so that a fingerprint is the same on every machine.
        lengths, labels = self.lengths.astype("<i8"), self.labels.astype("<i8")
        return json.dumps(head).encode() + lengths.tobytes() + labels.tobytes()


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of a data set, which share channels and class names.

    Each of the `notes` is a line for the user of the data, such as a key of the file that is not
    used. The commands print them. `scaling` is what `prepare` has fitted on train. With a
    `vocabulary`, x holds indices of its symbols.
    """

    train: Sequences
    val: Sequences | None = None
    test: Sequences | None = None
    notes: tuple[str, ...] = ()
    scaling: Scaling | None = None
    vocabulary: Vocabulary | None = None

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

    @property
    def input_size(self) -> int:
        return self.train.input_size

    @property
    def num_classes(self) -> int:
        return self.train.num_classes

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.train.class_names

    def fingerprint(self) -> str:
        """Returns the sha256 (hex) of the content of all three splits."""
        parts = (self.train, self.val, self.test)
        prints: list[Any] = [None if part is None else part.fingerprint() for part in parts]
        if self.vocabulary is not None:  # other symbols may have the same indices
            prints.append(self.vocabulary.symbols)
        return hashlib.sha256(json.dumps(prints).encode()).hexdigest()


def _width(sequences: Sequences) -> str:
    """Returns the numbers of channels and of classes in words."""
    channels = sequences.input_size
    return f"{channels} channel{'s' * (channels > 1)}, {sequences.num_classes} classes"


class RawPart(NamedTuple):
    """One split as read from a file, before `make_sequences` checks it.

    Attributes:
        labels: (N,); None where the file has none, which only a prediction accepts.
        ids: (N,) the names that the file gives its sequences.
        groups: (N,) sequences of one group never straddle a split.
    """

    x: Array
    labels: Array | None
    lengths: Array | None
    where: str
    ids: Array | None = None
    groups: Array | None = None

    def needed_labels(self) -> Array:
        """Returns the labels (N,).

        Raises:
            ValueError: there are none.
        """
        if self.labels is None:
            raise ValueError(f"{self.where}: has no labels; training needs one for each sequence")
        return self.labels


def make_sequences(
    x: npt.ArrayLike | Sequence[npt.ArrayLike],
    labels: npt.ArrayLike,
    lengths: npt.ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    channel_names: Sequence[str] | None = None,
    layout: Layout = "batch_first",
    units: Units | None = None,
    groups: npt.ArrayLike | None = None,
    where: str = "the arrays",
) -> Sequences:
    """Checks raw arrays and turns them into `Sequences`.

    Args:
        x: (N, T, F), or (N, T) for one channel; any real type. NaN marks a missing value. Or a list
            of N sequences (T, F) or (T,) that differ in T, whose lengths are not given.
        labels: (N,) whole numbers, strings, bytes or booleans. Whole numbers are positions in
            `class_names` where these are given and none of them is a number itself.
        lengths: (N,) integers in 1..T; without them every sequence has T steps.
        class_names: the possible labels, in the order of the class indices; without them, the
            labels that occur (see `label_names`).
        layout: `time_first` where x is (T, N, F) or (T, N), `channels_first` where it is (N, F, T),
            or each sequence of a list (F, T).
        units: those of the train split, for another split of the same data; without them they are
            chosen so that float32 keeps every channel.
        groups: (N,) names or numbers; where a split is cut, sequences of one group stay together.
        where: begins every error message; for instance the name of the file.

    Raises:
        ValueError, TypeError: names the argument, its value, what is allowed, and the place.
    """
    targets = label_array(labels, where)
    if is_list_of_sequences(x):
        if lengths is not None:
            raise ValueError(
                f"{where}: x is a list of sequences of different shapes, which have their own"
                " lengths; leave out lengths, or give x as one padded array"
            )
        x, lengths = pad_list(cast(Sequence[npt.ArrayLike], x), layout, where)
        layout = "batch_first"
    values = as_array(cast(npt.ArrayLike, x), "x", "biuf", "real numbers", where)
    values = batch_first(values, len(targets), layout, where)
    count, longest, channels = values.shape
    steps = np.full(count, longest, dtype=np.int64)
    if lengths is not None:
        other = channels if layout == "batch_first" else 0
        steps = check_lengths(lengths, count, longest, where, channels=other)
        values = values[:, : steps.max()]  # padding beyond the longest sequence is dropped
    classes = label_names(targets, where=where) if class_names is None else tuple(class_names)
    check_names("class_names", classes, where)
    if len(classes) < 2:
        raise ValueError(f"{where}: there is only one class, {classes}; expected two or more")
    default = [f"channel_{i}" for i in range(channels)]
    named = tuple(default if channel_names is None else channel_names)
    check_names("channel_names", named, where)
    if len(named) != channels:
        raise ValueError(f"{where}: {len(named)} channel_names for {channels} channels of x")
    # The rounded values show which channels float32 cannot hold; only these get units.
    valid = np.arange(values.shape[1]) < steps[:, None]
    rounded = finite_float32(values, valid, where)
    units = units_for(values, rounded, valid) if units is None else units
    return Sequences(
        x=rounded if units is None else in_units(values, rounded, valid, units),
        lengths=steps,
        labels=class_indices(targets, classes, where),
        class_names=classes,
        channel_names=named,
        units=units,
        groups=None if groups is None else _group_indices(groups, len(targets), where),
    )


def _group_indices(groups: npt.ArrayLike, count: int, where: str) -> npt.NDArray[np.int64]:
    """Returns the groups (N,) numbered by first appearance."""
    names = np.asarray(groups)
    if names.shape != (count,):
        raise ValueError(f"{where}: groups has shape {names.shape}; must be ({count},)")
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(str(name), len(numbers)) for name in names], dtype=np.int64)


def make_splits(
    parts: Mapping[str, RawPart],
    *,
    class_names: tuple[str, ...] | None = None,
    channel_names: tuple[str, ...] | None = None,
    layout: Layout = "batch_first",
) -> Splits:
    """Checks the splits and gives them common class indices; keys are train, val, test."""
    labels = {split: part.needed_labels() for split, part in parts.items()}
    if class_names is None:
        names = [label_names(labels[split], where=part.where) for split, part in parts.items()]
        # The labels of all splits count, because a class may be missing in one of them.
        class_names = label_names(*names)
    # The parts begin with train, whose units the other splits take.
    made: dict[str, Sequences] = {}
    for split, part in parts.items():
        made[split] = make_sequences(
            part.x,
            labels[split],
            part.lengths,
            class_names=class_names,
            channel_names=channel_names,
            layout=layout,
            units=made["train"].units if split != "train" else None,
            groups=part.groups,
            where=part.where,
        )
        if made[split].input_size != made["train"].input_size:
            raise ValueError(
                f"{part.where}: {made[split].input_size} channels, but"
                f" {parts['train'].where} has {made['train'].input_size}; both must be equal"
            )
    return Splits(made["train"], made.get("val"), made.get("test"))


def _digests(x: npt.NDArray[np.float32], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    rows = zip(np.ascontiguousarray(x), lengths.tolist(), strict=True)
    return digests_of(row[:length] for row, length in rows)


def digests_of(sequences: Iterable[npt.NDArray[np.float32]]) -> npt.NDArray[np.uint64]:
    """Returns the first eight bytes of the hash of each sequence (t, F), (N,).

    Among a million sequences, two agree by chance once in 4e7 data sets.
    """
    digests = (hashlib.blake2b(values.data, digest_size=8).digest() for values in sequences)
    return np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)


def join_padded(rows: Array, lengths: npt.NDArray[np.int64]) -> Array:
    """Pads sequences that are stored one after the other: (S, F) to (N, T, F)."""
    longest = int(lengths.max())
    size = len(lengths) * longest * rows[:1].nbytes
    check_memory(size, "the data", f"{len(lengths):,} sequences, padded to {longest:,} steps,")
    padded = np.zeros((len(lengths), longest, *rows.shape[1:]), dtype=rows.dtype)
    padded[np.arange(longest) < lengths[:, None]] = rows
    return padded
