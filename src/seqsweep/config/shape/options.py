"""The options of a sweep's shape, and the text of overrides."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from seqsweep.command import how_to_sweep, quoted_value
from seqsweep.config.messages import parsed


@dataclass(kw_only=True)
class ShapeOptions:
    """The options of the section `sweep` that decide which runs a sweep has.

    Attributes:
        zip: groups of swept keys that take their first values together, then their second values,
            and so on: `[[a,b],[c,d]]`, or `[a,b]` for one group.
        filter: an expression over config keys; runs for which it is false are left out. See
            `seqsweep.config.shape.grammar`.
        sample: how many configs of the grid to train, each with all of its replicates (seeds,
            folds); None for all.
        sample_seed: the seed that decides which configs `sample` takes.
        list: explicit members, combined with the grid: mappings of dotted keys to values, or the
            path of a YAML or csv file with the members.
        ask_above: the number of runs above which `train -m` asks first; None never asks.
    """

    zip: Any = None
    filter: str | None = None
    sample: int | None = None
    sample_seed: int = 0
    list: Any = None
    ask_above: int | None = 1000


DEFAULTS: dict[str, Any] = dataclasses.asdict(ShapeOptions())
"""The default of each option, for a config that does not name it."""

_SHAPING = ("zip", "filter", "sample", "list")
"""The options that must be null in a single run."""


def is_shape_key(key: str) -> bool:
    """Returns whether a dotted key is an option of the shape, such as `sweep.zip`."""
    section, _, name = key.lstrip("+~").partition(".")
    return section == "sweep" and name.partition(".")[0] in DEFAULTS


def refuse_sweep(sweep: Mapping[Any, Any], hydra_config: DictConfig) -> None:
    """Refuses the config of a sweep where a single run is expected."""
    grid, option = hydra_config.sweeper.get("params"), hydra_config.runtime.choices.get("sweep")
    given = f"a grid over {', '.join(grid)}" if grid else _given_shape(sweep)
    if given and option not in (None, "none"):
        given = f"sweep={option}"
    if given:
        raise ValueError(f"{given}: is a sweep; {how_to_sweep()}")


def _given_shape(sweep: Mapping[Any, Any]) -> str | None:
    """Returns the first option of `_SHAPING` that is set, such as `sweep.zip`; else None."""
    return next((f"sweep.{key}" for key in _SHAPING if sweep.get(key) is not None), None)


def refuse_shape(sweep: Mapping[Any, Any]) -> None:
    """Refuses the options of a grid, such as `zip`, for a sweeper without a grid."""
    if shape := _given_shape(sweep):
        raise ValueError(f"{shape}: must be null, because only hydra/sweeper=seqsweep reads it")


def override_text(key: str, value: Any) -> str:
    """Returns `key=value` so that Hydra reads the same value from it.

    >>> [override_text("key", value) for value in ("gru", "1", [1, None])]
    ['key=gru', 'key="1"', 'key=[1,null]']
    """
    override = parsed(f"key={value}") if isinstance(value, str) else None
    # Hydra reads this text unchanged, so it needs no quotes. An interpolation also stays unquoted.
    if override is not None and not override.is_sweep_override() and override.value() == value:
        return f"{key}={value}"
    return f"{key}={quoted_value(value)}"
