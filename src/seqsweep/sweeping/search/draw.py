"""Draws configs at random from the space of a search."""

import hashlib

from seqsweep.sweeping.search.space import Space
from seqsweep.sweeping.search.unit_cube import value_at


def draw(space: Space, seed: int, number: int) -> dict[str, str]:
    """Returns a value of each key, as text for an override.

    Each value depends on the seed of the search, the number of the config and the key alone. So a
    larger population begins with the configs of a smaller one.

    >>> from seqsweep.sweeping.search.space import Numbers
    >>> draw({"optimizer.lr": Numbers(0.001, 0.1, log=True)}, seed=0, number=3)
    {'optimizer.lr': '0.069148'}
    """
    return {key: str(value_at(values, _share(seed, number, key))) for key, values in space.items()}


def _share(seed: int, number: int, key: str) -> float:
    """Returns a random number in [0, 1)."""
    # Unlike a generator of NumPy, a digest gives the same number in any version.
    digest = hashlib.sha256(f"{seed}/{number}/{key}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
