"""Fits the vocabulary of a data set on its training split."""

from dataclasses import replace

import numpy as np

from seqsweep.data.sequences import Splits
from seqsweep.data.vocabulary import Vocabulary

_MANY = 0.1
"""The share of unknown symbols in a split that is worth a note."""


def in_fitted_symbols(
    splits: Splits, vocabulary: Vocabulary, standardize: bool, where: str
) -> Splits:
    """Returns the splits in the indices of a vocabulary that train alone decides.

    Args:
        vocabulary: that of the splits.
        standardize: whether the config asks to scale the data.
        where: see `prepare`.

    Raises:
        ValueError: the config asks to scale, which would make numbers of names.
    """
    if standardize:
        raise ValueError(
            f"{where}.standardize=true: must be false for texts, because the index of a symbol is"
            " its name and not a size"
        )
    train = splits.train
    fitted, moved = vocabulary.fitted(train.x[train.valid][:, 0])
    parts = {
        name: replace(part, x=moved[part.x.astype(np.int64)]) for name, part in splits.parts.items()
    }
    notes = list(splits.notes)
    for name, part in parts.items():
        unknown = float((part.x[part.valid] == 1).mean())
        if unknown > _MANY:
            notes.append(f"{unknown:.0%} of the symbols in {name} are unknown")
    return replace(splits, **parts, notes=tuple(notes), vocabulary=fitted)
