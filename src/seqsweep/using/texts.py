"""Prepares new texts for a network that was trained on texts.

B texts, T symbols of the longest.
"""

from typing import Any

import numpy as np

from seqsweep.data.checks import Float32
from seqsweep.data.padding import padded
from seqsweep.data.vocabulary import Lengths, Vocabulary


def encoded(vocabulary: Vocabulary, x: Any, lengths: Any) -> tuple[Float32, Lengths]:
    """Returns the indices (B, T, 1) of a list of texts, and their lengths (B,).

    Args:
        x: a list of texts; or indices (B, T, 1) of the vocabulary's symbols.
        lengths: (B,) of indices; None for texts.

    Raises:
        ValueError, TypeError: x is neither, a text has no symbols, or there are lengths of texts.
    """
    if isinstance(x, np.ndarray) and x.dtype.kind in "iuf":
        return _checked(vocabulary, x, lengths)
    if isinstance(x, str):
        raise TypeError("x: must be a list of texts, got one text")
    texts = list(x)
    for index, one in enumerate(texts):
        if not isinstance(one, str):
            kind = type(one).__name__
            raise TypeError(f"x[{index}]: must be a text, because the run reads texts; got {kind}")
    if not texts:
        raise ValueError("x: must be at least one text")
    if lengths is not None:
        raise ValueError("lengths: must be left out with texts, which have their own")
    return vocabulary.encode(texts, lambda index: f"x[{index}]")


def _checked(vocabulary: Vocabulary, x: Any, lengths: Any) -> tuple[Float32, Lengths]:
    """Returns indices as they are, with 0 for padding."""
    values, steps = padded(x, lengths)
    valid = np.arange(values.shape[1]) < steps[:, None]
    values = np.where(valid[:, :, None], values, 0)
    is_wrong = (values != np.floor(values)) | (values < 0) | (values >= len(vocabulary))
    if is_wrong.any() or values.shape[2] != 1:
        raise ValueError(
            f"x: must be texts, or indices (B, T, 1) of the {len(vocabulary)} symbols of the run"
        )
    return values.astype(np.float32), steps
