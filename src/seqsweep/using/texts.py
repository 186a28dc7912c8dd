"""Prepares new texts for a network that was trained on texts.

B texts, T symbols of the longest.
"""

from typing import Any

from seqsweep.data.fitted import Float32
from seqsweep.data.vocabulary import Lengths, Vocabulary


def encoded(vocabulary: Vocabulary, x: Any, lengths: Any) -> tuple[Float32, Lengths]:
    """Returns the indices (B, T, 1) of a list of texts, and their lengths (B,).

    Args:
        x: what the user gave as texts.
        lengths: what the user gave as lengths.

    Raises:
        ValueError, TypeError: x is not a list of texts, a text has no symbols, or there are
            lengths.
    """
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
