"""Pads sequences that differ in length.

N sequences, B new sequences without labels, T steps of the longest sequence, S steps of all
sequences together, F features (channels).
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import Array, Int64, Layout, as_array, batch_first, check_lengths
from seqsweep.data.memory import check_memory


def is_list_of_sequences(x: Any) -> bool:
    """Returns whether x is a list or tuple whose items differ in shape."""
    try:
        return isinstance(x, list | tuple) and len({np.shape(item) for item in x}) > 1
    except ValueError:  # an item is ragged
        return True


def pad_list(x: Sequence[npt.ArrayLike], layout: Layout, where: str) -> tuple[Array, Int64]:
    """Returns N sequences as x (N, T, F), padded with zeros, and lengths."""
    if layout == "time_first":
        raise ValueError(
            f"{where}: layout=time_first: x is a list of sequences, (T, F) each; must be"
            " batch_first or channels_first"
        )
    rows = [_turned(item, layout, f"{where}: sequence {n}") for n, item in enumerate(x)]
    channels = rows[0].shape[1]
    for n, row in enumerate(rows):
        if row.shape[1] != channels:
            raise ValueError(
                f"{where}: sequence {n} has {row.shape[1]} channels, but sequence 0 has"
                f" {channels}; both must be equal (layout={layout})"
            )
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


def padded(
    x: npt.ArrayLike | Sequence[npt.ArrayLike], lengths: npt.ArrayLike | None
) -> tuple[Array, Int64]:
    """Returns values (B, T, F) and lengths (B,) of new sequences.

    Args:
        x: (B, T, F), or (B, T) for one channel; or a list of B sequences (T, F) or (T,).
        lengths: (B,) the valid steps of each sequence in an array; None means T steps each.
    """
    # With lengths, x is one padded array, which may be written as nested lists. Without lengths, a
    # list has one item for each sequence.
    if lengths is None and isinstance(x, Sequence) and not isinstance(x, str):
        if not x:
            raise ValueError("x: must be at least one sequence")
        values, steps = pad_list(x, "batch_first", "x")
    else:
        values = as_array(cast(npt.ArrayLike, x), "x", "biuf", "real numbers", "x")
        count = len(values) if values.ndim else 0
        values = batch_first(values, count, "batch_first", "x")
        steps = np.full(count, values.shape[1], dtype=np.int64)
    if lengths is not None:
        steps = check_lengths(lengths, len(values), values.shape[1], "x")
    # Steps beyond the longest sequence are only padding, so they are cut.
    return values[:, : steps.max()], steps


def _turned(item: npt.ArrayLike, layout: Layout, where: str) -> Array:
    """Returns one sequence as (T, F)."""
    values = as_array(item, "x", "biuf", "real numbers", where)
    if values.ndim not in (1, 2) or 0 in values.shape:
        must = "must be (T, F) or (T,), without a dimension of 0"
        raise ValueError(f"{where}: x has shape {values.shape}; {must}")
    if values.ndim == 1:
        return values[:, None]
    return values.T if layout == "channels_first" else values
