"""Makes the grid of a sweep from free keys, zipped keys and a list."""

import glob
import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, RangeSweep
from hydra.errors import HydraException

from seqsweep.config.shape.listed import read_list
from seqsweep.config.shape.options import ShapeOptions, is_shape_key, override_text
from seqsweep.runs.identity import is_path
from seqsweep.runs.ledger import short_names
from seqsweep.text import nearest_or_all

MOST_RUNS = 100_000
"""The largest number of runs that is planned and shown in reasonable time."""


@dataclass(frozen=True)
class Axis:
    """Values of a grid that vary together.

    Attributes:
        keys: the keys that the axis sets; zipped or listed keys share an axis.
        choices: for each choice, its overrides, such as `("lr=0.1", "hidden_size=8")`.
        places: the file and line of each choice, for the members of a list; else empty.
    """

    keys: Sequence[str]
    choices: Sequence[Sequence[str]]
    places: Sequence[str] = ()


Point = tuple[int, ...]
"""A member of a grid: the index of its choice on each axis."""


@dataclass(frozen=True)
class Grid:
    """All combinations of choices; the last axis varies fastest."""

    axes: Sequence[Axis]

    @property
    def size(self) -> int:
        """The number of combinations, however large."""
        return math.prod(len(axis.choices) for axis in self.axes)

    def points(self) -> Iterator[Point]:
        """Yields every combination."""
        return itertools.product(*(range(len(axis.choices)) for axis in self.axes))

    def overrides(self, point: Point) -> list[str]:
        """Returns the overrides of a member."""
        # A plain loop is used for speed, because this runs for each of very many members.
        overrides: list[str] = []
        for axis, index in zip(self.axes, point, strict=True):
            overrides += axis.choices[index]
        return overrides

    def place(self, point: Point) -> str:
        """Returns the place of a listed member, such as `members.csv:3`, or an empty text."""
        axis = self.axes[0] if self.axes else None
        return axis.places[point[0]] if axis and axis.places else ""

    def without(self, keys: Collection[str]) -> "Grid":
        """Returns the grid without the axes that set only these keys."""
        return Grid([axis for axis in self.axes if not set(axis.keys) <= set(keys)])

    def described(self) -> str:
        """Returns axes with several choices as text: `3 hidden_size with lr x 5 seed`."""
        names = short_names([key for axis in self.axes for key in axis.keys])
        parts: list[str] = []
        for axis in self.axes:
            what = "listed" if axis.places else " with ".join(names[key] for key in axis.keys)
            if len(axis.choices) > 1 or axis.places:
                parts.append(f"{len(axis.choices)} {what}")
        return " x ".join(parts) or "1"


def grid_of(
    params: Mapping[str, Any],
    arguments: Sequence[str],
    parser: OverridesParser,
    options: ShapeOptions,
) -> Grid:
    """Returns the grid of a sweep.

    The first axis is `sweep.list`, if given; the keys follow in the order in which they are given.

    Args:
        params: the values of the sweeper's `params`, by key.
        arguments: the overrides of the command, which replace `params` with the same key.

    Raises:
        HydraException, ValueError, OSError: an override is invalid, or has no values or too many;
            or `sweep.zip` or `sweep.list` is refused.
    """
    words = [*(f"{key}={value}" for key, value in params.items()), *arguments]
    choices: dict[str, list[str]] = {}
    for override in parser.parse_overrides(words):
        key = override.get_key_element()
        if is_shape_key(key):
            # Keys such as `sweep.zip` describe the whole sweep, so no member has such an override.
            if override.is_sweep_override():
                raise HydraException(
                    f"{override.input_line}: takes one value for the whole sweep; "
                    f"write a list as [a,b], and a text with commas in quotes"
                )
        elif not override.is_sweep_override():
            choices[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            choices[key] = [f"{key}={value}" for value in swept_values(override)]
        else:
            raise HydraException(
                f"{override.input_line}: must be values, as in 1,2,4 or range(1,5); "
                "an interval has no finite grid"
            )
    axes = list(_with_zipped(choices, zipped_groups(options.zip, choices)))
    return Grid(axes if options.list is None else [_listed(options.list, choices), *axes])


def zipped_groups(given: Any, choices: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Returns the groups of keys that `sweep.zip` names."""
    if given is None:
        return []
    groups: list[Any] = given if isinstance(given, list) else [given]
    if not groups or not isinstance(groups[0], list):
        groups = [given]
    if any(not isinstance(g, list) or any(not isinstance(k, str) for k in g) for g in groups):
        raise ValueError(f"sweep.zip={given}: must be keys, as in [a,b], or groups [[a,b],[c,d]]")
    keys = [key for group in groups for key in group]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"sweep.zip={given}: names {key} twice")
        if key not in choices:
            raise ValueError(f"sweep.zip: {key} has no values{nearest_or_all(key, choices)}")
    for group in groups:
        if len(group) < 2:
            raise ValueError(f"sweep.zip: expected at least two keys in a group, got {group}")
        first, length = group[0], len(choices[group[0]])
        for key in group[1:]:
            if (other := len(choices[key])) != length:
                raise ValueError(
                    f"sweep.zip: {first} has {length} and {key} has {other} values; "
                    "zipped keys must have equally many"
                )
    return groups


def _with_zipped(
    choices: Mapping[str, Sequence[str]], groups: Sequence[Sequence[str]]
) -> Iterator[Axis]:
    """Yields an axis for each free key and each group of zipped keys."""
    position = {key: number for number, key in enumerate(choices)}
    ordered = [sorted(group, key=lambda key: position[key]) for group in groups]
    group_of = {key: group for group in ordered for key in group}
    for key in choices:
        group = group_of.get(key, [key])
        if group[0] == key:
            yield Axis(group, list(zip(*(choices[name] for name in group), strict=True)))


def _listed(given: Any, choices: Mapping[str, Sequence[str]]) -> Axis:
    """Returns the axis of `sweep.list`; refuses keys that the command or `params` set too."""
    members = read_list(given)
    keys = dict.fromkeys(key for member in members for key in member.overrides)
    elsewhere = {key.lstrip("+"): values[0] for key, values in choices.items()}
    for key in keys:
        if text := elsewhere.get(key.lstrip("+")):
            raise ValueError(f"sweep.list: sets {key}, and so does {text}; leave one of them out")
    overrides = [tuple(member.overrides.values()) for member in members]
    return Axis(tuple(keys), overrides, [member.place for member in members])


def swept_values(override: Override) -> list[str]:
    """Returns the values of `key=1,2,4` or `key=range(1,5)`, as texts for overrides.

    `glob(...)` stands for options of a config group, or for files (`data.source.path=glob(*.ts)`).
    """
    given, swept = override.input_line or "", override.value()
    if isinstance(swept, RangeSweep):
        start, stop = swept.start, swept.stop
        assert start is not None and stop is not None
        if swept.step == 0:
            raise HydraException(f"{given}: the step of a range must not be 0")
        # The size of a range is computed, because listing it could exhaust the memory.
        check_size(given, math.ceil((stop - start) / swept.step))
    key = override.key_or_group
    if isinstance(swept, Glob) and is_path(key):
        return [override_text(key, file).partition("=")[2] for file in _files(swept, given)]
    if isinstance(swept, Glob) and "." in key:
        raise HydraException(
            f"{given}: glob(...) takes options of a config group or data files, "
            "as in data.source.path=glob(*.ts)"
        )
    values = list(override.sweep_string_iterator())
    if isinstance(swept, Glob):  # a file such as data/_table is only included by other files
        values = [value for value in values if not value.startswith("_")]
    check_size(given, len(values))
    return values


def _files(pattern: Glob, given: str) -> list[str]:
    """Returns the files that match, sorted; the folders that match if no file does.

    `**` matches any number of folders. A pattern of `exclude` is compared with the path of a file
    and with its name. `given` is the override, for messages.
    """
    paths = {
        path
        for include in pattern.include
        for path in glob.glob(str(Path(include).expanduser()), recursive=True)
        if not any(fnmatch(path, out) or fnmatch(Path(path).name, out) for out in pattern.exclude)
    }
    files = {path for path in paths if Path(path).is_file()}
    if not paths:
        raise HydraException(f"{given}: no file matches (in {Path.cwd()})")
    check_size(given, len(files or paths))
    return sorted(files or paths)


def check_size(given: str, count: int) -> None:
    """Refuses a number of runs below 1 or above `MOST_RUNS`; `given` begins the message."""
    if count < 1:
        raise HydraException(f"{given}: has no values, so the sweep has no runs")
    if count > MOST_RUNS:
        raise HydraException(f"{given}: {count:,} runs; a sweep has at most {MOST_RUNS:,}")
