"""Prints runs or sweeps side by side: their configs, metrics and environments."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.results import formatting
from seqsweep.results.compare_sweeps import compare_configs
from seqsweep.results.data_sets import by_data_set, sets_of, why_apart
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.replicates import numbers, replicate_of, varied_words
from seqsweep.results.run_names import readable_names
from seqsweep.results.tables import print_table, status_line, titled_table
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import CODE, REPLICATE_KEYS, flatten
from seqsweep.runs.ledger import Entry, differing_keys, read_folder

TOP = 20
"""The rows of a table; the omitted ones are counted below it."""

_SIDE_BY_SIDE = 6
"""The number of runs up to which each has a column; more runs have a row each."""

_METRICS = ("val/acc", "val/f1", "val/loss", "test/acc", "test/f1", "test/loss", "train/loss")
_COSTS = ("best_epoch", "epochs", "params", "train_seconds")
_LONG_METRICS = ("val/acc", "test/acc", "test/f1")
_LONGEST_VALUE = 30
_NO_ENVIRONMENT = ("command", "started", "data_files", CODE)


@dataclass(frozen=True)
class Side:
    """A folder to compare, with its label and its runs."""

    label: str
    folder: Path
    entries: list[Entry]


def compare(folders: Sequence[Path], console: Console, as_sweeps: bool = False) -> dict[str, Any]:
    """Prints how runs or sweeps differ from the first one.

    Of runs it shows the keys and metrics that differ. The configs of sweeps are matched, and
    compared on the seeds that they share.

    Args:
        folders: At least two folders of runs or of sweeps.
        as_sweeps: Whether runs are compared as sweeps of one run.

    Returns:
        The sides and, of sweeps, their differences, for `--json`.

    Raises:
        ValueError: There are fewer than two folders, or one has no run.
        FileNotFoundError: A folder does not exist.
    """
    if len(folders) < 2:
        raise ValueError(f"compare: expected at least two folders, got {len(folders)}")
    entries = [read_folder(folder) for folder in folders]
    sides = list(map(Side, _labels(folders, entries), folders, entries))
    differences: dict[str, Any] = {}
    if not as_sweeps and all(map(_is_run, folders)):
        _compare_runs(sides, console)
    else:
        differences = _compare_sweeps(sides, console)
    _compare_environments(sides, console)
    plain = [
        {
            "label": side.label,
            "folder": str(side.folder),
            "states": Counter(entry.state for entry in side.entries),
        }
        for side in sides
    ]
    return {"sides": plain} | differences


def _is_run(folder: Path) -> bool:
    # A sweep's folder has a folder for each run instead.
    return (folder / "config.yaml").is_file()


def _compare_runs(sides: Sequence[Side], console: Console) -> None:
    lines = [f"[bold]{escape(side.label)}[/]  {escape(str(side.folder))}" for side in sides[:TOP]]
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
    if len(sides) > _SIDE_BY_SIDE:
        print_table(console, _long_table(sides))
        _print_incomparable(sides, console)
        if len(sides) > TOP:
            console.print(f"[dim]and {len(sides) - TOP} more[/]")
        return
    entries = [side.entries[0] for side in sides]
    configs = [entry.config for entry in entries]
    if keys := distinguishing_keys(configs, keep_shared=True):
        print_table(console, _config_table("config", sides, keys, configs))
    else:
        console.print("the configs are equal in everything that affects a result")
    if any(entry.state != "complete" for entry in entries):
        print_table(console, _table("state", sides, {"state": [e.state for e in entries]}))
    if metrics := _metric_cells(entries, (*_METRICS, *_COSTS)):
        title = "at the best epoch, and the difference to the first"
        print_table(console, _table(title, sides, metrics))
    _print_incomparable(sides, console)


def _compare_sweeps(sides: Sequence[Side], console: Console) -> dict[str, Any]:
    for side in sides:
        line = status_line(side.folder, side.entries)
        console.print(f"[bold]{escape(side.label)}[/]  {line}", soft_wrap=True, highlight=False)
    complete = {
        side.label: [entry for entry in side.entries if entry.state == "complete"] for side in sides
    }
    if fixed := _keys_between_sweeps(list(complete.values())):
        # These keys are constant within a sweep, so any run shows their values.
        firsts = [entries[0].config if entries else None for entries in complete.values()]
        print_table(console, _config_table("the sweeps differ in", sides, fixed, firsts))
    differences = compare_configs(complete, fixed, console, TOP)
    for label, entries in by_data_set(complete).items():
        console.print(_best_line(label, entries), soft_wrap=True, highlight=False)
    return differences


def _compare_environments(sides: Sequence[Side], console: Console) -> None:
    """Prints the versions, machines and engines that differ.

    A sweep may have several of each.
    """
    environments = [_environment_of(side.entries) for side in sides]
    cells = {
        key: [environment.get(key, "") for environment in environments]
        for key in dict.fromkeys(key for environment in environments for key in environment)
        # What is equal everywhere explains no difference.
        if len({environment.get(key) for environment in environments}) > 1
    }
    if not cells:
        console.print("[dim]trained in the same environment[/]")
    elif len(sides) > _SIDE_BY_SIDE:
        console.print(
            f"[yellow]the environments differ[/] in {escape(', '.join(cells))}", highlight=False
        )
    else:
        print_table(console, _table("environment", sides, cells))


def _environment_of(entries: Sequence[Entry]) -> dict[str, str]:
    """Returns the versions, machines and engines of runs; several values are in one text."""
    environment: dict[str, set[str]] = {}
    for entry in entries:
        content: dict[str, Any] = read_object(entry.folder.path / "provenance.json")
        # Entries that differ between any two commands say nothing about the environment.
        for key, value in flatten(content):
            if key.split(".")[0] not in _NO_ENVIRONMENT:
                environment.setdefault(key.removeprefix("packages."), set()).add(_short(value))
    return {key: ", ".join(sorted(values)) for key, values in environment.items()}


def _short(value: Any) -> str:
    """The text of a value, cut if it is long.

    A digest shows differences in the part that is cut off.
    """
    text = formatting.plain_text(value)
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:16]}… #{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    return escape(" ".join(text.split()))


def _print_incomparable(sides: Sequence[Side], console: Console) -> None:
    """Prints why scores of runs are not compared with the first run's."""
    first = sets_of(sides[0].entries[0])
    for side in sides[1:TOP]:
        entry = side.entries[0]
        # A run without a record has no scores that could mislead.
        if entry.record and (why := why_apart(first, sets_of(entry))):
            line = f"[yellow]{escape(side.label)}: {why}, so its scores are not compared[/]"
            console.print(line, soft_wrap=True, highlight=False)


def _labels(folders: Sequence[Path], entries: Sequence[Sequence[Entry]]) -> list[str]:
    """A unique label for each folder.

    It is a run's readable name, or the end of a sweep's path.
    """
    groups = enumerate(zip(folders, entries, strict=True))
    runs = {str(index): group[0].config for index, (folder, group) in groups if _is_run(folder)}
    # A single run has no name that would distinguish it from others.
    names = readable_names(runs) if len(runs) > 1 else {}
    paths = [folder.resolve() for folder in folders]
    labels = [names.get(str(index)) or _unique_end(path, paths) for index, path in enumerate(paths)]
    # The same folder may be given twice.
    return [
        f"{label} ({labels[:index].count(label) + 1})" if labels.count(label) > 1 else label
        for index, label in enumerate(labels)
    ]


def _unique_end(path: Path, paths: Sequence[Path]) -> str:
    for length in range(1, len(path.parts)):
        end = path.parts[-length:]
        if sum(other.parts[-length:] == end for other in paths) == 1:
            return "/".join(end)
    return path.name


def _keys_between_sweeps(sides: Sequence[Sequence[Entry]]) -> list[str]:
    """The keys that are constant within each side but differ between sides."""
    configs = [[entry.config for entry in entries] for entries in sides]
    # A key that a sweep itself sweeps does not distinguish it from another one.
    swept = {key for group in configs for key in differing_keys(group)}
    keys = distinguishing_keys([config for group in configs for config in group], keep_shared=True)
    return [key for key in keys if key not in swept and key not in REPLICATE_KEYS]


def _metric_cells(entries: Sequence[Entry], names: Sequence[str]) -> dict[str, list[str]]:
    """The cells of each metric: the value and its difference to the first run's.

    Scores on other sequences are not comparable with the first run's, costs are.
    """
    values = [numbers(entry) for entry in entries]
    for entry, result in zip(entries, values, strict=True):
        if isinstance(epochs := (entry.record or {}).get("epochs"), int):
            result["epochs"] = epochs
    costs = {name: value for name, value in values[0].items() if name in _COSTS}
    firsts: list[dict[str, float]] = [{}]
    for entry in entries[1:]:
        # Parameters and seconds can be compared whatever the sequences were.
        firsts.append(costs if why_apart(sets_of(entries[0]), sets_of(entry)) else values[0])
    return {
        name: [_cell(name, v.get(name), f.get(name)) for v, f in zip(values, firsts, strict=True)]
        for name in names
        if any(name in result for result in values)
    }


def _cell(name: str, value: float | None, first: float | None) -> str:
    if value is None:
        return ""
    is_cost = name in _COSTS
    text = formatting.cost(name, value) if is_cost else formatting.number(value)
    if first is None:
        return text
    difference = value - first
    return f"{text} {formatting.cost(name, difference, '+') if is_cost else f'{difference:+.4f}'}"


def _value(key: str, config: Mapping[str, Any] | None) -> str:
    """The text of a config value, escaped for rich."""
    return "" if config is None else escape(formatting.value_text(key, config.get(key)))


def _best_line(label: str, entries: Sequence[Entry]) -> str:
    board = leaderboard(entries)
    if not board.rows:
        return f"[bold]{escape(label)}[/]: no run is complete"
    best = board.rows[0]
    config = escape(formatting.run_label(best.config, formatting.key_names(board.keys)))
    names = dict.fromkeys((board.monitor, board.compared))
    scores = [f"{n} {formatting.number(best.metrics[n].mean)}" for n in names if n in best.metrics]
    runs = varied_words(map(replicate_of, best.entries))
    parts = filter(None, [config, *scores, f"({runs})"])
    return f"best of [bold]{escape(label)}[/]: {'  '.join(parts)}"


def _config_table(
    title: str,
    sides: Sequence[Side],
    keys: Sequence[str],
    configs: Sequence[Mapping[str, Any] | None],
) -> Table:
    """The values of the keys in a config of each side."""
    names = formatting.key_names(keys)
    rows = {names[key]: [_value(key, config) for config in configs] for key in keys}
    return _table(title, sides, rows)


def _table(title: str, sides: Sequence[Side], rows: Mapping[str, Sequence[str]]) -> Table:
    """A table with a column for each side."""
    table = titled_table(title, ["", *(side.label for side in sides)])
    for name, cells in rows.items():
        table.add_row(escape(name), *cells)
    return table


def _long_table(sides: Sequence[Side]) -> Table:
    """A table with a row for each run."""
    entries = [side.entries[0] for side in sides]
    keys = distinguishing_keys([entry.config for entry in entries])
    metrics = _metric_cells(entries, _LONG_METRICS)
    names = formatting.key_names(keys).values()
    table = titled_table("difference to the first", ["run", *names, "state", *metrics])
    for index, (side, entry) in enumerate(list(zip(sides, entries, strict=True))[:TOP]):
        values = [_value(key, entry.config) for key in keys]
        scores = [cells[index] for cells in metrics.values()]
        table.add_row(escape(side.label), *values, entry.state, *scores)
    return table
