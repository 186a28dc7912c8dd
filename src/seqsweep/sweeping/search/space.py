"""The space of a search, given by the sweep overrides of Hydra's own syntax."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from seqsweep.config.grid import swept_values


@dataclass(frozen=True)
class Numbers:
    """All numbers of an interval.

    Attributes:
        low, high: the bounds; both belong to the interval.
        log: whether the logarithm is distributed evenly, instead of the number.
        is_integer: whether only whole numbers are meant.
        step: the distance of neighbours from `low`; None for 1, or for any number.
    """

    low: float
    high: float
    log: bool = False
    is_integer: bool = False
    step: float | None = None

    def described(self) -> dict[str, Any]:
        """Returns the interval as search.json has it."""
        return {
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "integer": self.is_integer,
            "step": self.step,
        }


@dataclass(frozen=True)
class Choice:
    """A list of values, as texts of overrides: `16`, `gru`, `[a,b]`."""

    values: Sequence[str]

    def described(self) -> dict[str, Any]:
        """Returns the choices as search.json has them."""
        return {"choices": list(self.values)}


Space = Mapping[str, Numbers | Choice]
"""The values of each searched key; the key is the left side of an override."""


def parse(arguments: Sequence[str], parser: OverridesParser) -> tuple[list[str], Space]:
    """Splits overrides into those with one value and the space of the others.

    `interval(a,b)`, `int(interval(a,b))`, `tag(log,interval(a,b))` and `range(a,b)` are numbers;
    `a,b,c` and `choice(a,b,c)` are choices. The last override of a key counts.

    Raises:
        HydraException: an override is not valid, or its interval is empty.
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
    # `int(interval(...))` casts the bounds, which is how Hydra says that integers are meant.
    is_integer = isinstance(swept.start, int) and isinstance(swept.end, int)
    return Numbers(low, high, _is_log(swept.tags, low, override), is_integer)


def _is_log(tags: set[str], low: float, override: Override) -> bool:
    unknown = tags - {"log"}
    if unknown:
        raise HydraException(f"{override.input_line}: tag {min(unknown)!r}: must be log")
    if "log" in tags and low <= 0:
        raise HydraException(f"{override.input_line}: with the tag log, numbers must be above 0")
    return "log" in tags
