"""Doubts that data were read as they were meant, for `data info`. Imports no torch.

N sequences, T steps, S steps of all sequences together, F features (channels).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqsweep.data.checks import Int64, Mask
from seqsweep.data.folders import class_in_names, packed_twice
from seqsweep.data.guesses import guesses
from seqsweep.data.info import Info
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.text import count, listed

_MANY = 100
"""The fewest short sequences that are a reason to doubt."""

_SHORT = 5
"""The steps of a sequence that is shorter than a recording usually is."""

_LARGE = 1e12
"""Values from here on are times in nanoseconds, or codes."""

_FAR = 30
"""The distance of a far recording from the median, in median distances of all recordings."""

_MOST_ROWS = 500_000
"""The rows in which overlapping copies are looked for, which takes a second."""

_RUN = 8
"""The rows that two recordings share by chance are fewer."""


class Doubt(NamedTuple):
    """A reason why data may have been read wrongly, and options that read them otherwise."""

    reason: str
    options: dict[str, Any]  # of `data.source`; empty if no other reading is known
    is_grave: bool = True  # whether this reading is not proposed


def doubts(splits: Splits, info: Info, source: Mapping[str, Any]) -> list[Doubt]:
    """Returns the doubts about data of a file or a folder.

    Args:
        source: the section `data.source`.
    """
    if splits.vocabulary is not None:  # a text has symbols, and no channels
        return []
    found = [*_of_columns(splits, info, source), *_of_recordings(splits.train)]
    if source.get("path") and (folder := Path(source["path"]).expanduser()).is_dir():
        pattern = class_in_names(folder)
        if pattern and not source.get("pattern") and not source.get("labels"):
            reason = "the files of all folders have equal names: are the folders subjects?"
            found.append(Doubt(reason, {"pattern": pattern}))
        if twice := packed_twice(folder):
            found.append(Doubt(f"{listed(twice)} beside the same name without .gz", {}))
    if info.contradictions:
        equal = f"{count(info.contradictions, 'sequence')} have equal values and different labels"
        found.append(Doubt(equal, {}))
    return found


def _of_columns(splits: Splits, info: Info, source: Mapping[str, Any]) -> Iterator[Doubt]:
    """Yields doubts that columns are what they were taken for."""
    train = splits.train
    is_table = "features" in source
    guessed = guesses(source["path"], source) if is_table else []
    other = {k: v for one in guessed if one.sure == "likely" for k, v in one.options.items()}
    for guess in guessed:
        if guess.sure == "doubtful":
            yield Doubt(guess.why, guess.options, is_grave=False)
    if len(train) >= _MANY and train.max_length <= _SHORT:
        sizes = f"{len(train):,} sequences of at most {count(train.max_length, 'step')}"
        yield Doubt(f"{sizes}: is a row a step of a longer recording?", other)
    large = [c.name for c in info.channels if max(abs(c.min or 0), abs(c.max or 0)) >= _LARGE]
    # A clock increases with each step of each sequence.
    rises = ((np.diff(train.x, axis=1) > 0) | ~train.valid[:, 1:, None]).all(axis=(0, 1))
    is_long_enough = train.max_length >= _MANY // 10
    rising = [train.channel_names[f] for f in np.flatnonzero(rises & is_long_enough)]
    clocks = [name for name in rising if name not in large]
    still = [c.name for c in info.channels if c.is_constant and c.missing < train.num_steps]
    for names, what in (
        (large, f"has values of {_LARGE:g} and more, as times in nanoseconds do"),
        (clocks, "rises in every recording, as a clock does"),
        (still, "never changes"),
    ):
        if names:
            left = [name for name in train.channel_names if name not in names]
            is_long = is_table and source.get("form") != "wide" and left
            is_step = names[0] in rising and source.get("step") is None
            options = {"step": names[0]} if is_step else {"features": left}
            yield Doubt(f"channel {listed(names)} {what}", options if is_long else {})


def _of_recordings(train: Sequences) -> Iterator[Doubt]:
    """Yields doubts about single recordings: one far from all others, and overlapping copies."""
    mean = train.x.sum(axis=1) / train.lengths[:, None]
    away = np.abs(mean - np.median(mean, axis=0))
    is_far = (away > _FAR * np.median(away, axis=0)) & (np.median(away, axis=0) > 0)
    far = np.flatnonzero(is_far.any(axis=1))
    if len(train) >= 5 and len(far) == 1:
        channel = train.channel_names[int(is_far[far[0]].argmax())]
        yield Doubt(f"sequence {far[0]} is far from all others in channel {channel}", {})
    # Within a group, as of a person, overlap does no harm.
    first = int(np.searchsorted(np.cumsum(train.lengths), _MOST_ROWS)) + 1
    some = train.select(np.arange(min(first, len(train))))
    copies = _overlapping(some) if train.groups is None else np.zeros(0, np.bool_)
    if copies.any():
        number = f"{count(int(copies.sum()), 'sequence')} of {len(some):,}"
        yield Doubt(f"{number} repeat rows of another: are they copies, or cut with overlap?", {})


def _overlapping(train: Sequences) -> Mask:
    """Returns which sequences share half of their runs of rows with another, (N,)."""
    of, rows = np.nonzero(train.valid)
    values = np.ascontiguousarray(train.x[of, rows])
    _, code = np.unique(values.view(f"V{values.strides[0]}").ravel(), return_inverse=True)
    starts = np.flatnonzero(of[: 1 - _RUN] == of[_RUN - 1 :])
    runs = code[starts[:, None] + np.arange(_RUN)]
    moves = (runs != runs[:, :1]).any(axis=1)
    runs, owner = np.ascontiguousarray(runs[moves]), of[starts][moves]
    if not len(runs):
        return np.zeros(len(train), np.bool_)
    _, run = np.unique(runs.view(f"V{runs.strides[0]}").ravel(), return_inverse=True)
    pairs = np.unique(np.stack([run, owner]), axis=1)
    is_shared = np.bincount(pairs[0])[run] > 1
    total: Int64 = np.bincount(owner, minlength=len(train))
    shared = np.bincount(owner, is_shared, minlength=len(train))
    # Equal sequences are counted as duplicates.
    _, number, times = np.unique(train.digests, return_inverse=True, return_counts=True)
    return (2 * shared >= total) & (total > 0) & (times[number] == 1)
