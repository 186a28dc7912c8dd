"""Raw sequences without labels, as one padded array.

B sequences, T time steps, F features (channels).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import Array, as_array, check_lengths
from seqsweep.data.raw import join_padded


def padded(
    x: npt.ArrayLike | Sequence[npt.ArrayLike], lengths: npt.ArrayLike | None
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Returns values (B, T, F) and lengths (B,), cut to the longest sequence.

    Args:
        x: (B, T, F), or (B, T) for one channel; or a list of B sequences (T, F) or (T,).
        lengths: (B,) valid steps of each sequence in an array; without them all T.

    Raises:
        ValueError, TypeError: with the argument, what it got and what is allowed.
    """
    # An array with lengths is padded already, so only a list without lengths holds single
    # sequences.
    if lengths is None and isinstance(x, Sequence) and not isinstance(x, str):
        rows = [_with_channels(_real(one), 1) for one in x]
        if not rows:
            raise ValueError("x: must be at least one sequence")
        if len({row.shape[1] for row in rows}) > 1:
            raise ValueError("x: all sequences must have the same number of channels")
        steps = np.array([len(row) for row in rows], dtype=np.int64)
        values = join_padded(np.concatenate(rows), steps)
    else:
        values = _with_channels(_real(x), 2)
        steps = np.full(len(values), values.shape[1], dtype=np.int64)
    if 0 in values.shape:
        raise ValueError(f"x has shape {values.shape}; no dimension may be 0")
    given = steps if lengths is None else lengths
    steps = check_lengths(given, len(values), values.shape[1], "x")
    # Steps beyond the longest sequence are padding, which the network need not compute.
    return values[:, : steps.max()], steps


def _real(x: Any) -> Array:
    return as_array(x, "x", "biuf", "real numbers", "x")


def _with_channels(values: Array, ndim: int) -> Array:
    """Returns the values with a last axis for the channels, after `ndim` other axes."""
    if values.ndim not in (ndim, ndim + 1):
        shapes = "(T, F) or (T,)" if ndim == 1 else "(B, T, F) or (B, T)"
        raise ValueError(f"x has shape {values.shape}; must be {shapes}")
    return values[..., None] if values.ndim == ndim else values
