"""Crops, downsamples and frames padded sequences, as functions of arrays.

N sequences, T steps, F features (channels). Every function takes and returns x (N, T, F), which is
0 at its padding, and lengths (N,). The type of x stays: float32 or float64. No result depends on
the amount of padding or on the other sequences.
"""

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import Floats, Mask

Lengths = npt.NDArray[np.int64]


def cropped(x: Floats, lengths: Lengths, first: int, last: int | None) -> tuple[Floats, Lengths]:
    """Keeps the steps from `first` up to `last`, which is not kept.

    Every sequence must have a step there.
    """
    ends = lengths if last is None else np.minimum(lengths, last)
    kept = ends - first
    assert kept.min() >= 1
    return x[:, first : first + kept.max()], kept


def downsampled(x: Floats, lengths: Lengths, size: int) -> tuple[Floats, Lengths]:
    """Replaces each `size` steps by their mean; the last mean may be of fewer steps.

    A missing value (NaN) has no weight. The result is missing where all steps are.
    """
    count, longest, features = x.shape
    means = -(-longest // size)
    total = np.zeros((count, means, features))
    weights = np.zeros((count, means, features), dtype=np.int64)
    # The steps of a block are added one by one, so that the order of the sum is always the same.
    for offset in range(min(size, longest)):
        step = x[:, offset::size]
        steps = np.arange(offset, longest, size)
        present = ~np.isnan(step) & (steps < lengths[:, None])[:, :, None]
        total[:, : len(steps)] += np.where(present, step, 0)
        weights[:, : len(steps)] += present
    shorter = -(-lengths // size)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, as it should be
        result = (total / weights).astype(x.dtype)
    return _zeroed(result, shorter), shorter


def framed(x: Floats, lengths: Lengths, size: int) -> tuple[Floats, Lengths]:
    """Makes each `size` steps one step of `size * F` channels, in the order of the steps.

    Where the last steps of a sequence do not fill a frame, its last step is repeated.
    """
    count, longest, features = x.shape
    frames = -(-longest // size)
    # Repeating the last step needs no value from elsewhere, and no jump that the data do not have.
    index = np.minimum(np.arange(frames * size), lengths[:, None] - 1)  # (N, frames * size)
    steps = np.take_along_axis(x, index[:, :, None], axis=1)
    fewer = -(-lengths // size)
    return _zeroed(steps.reshape(count, frames, size * features), fewer), fewer


def _zeroed(x: Floats, lengths: Lengths) -> Floats:
    """Returns x with zeros at its padding."""
    valid: Mask = np.arange(x.shape[1]) < lengths[:, None]
    return x if valid.all() else np.where(valid[:, :, None], x, np.float32(0))
