"""Counts the values of a sweep before it lists them, and lists files for `glob(*.ts)`."""

import glob
import math
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from hydra.core.override_parser.types import Glob, Override, RangeSweep
from hydra.errors import HydraException

from seqsweep.config.shape.options import override_text
from seqsweep.runs.identity import is_path

MOST_RUNS = 100_000
"""The largest number of runs that is planned and shown in reasonable time."""


def swept_values(override: Override) -> list[str]:
    """Returns the values of `key=1,2,4` or `key=range(1,5)`, as overrides hold them.

    `glob(...)` stands for the options of a config group, or for the files of `data.source.path`.

    Raises:
        HydraException: there are no values, or too many to list.
    """
    swept = override.value()
    if isinstance(swept, RangeSweep):
        start, stop = swept.start, swept.stop
        assert start is not None and stop is not None
        if swept.step == 0:
            raise HydraException(f"{override.input_line}: the step of a range must not be 0")
        # The size of a range is computed, because listing it could exhaust the memory.
        check_size(override.input_line or "", math.ceil((stop - start) / swept.step))
    is_glob = isinstance(swept, Glob)
    values = _matching(swept, override) if is_glob else list(override.sweep_string_iterator())
    check_size(override.input_line or "", len(values))
    return values


def _matching(pattern: Glob, override: Override) -> list[str]:
    """Returns the files or options that a pattern stands for."""
    key = override.key_or_group
    if is_path(key):
        files = matching_files(pattern, override.input_line or "")
        return [override_text(key, file).partition("=")[2] for file in files]
    if "." in key:
        raise HydraException(
            f"{override.input_line}: glob(...) takes options of a config group or data files, "
            "as in data.source.path=glob(*.ts)"
        )
    return list(override.sweep_string_iterator())


def check_grid(choices: Sequence[Sequence[object]]) -> None:
    """Refuses a grid of too many runs.

    Raises:
        HydraException: the grid has too many runs; the message names the number.
    """
    given = " x ".join(str(len(values)) for values in choices if len(values) > 1)
    check_size(f"a grid of {given}", math.prod(len(values) for values in choices))


def check_size(given: str, count: int) -> None:
    """Refuses a sweep without runs, or with too many.

    Raises:
        HydraException: there are no runs, or more than `MOST_RUNS`.
    """
    if count < 1:
        raise HydraException(f"{given}: has no values, so the sweep has no runs")
    if count > MOST_RUNS:
        raise HydraException(f"{given}: {count:,} runs; a sweep has at most {MOST_RUNS:,}")


def matching_files(pattern: Glob, given: str) -> list[str]:
    """Returns the files that match, sorted; folders if no file matches.

    `**` matches any number of folders. A pattern of `exclude` is compared with the path of a file
    and with its name.

    Args:
        given: the override, for the message.

    Raises:
        HydraException: nothing matches.
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
    return sorted(files or paths)
