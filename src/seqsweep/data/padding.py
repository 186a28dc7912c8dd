"""Pads sequences that differ in length.

N sequences, T steps of the longest, S steps of all together, F features (channels).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import Array, Int64, Layout, as_array, batch_first, check_lengths
from seqsweep.data.memory import check_memory


def padded(
    x: Any,
    lengths: npt.ArrayLike | None = None,
    count: int | None = None,
    layout: Layout = "batch_first",
    where: str = "x",
) -> tuple[Array, Int64]:
    """Returns values (N, T, F), cut to the longest sequence, and lengths (N,).

    Args:
        x: an array, or a list of N sequences (T, F) or (T,) of different lengths.
        lengths: (N,) the valid steps of each sequence in an array; None means T steps each.
        count: N, if it is known, as from labels.
        layout: the axes of x; in a list only `channels_first`, (F, T), differs.
        where: the beginning of every message.
    """
    if _is_list_of_sequences(x):
        if lengths is not None:
            problem = "x is a list of sequences of different shapes, which have their own"
            raise ValueError(f"{where}: lengths must be left out where {problem}")
        x, lengths = _pad_list(x, layout, where)
        layout = "batch_first"
    values = batch_first(as_array(x, "x", "biuf", "real numbers", where), count, layout, where)
    number, longest, _ = values.shape
    if lengths is None:
        return values, np.full(number, longest, dtype=np.int64)
    steps = check_lengths(lengths, number, longest, where)
    return values[:, : steps.max()], steps


def _is_list_of_sequences(x: Any) -> bool:
    """Returns whether x is a list or tuple whose items differ in shape."""
    try:
        return isinstance(x, list | tuple) and len({np.shape(item) for item in x}) > 1
    except ValueError:  # an item is ragged
        return True


def _pad_list(x: Sequence[npt.ArrayLike], layout: Layout, where: str) -> tuple[Array, Int64]:
    """Returns N sequences as x (N, T, F), padded with zeros, and lengths."""
    if layout == "time_first":
        problem = "x is a list of sequences, (T, F) each; must be batch_first or channels_first"
        raise ValueError(f"{where}: layout=time_first: {problem}")
    rows = list[Array]()
    for n, item in enumerate(x):
        row = as_array(item, "x", "biuf", "real numbers", f"{where}: sequence {n}")
        row = row[:, None] if row.ndim == 1 else row.T if layout == "channels_first" else row
        if row.ndim != 2 or 0 in row.shape:
            must = "must be (T, F) or (T,), without a dimension of 0"
            raise ValueError(f"{where}: sequence {n}: x has shape {np.shape(item)}; {must}")
        if rows and row.shape[1] != rows[0].shape[1]:
            raise ValueError(
                f"{where}: sequence {n} has {row.shape[1]} channels, but sequence 0 has"
                f" {rows[0].shape[1]}; both must be equal (layout={layout})"
            )
        rows.append(row)
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    return join_padded(np.concatenate(rows), lengths, where), lengths


def join_padded(rows: Array, lengths: Int64, where: str = "the data") -> Array:
    """Pads sequences that are stored one after the other, (S, F), to (N, T, F)."""
    longest = int(lengths.max())
    if longest == lengths.min():
        return rows.reshape(len(lengths), longest, *rows.shape[1:])
    size = len(lengths) * longest * rows[:1].nbytes
    check_memory(size, where, f"{len(lengths):,} sequences, padded to {longest:,} steps,")
    padded = np.zeros((len(lengths), longest, *rows.shape[1:]), dtype=rows.dtype)
    padded[np.arange(longest) < lengths[:, None]] = rows
    return padded
