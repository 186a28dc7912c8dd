"""Reads a search's space (values by key) from Hydra's own syntax of sweeps."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from seqsweep.config.shape.axes import swept_values
from seqsweep.extras.search.searchfile import Choice, Numbers, Space

_DIGITS = 4  # after the leading digit of a number, or of the interval's size


def overrides_of(space: Space, params: Mapping[str, Any]) -> list[str]:
    """Returns the params of a trial as overrides."""
    return [f"{key}={params[key]}" for key in space]


def value_at(numbers: Numbers | Choice, u: float) -> Any:
    """Returns the value at the position `u` between 0 (the first value) and 1 (the last value).

    Each choice has an equal part of the positions. Each whole number and each step has an equal
    part, too, unless the numbers are logarithmic.
    """
    if isinstance(numbers, Choice):
        return numbers.choices[min(int(u * len(numbers.choices)), len(numbers.choices) - 1)]
    half = (numbers.step or 1.0) / 2 if numbers.is_discrete else 0.0
    scale = math.log if numbers.log else float
    low, high = scale(numbers.low - half), scale(numbers.high + half)
    value = low + (high - low) * u
    value = math.exp(value) if numbers.log else value
    if not numbers.is_discrete:
        return rounded(numbers, value)
    step = numbers.step or 1.0
    index = math.floor((value - numbers.low) / step + 0.5)
    last = round((numbers.high - numbers.low) / step)
    value = numbers.low + step * min(max(index, 0), last)
    return round(value) if numbers.integer else value


def rounded(numbers: Numbers | Choice, value: Any) -> Any:
    """Returns a real number with the digits that its interval needs.

    Runs and tables then have `lr=0.067703` instead of 17 digits. Whole numbers, steps and choices
    stay as they are.
    """
    if isinstance(numbers, Choice) or numbers.is_discrete:
        return value
    # In a logarithmic interval, the needed digits depend on the number itself.
    size = abs(value) if numbers.log else numbers.high - numbers.low
    digits = _DIGITS - math.floor(math.log10(size))
    return min(max(round(float(value), digits), numbers.low), numbers.high)


def parse(arguments: Sequence[str], parser: OverridesParser) -> tuple[list[str], Space]:
    """Separates overrides with one value from the space of a search.

    `interval(a,b)`, `int(interval(a,b))`, `tag(log,interval(a,b))` and `range(a,b)` are numbers;
    `a,b,c` and `choice(a,b,c)` are choices. The last override of a key counts.

    Raises:
        HydraException: an override is not valid, for example with an empty interval.
    """
    fixed: dict[str, str] = {}
    space: dict[str, Numbers | Choice] = {}
    for override in parser.parse_overrides(list(arguments)):
        key = override.get_key_element()
        fixed.pop(key, None)
        space.pop(key, None)
        if not override.is_sweep_override():
            fixed[key] = override.input_line or f"{key}={override.get_value_element_as_str()}"
        else:
            space[key] = _values(override)
    return list(fixed.values()), space


def _values(override: Override) -> Numbers | Choice:
    swept = override.value()
    if isinstance(swept, IntervalSweep):
        return _interval(swept, override)
    if isinstance(swept, RangeSweep):
        values = [float(value) for value in swept_values(override)]
        is_integer = all(value.is_integer() for value in values)
        step = abs(float(swept.step))
        log = _is_log(swept.tags, min(values), override)
        return Numbers(min(values), max(values), log, is_integer, None if step == 1 else step)
    return Choice(swept_values(override))


def _interval(swept: IntervalSweep, override: Override) -> Numbers:
    assert swept.start is not None and swept.end is not None
    low, high = float(swept.start), float(swept.end)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise HydraException(f"{override.input_line}: the first number must be below the second")
    # `int(interval(...))` casts the bounds; in Hydra this means that all values are integers.
    is_integer = isinstance(swept.start, int) and isinstance(swept.end, int)
    return Numbers(low, high, _is_log(swept.tags, low, override), is_integer)


def _is_log(tags: set[str], low: float, override: Override) -> bool:
    unknown = tags - {"log"}
    if unknown:
        raise HydraException(f"{override.input_line}: tag {min(unknown)!r}: must be log")
    if "log" in tags and low <= 0:
        raise HydraException(f"{override.input_line}: with the tag log, numbers must be above 0")
    return "log" in tags
