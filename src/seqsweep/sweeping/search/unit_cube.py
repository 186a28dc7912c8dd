"""Maps the values of a space to numbers from 0 to 1 and back."""

import math
from typing import Any

from seqsweep.sweeping.search.space import Choice, Numbers

_DIGITS = 4


def value_at(numbers: Numbers | Choice, u: float) -> Any:
    """Returns the value of a key at a place from 0 (the first or lowest) to 1 (the last).

    Equal parts of the interval from 0 to 1 belong to each choice, and to each whole number unless
    they are distributed by their logarithm.
    """
    if isinstance(numbers, Choice):
        return numbers.values[min(int(u * len(numbers.values)), len(numbers.values) - 1)]
    if not _is_discrete(numbers):
        low, high = _scaled(numbers, numbers.low), _scaled(numbers, numbers.high)
        value = low + (high - low) * u
        return rounded(numbers, math.exp(value) if numbers.log else value)
    step, half = numbers.step or 1.0, (numbers.step or 1.0) / 2
    low, high = _scaled(numbers, numbers.low - half), _scaled(numbers, numbers.high + half)
    value = low + (high - low) * u
    value = math.exp(value) if numbers.log else value
    index = math.floor((value - numbers.low) / step + 0.5)
    last = round((numbers.high - numbers.low) / step)
    value = numbers.low + step * min(max(index, 0), last)
    return round(value) if numbers.is_integer else value


def place_of(numbers: Numbers, value: float) -> float:
    """Returns the place from 0 to 1 at which `value_at` finds a value."""
    half = (numbers.step or 1.0) / 2 if _is_discrete(numbers) else 0.0
    low, high = _scaled(numbers, numbers.low - half), _scaled(numbers, numbers.high + half)
    return (_scaled(numbers, value) - low) / (high - low)


def rounded(numbers: Numbers | Choice, value: Any) -> Any:
    """Returns a real number with as many digits as distinguish 10,000 parts of its interval.

    Whole numbers, steps and choices stay as they are.
    """
    if isinstance(numbers, Choice) or _is_discrete(numbers):
        return value
    # The parts of a logarithmic interval are as small as the number is.
    size = abs(value) if numbers.log else numbers.high - numbers.low
    digits = _DIGITS - math.floor(math.log10(size))
    return min(max(round(float(value), digits), numbers.low), numbers.high)


def _is_discrete(numbers: Numbers) -> bool:
    return numbers.is_integer or numbers.step is not None


def _scaled(numbers: Numbers, value: float) -> float:
    return math.log(value) if numbers.log else value
