"""The keys of `data.transform`, and their checks. Nothing is fitted here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_args

from seqsweep.suggest import did_you_mean, listed, nearest_or_all

Impute = Literal["missing", "all"]
"""The channels that get a mask channel: those with missing values in train, or all."""

_MOST_NOISE = 1e30
"""The largest standard deviation whose noise certainly fits into float32."""


class TransformOptions(TypedDict, total=False):
    """The section `data.transform`; a key that is absent or null changes nothing."""

    crop: list[int] | None
    truncate: int | None
    downsample: int | None
    impute: Impute | None
    frame: int | None
    jitter: float | None
    time_mask: int | None


@dataclass(frozen=True)
class Transform:
    """The checked options of `data.transform`, in the order in which they are applied.

    Args:
        first, last: the steps that are kept, of `crop` or `truncate`; `last` is not kept, and None
            keeps all later steps.
        downsample: the number of steps whose mean becomes one step.
        impute: see `Impute`; None adds no channels.
        frame: the number of steps that become the channels of one step.
        jitter: the standard deviation of the noise in training.
        time_mask: the most steps that are set to 0 in training.
    """

    first: int = 0
    last: int | None = None
    downsample: int = 1
    impute: Impute | None = None
    frame: int = 1
    jitter: float = 0.0
    time_mask: int = 0

    @property
    def reshapes(self) -> bool:
        """Returns whether the prepared splits differ from those without a transform."""
        return self != Transform(jitter=self.jitter, time_mask=self.time_mask)

    @property
    def augments(self) -> bool:
        return self.jitter > 0 or self.time_mask > 0


def transform_of(options: TransformOptions | None) -> Transform:
    """Checks the options of a config.

    Raises:
        ValueError, TypeError: names the option, its value, and what is allowed.
    """
    given = _given({} if options is None else options)
    first, last = _kept_steps(given)
    impute, allowed = given.get("impute"), get_args(Impute)
    if impute is not None and impute not in allowed:
        hint = did_you_mean(str(impute), allowed)
        raise ValueError(
            f"data.transform.impute={impute!r}: must be one of {listed(allowed)}{hint}"
        )
    jitter = given.get("jitter", 0.0)
    if isinstance(jitter, bool) or not isinstance(jitter, (int, float)):
        raise TypeError(f"data.transform.jitter={jitter!r}: must be a number")
    if not 0 <= jitter <= _MOST_NOISE:
        raise ValueError(f"data.transform.jitter={jitter}: must be between 0 and {_MOST_NOISE:g}")
    return Transform(
        first,
        last,
        _whole("downsample", given.get("downsample", 1), 1),
        impute,
        _whole("frame", given.get("frame", 1), 1),
        float(jitter),
        _whole("time_mask", given.get("time_mask", 0), 0),
    )


def shaping_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the options that prepared splits depend on, with null for those not given."""
    # Jitter and time mask change only what training reads.
    names = [n for n in TransformOptions.__annotations__ if n not in ("jitter", "time_mask")]
    return {name: (options or {}).get(name) for name in names}


def _given(options: Any) -> dict[str, Any]:
    """Returns the options that are not null, refusing unknown names."""
    if not isinstance(options, Mapping):
        raise TypeError(f"data.transform={options!r}: must be a group of keys, or null")
    known = TransformOptions.__annotations__
    for name in options:
        if name not in known:
            hint = nearest_or_all(str(name), known)
            raise ValueError(f"data.transform.{name}: no such transform{hint}")
    return {str(name): value for name, value in options.items() if value is not None}


def _kept_steps(given: Mapping[str, Any]) -> tuple[int, int | None]:
    """Returns the first step that is kept, and the step after the last one."""
    crop, count = given.get("crop"), given.get("truncate")
    if crop is None:
        return 0, None if count is None else _whole("truncate", count, 1)
    if count is not None:
        raise ValueError(
            f"data.transform.truncate={count}: must be null where crop is given, which cuts both"
            " ends"
        )
    message = f"data.transform.crop={crop!r}: must"
    if not isinstance(crop, (list, tuple)) or len(crop) != 2:
        raise ValueError(f"{message} be [a, b], which keeps the steps a to b - 1")
    first, last = (_whole(f"crop[{i}]", step, 0) for i, step in enumerate(crop))
    if first >= last:
        raise ValueError(f"{message} begin before it ends")
    return first, last


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"data.transform.{name}={value!r}: must be a whole number")
    if value < least:
        raise ValueError(f"data.transform.{name}={value}: must be at least {least}")
    return value
