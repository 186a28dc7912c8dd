"""Fits a vocabulary on the training split, and prepares new texts with a fitted one.

B texts, T symbols of the longest.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from seqsweep.data.checks import Float32, Int64
from seqsweep.data.raw import padded
from seqsweep.data.sequences import Splits
from seqsweep.data.vocabulary import Vocabulary

_MANY = 0.1
"""The share of unknown symbols in a split that is worth a note."""


def refuse_numeric_steps(standardize: bool, transforms: bool) -> None:
    """Refuses to scale or to transform texts, which would make numbers of names.

    Args:
        standardize: whether the config asks to scale the data.
        transforms: whether it asks for a transform.
    """
    if standardize:
        raise ValueError(
            "data.standardize=true: must be false for texts, because the index of a symbol is"
            " its name and not a size"
        )
    if transforms:
        raise ValueError(
            "data.transform: must be null for texts, because the index of a symbol is its name"
            " and not a size; data.source.max_length cuts texts"
        )


def in_fitted_symbols(splits: Splits) -> Splits:
    """Returns the splits in the indices of a vocabulary that train alone decides."""
    train = splits.train
    assert splits.vocabulary is not None
    fitted, moved = splits.vocabulary.fitted(train.x[train.valid][:, 0])
    parts = {
        name: replace(part, x=moved[part.x.astype(np.int64)]) for name, part in splits.parts.items()
    }
    notes = list(splits.notes)
    for name, part in parts.items():
        unknown = float((part.x[part.valid] == 1).mean())
        if unknown > _MANY:
            notes.append(f"{unknown:.0%} of the symbols in {name} are unknown")
    return replace(splits, **parts, notes=tuple(notes), vocabulary=fitted)


def encoded(vocabulary: Vocabulary, x: Any, lengths: Any) -> tuple[Float32, Int64]:
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


def _checked(vocabulary: Vocabulary, x: Any, lengths: Any) -> tuple[Float32, Int64]:
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
