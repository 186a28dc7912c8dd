"""Cuts recordings into windows, after they are divided between the splits.

N recordings, T rows of the longest, M windows, W steps of a window, F features (channels).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seqsweep.data.checks import Array, Int64, Mask
from seqsweep.data.memory import check_memory
from seqsweep.data.sequences import Sequences, Splits, digests_of
from seqsweep.data.transforms import Transform
from seqsweep.errors import integer
from seqsweep.text import count

UNLABELLED = -1
"""The label of a row without one, and of a window with such a row."""


class Windows(NamedTuple):
    """The windows of some recordings, recording by recording."""

    recordings: Int64  # (M,) the position of each window's recording
    first: Int64  # (M,) the first row of each window
    rows: Int64  # (M,) the rows of each window, fewer than asked for in a shorter recording

    def select(self, kept: Mask) -> "Windows":
        """Returns the windows for which `kept` (M,) is True."""
        return Windows(*(column[kept] for column in self))


def windows_in(lengths: Int64, window: int, stride: int) -> Windows:
    """Returns the windows of recordings with so many rows (N,).

    The last rows, which fill no window, are left out. A shorter recording is kept whole.
    """
    counts = np.maximum(lengths - window, 0) // stride + 1
    recordings = np.repeat(np.arange(len(lengths)), counts)
    first = (np.arange(len(recordings)) - np.repeat(np.cumsum(counts) - counts, counts)) * stride
    return Windows(recordings, first, np.minimum(lengths[recordings], window))


def majority(labels: Int64, windows: Windows, classes: int) -> Int64:
    """Returns the label of most rows of each window, (M,).

    Of equally frequent labels it is that of the row nearest to the middle, of two equally near
    rows the earlier.

    Args:
        labels: (N, T) the label of each row, or UNLABELLED.
    """
    begins, flat = windows.recordings * labels.shape[1] + windows.first, labels.ravel()

    def rows_with(label: int) -> Int64:
        sums = np.append(0, np.cumsum(flat == label))
        return sums[begins + windows.rows] - sums[begins]

    counts = np.stack([rows_with(label) for label in range(classes)])
    is_most = counts == counts.max(axis=0)
    most, tied = is_most.argmax(axis=0), np.flatnonzero(is_most.sum(axis=0) > 1)
    step = 0
    # The rows of a window are tried from its middle outwards, until one has a tied label.
    while len(tied):
        rows, away = windows.rows[tied], (step + 1) // 2
        offset = (rows - 1) // 2 + np.where((rows + step) % 2, away, -away)
        most[tied] = flat[begins[tied] + offset]
        tied, step = tied[~is_most[most[tied], tied]], step + 1
    return np.where(rows_with(UNLABELLED) > 0, UNLABELLED, most)


def windows_of(x: Array, windows: Windows, transform: Transform) -> tuple[Array, Int64]:
    """Returns the windows of prepared recordings x (N, T, F), as (M, W, F), and their lengths.

    They are a view of x if they begin at equal distances, as those of one recording do.
    """
    size = transform.shaping.downsample * transform.shaping.frame  # the rows of one step of x
    steps = min((transform.window or 1) // size, x.shape[1])
    flat = np.ascontiguousarray(x).reshape(-1, x.shape[2])
    begins = windows.recordings * x.shape[1] + windows.first // size
    every = sliding_window_view(flat, steps, axis=0, writeable=True).swapaxes(1, 2)
    # The native engine reads rows that follow each other, so it makes a copy of a view.
    check_memory(len(begins) * every[0].nbytes, "data.transform.window", "the windows")
    distances = np.unique(np.diff(begins))
    lengths = -(-windows.rows // size)
    if len(distances) <= 1:
        return every[begins[0] : begins[-1] + 1 : int(distances.sum()) or 1], lengths
    return every[begins], lengths


def cut_windows(whole: Splits, prepared: Splits, transform: Transform, per_step: bool) -> Splits:
    """Cuts the prepared recordings of each split into windows.

    Args:
        whole: the splits before they were scaled, whose lengths are in rows.
        per_step: whether a window has the targets of all its rows, or else of its last row.
    """
    window = transform.window or 1
    longest = int(whole.train.lengths.max())
    reason = ", the rows of the longest training recording"
    integer("data.transform.window", window, 1, longest, reason)
    made = prepared.map(lambda name, part: _cut(name, part, whole.parts[name], transform, per_step))
    sizes = ", ".join(f"{len(part):,} in {name}" for name, part in made.parts.items())
    note = f"windows of {window} rows, every {transform.stride}: {sizes}"
    if short := sum(int((part.lengths < window).sum()) for part in whole.parts.values()):
        note += f"; {count(short, 'shorter recording')} kept whole"
    return replace(made, notes=(*made.notes, note))


def _cut(
    name: str, part: Sequences, whole: Sequences, transform: Transform, per_step: bool
) -> Sequences:
    """Returns the windows of a split, without those that lack a label or target."""
    windows = windows_in(whole.lengths, transform.window or 1, transform.stride)
    labels, targets = part.labels[windows.recordings], whole.targets
    if targets is not None and per_step:
        rows, _ = windows_of(targets.reshape(*whole.x.shape[:2], -1), windows, transform)
        targets = rows.reshape(*rows.shape[:2], *targets.shape[2:])
    elif targets is not None:
        last = (windows.first + windows.rows - 1,) if whole.is_per_step else ()
        targets = targets[(windows.recordings, *last)]
        is_known = np.isfinite(targets.sum(axis=1, dtype=np.float64))
        windows, targets, labels = windows.select(is_known), targets[is_known], labels[is_known]
    elif whole.row_labels is not None:
        labels = majority(whole.row_labels, windows, part.num_classes)
        windows, labels = windows.select(labels >= 0), labels[labels >= 0]
    if len(labels) == 0:
        raise ValueError(
            f"data.transform.window={transform.window}: no window of {name} has a label in all its"
            " rows, or a target in its last"
        )
    of, digests = windows.recordings, part.digests
    places = zip(digests[of].tolist(), *(one.tolist() for one in windows[1:]), strict=True)
    x, lengths = windows_of(part.x, windows, transform)
    return replace(
        part,
        x=x,
        lengths=lengths,
        labels=labels,
        digests=digests_of(repr(place).encode() for place in places),
        groups=None if part.groups is None else part.groups[of],
        recordings=digests[of],
        row_labels=None,
        targets=targets,
    )


def cut_by_time(splits: Splits, fractions: Mapping[str, float], window: int) -> Splits:
    """Cuts the end of each training recording off, as val and test.

    Args:
        fractions: the shares of val and test; 0 cuts none.
        window: the rows of a window, which each part must have.
    """
    train = splits.train
    shares = {name: fractions[name] for name in ("val", "test") if fractions[name]}
    cut = {name: np.rint(share * train.lengths).astype(np.int64) for name, share in shares.items()}
    sizes = {"train": train.lengths - sum(cut.values()), **cut}
    begin, parts = np.zeros(len(train), np.int64), dict[str, Sequences]()
    for name, rows in sizes.items():
        if (shortest := int(rows.min())) < window:
            n = int(rows.argmin())
            gets = f"recording {n} has {train.lengths[n]} rows, of which {name} gets {shortest}"
            must = f"must be at least {window}, the rows of a window"
            raise ValueError(f"data.split_by=time: {gets}; {must}")
        index = np.minimum(begin[:, None] + np.arange(rows.max()), train.lengths[:, None] - 1)
        by_row = ("x", "row_labels", "targets") if train.is_per_step else ("x", "row_labels")
        arrays = {key: getattr(train, key) for key in by_row}
        at = np.arange(len(train))[:, None], index
        changed = {key: array[at] for key, array in arrays.items() if array is not None}
        parts[name] = replace(train, lengths=rows, **changed, digests=None)
        begin = begin + rows
    ends = " and ".join(f"{share:.0%} for {name}" for name, share in shares.items()) or "train"
    note = f"split_by=time: each recording ends with {ends}; no window crosses a border"
    return replace(splits, notes=(*splits.notes, note), **parts)
