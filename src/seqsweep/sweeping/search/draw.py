"""Draws configs at random from the space of a search."""

import hashlib
import math

from seqsweep.sweeping.search.space import Choice, Numbers, Space

_DIGITS = 4
"""The significant digits of a drawn number, so that configs can be read and typed."""


def draw(space: Space, seed: int, number: int) -> dict[str, str]:
    """Returns a value of each key, as text for an override.

    Each value depends on the seed of the search, the number of the config and the key alone. So a
    larger population begins with the configs of a smaller one.

    >>> draw({"seed": Choice(["1", "2"]), "lr": Numbers(0.001, 0.1, log=True)}, seed=0, number=3)
    {'seed': '1', 'lr': '0.001126'}
    """
    drawn: dict[str, str] = {}
    for key, values in space.items():
        share = _share(seed, number, key)
        if isinstance(values, Choice):
            drawn[key] = values.values[int(share * len(values.values))]
        else:
            drawn[key] = str(_number(values, share))
    return drawn


def _share(seed: int, number: int, key: str) -> float:
    """Returns a random number in [0, 1)."""
    # Unlike a generator of NumPy, a digest gives the same number in any version.
    digest = hashlib.sha256(f"{seed}/{number}/{key}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _number(values: Numbers, share: float) -> int | float:
    """Returns the number at a share of an interval."""
    if values.is_integer:
        step = round(values.step or 1)
        count = (values.high - values.low) // step + 1
        value = _between(values.low, values.low + step * count, values.log, share)
        whole = int(values.low + (value - values.low) // step * step)
        return min(max(whole, int(values.low)), int(values.high))
    value = _between(values.low, values.high, values.log, share)
    if values.step is not None:
        value = values.low + round((value - values.low) / values.step) * values.step
    # Rounding must not leave the interval.
    return min(max(float(f"{value:.{_DIGITS}g}"), values.low), values.high)


def _between(low: float, high: float, log: bool, share: float) -> float:
    if log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)
