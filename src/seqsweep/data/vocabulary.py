"""Splits texts into symbols, and turns symbols into indices of a vocabulary.

N texts, or B new texts without labels; T symbols of the longest, S symbols of all texts together.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from seqsweep.data.checks import Float32, Floats, Int64
from seqsweep.data.padding import join_padded, padded
from seqsweep.text import short

Tokens = Literal["characters", "words"]

PADDING, UNKNOWN = "<pad>", "<unknown>"
"""The symbols with the indices 0 and 1. No symbol of a text is equal to one of these two."""

_WORD = re.compile(r"\w+|[^\w\s]")
"""A word or a number, or a single sign such as a comma."""


@dataclass(frozen=True)
class Vocabulary:
    """Splits texts into symbols, and turns the symbols into indices.

    Args:
        symbols: each symbol's position is its index; the first two are padding and unknown.
        tokens: `characters`; or `words`: words, numbers and single signs, without white space.
        lower: whether to convert texts to small letters.
        max_length: the number of symbols after which a text is cut; None cuts nothing.
        min_count: a symbol is known if it occurs at least this often in train.
        max_symbols: the number of most frequent symbols in train to keep; None keeps all.
    """

    symbols: tuple[str, ...] = (PADDING, UNKNOWN)
    tokens: Tokens = "characters"
    lower: bool = False
    max_length: int | None = None
    min_count: int = 1
    max_symbols: int | None = None

    def __len__(self) -> int:
        return len(self.symbols)

    def split(self, text: str) -> Sequence[str]:
        """Returns the symbols of a text, not cut to `max_length`.

        >>> Vocabulary(tokens="words", lower=True).split("It's 9 o'clock.")
        ['it', "'", 's', '9', 'o', "'", 'clock', '.']
        """
        folded = text.lower() if self.lower else text
        return folded if self.tokens == "characters" else _WORD.findall(folded)

    def of(self, texts: Iterable[str]) -> Self:
        """Returns the vocabulary of the symbols before `max_length`, sorted."""
        found: set[str] = set()
        for text in texts:
            found.update(self.split(text)[: self.max_length])
        return replace(self, symbols=(PADDING, UNKNOWN, *sorted(found)))

    def encode(self, texts: Sequence[str], place: Callable[[int], str]) -> tuple[Float32, Int64]:
        """Returns the indices (N, T, 1), padded with 0, and lengths (N,)."""
        known = {symbol: index for index, symbol in enumerate(self.symbols)}
        rows = list[Float32]()
        for index, text in enumerate(texts):
            symbols = self.split(text)[: self.max_length]
            if not symbols:
                problem = f"has no {self.tokens}; leave it out, or give it a text"
                raise ValueError(f"{place(index)}: {text!r} {problem}")
            rows.append(np.array([known.get(symbol, 1) for symbol in symbols], np.float32))
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        return join_padded(np.concatenate(rows)[:, None], lengths), lengths

    def fitted(self, indices: Floats) -> tuple[Self, Float32]:
        """Returns a vocabulary of the frequent symbols in train, and all new indices.

        `indices` (S,) are the symbols of the training texts. Item i of the array is the new index
        of the symbol with index i; it is 1 (unknown) if the symbol is not kept.
        """
        counts = np.bincount(indices.astype(np.int64), minlength=len(self))
        kept = [i for i in range(2, len(self)) if counts[i] >= self.min_count]
        # Symbols with equal counts are ordered by their text, so that the order is unique.
        kept.sort(key=lambda i: (-counts[i], self.symbols[i]))
        if self.max_symbols is not None:
            del kept[self.max_symbols :]
        moved = np.ones(len(self), dtype=np.float32)
        moved[0] = 0
        moved[kept] = np.arange(2, len(kept) + 2)
        names = (PADDING, UNKNOWN, *(self.symbols[i] for i in kept))
        return replace(self, symbols=names), moved

    def plain(self) -> dict[str, Any]:
        """Returns the vocabulary as plain values, for a checkpoint."""
        return {**vars(self), "symbols": list(self.symbols)}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> Self:
        """Restores a vocabulary from the values of `plain`."""
        return replace(cls(**values), symbols=tuple(values["symbols"]))


def encoded(vocabulary: Vocabulary, x: Any, lengths: Any) -> tuple[Float32, Int64]:
    """Returns the indices (B, T, 1) of texts, and their lengths.

    Args:
        x: texts; or indices (B, T, 1) of the vocabulary's symbols, which may have lengths (B,).
    """
    if isinstance(x, np.ndarray) and x.dtype.kind in "iuf":
        values, steps = padded(x, lengths)
        valid = np.arange(values.shape[1]) < steps[:, None]
        values = np.where(valid[:, :, None], values, 0)
        if values.shape[2] != 1 or not np.isin(values, np.arange(len(vocabulary))).all():
            known = f"indices (B, T, 1) of the {len(vocabulary)} symbols of the run"
            raise ValueError(f"x: must be texts, or {known}")
        return values.astype(np.float32), steps
    texts = [] if isinstance(x, str) else list(x)
    if not texts or not all(isinstance(one, str) for one in texts):
        got = f"got {type(x).__name__} {short(x)}"
        raise TypeError(f"x: must be a list of texts, because the run reads texts; {got}")
    if lengths is not None:
        raise ValueError("lengths: must be left out with texts, which have their own")
    return vocabulary.encode(texts, lambda index: f"x[{index}]")
