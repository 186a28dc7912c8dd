"""Runs or sweeps side by side: what differs in their configs, their metrics, their environment."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.results import formatting
from seqsweep.results.compare_sweeps import compare_configs
from seqsweep.results.datasets import sets_of, why_apart
from seqsweep.results.leaderboard import leaderboard, numbers
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.run_names import readable_names
from seqsweep.results.tables import status_line
from seqsweep.results.terminal_tables import print_table
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import flatten
from seqsweep.runs.ledger import Entry, differing_keys, read_folder

TOP = 20
"""Rows of a table; what is left out is counted."""

_SIDE_BY_SIDE = 6
_METRICS = ("val/acc", "val/f1", "val/loss", "test/acc", "test/f1", "test/loss", "train/loss")
_COSTS = ("best_epoch", "epochs", "params", "train_seconds")
_NO_ENVIRONMENT = ("command", "started", "stack", "data_files")


@dataclass(frozen=True)
class Side:
    """A folder to compare: what to call it, and its runs; one for a run's own folder."""

    label: str
    folder: Path
    entries: list[Entry]

    @property
    def is_run(self) -> bool:
        return (self.folder / "config.yaml").is_file()


def compare(folders: Sequence[Path], console: Console) -> None:
    """Prints how runs or sweeps differ; the first one is what the others are compared with.

    Runs are shown with the keys and metrics that differ. Where one of the folders holds several
    runs, configs are matched over the folders and compared by the seeds that they share.

    Args:
        folders: of runs or of sweeps, at least two.

    Raises:
        ValueError: fewer than two folders, or one without runs.
        FileNotFoundError: no such folder.
    """
    if len(folders) < 2:
        raise ValueError(f"compare: needs at least two folders, not {len(folders)}")
    found = [read_folder(folder) for folder in folders]
    sides = [
        Side(label, folder, entries)
        for label, folder, entries in zip(_labels(folders, found), folders, found, strict=True)
    ]
    if all(side.is_run for side in sides):
        _compare_runs(sides, console)
    else:
        _compare_sweeps(sides, console)
    _compare_environments(sides, console)


def _compare_runs(sides: Sequence[Side], console: Console) -> None:
    entries = [side.entries[0] for side in sides]
    lines = [f"[bold]{escape(side.label)}[/]  {escape(str(side.folder))}" for side in sides[:TOP]]
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
    if len(sides) > _SIDE_BY_SIDE:
        print_table(console, _long_table(sides, entries))
        _say_apart(sides, console)
        if len(sides) > TOP:
            console.print(f"[dim]and {len(sides) - TOP} more[/]")
        return
    configs = [entry.config for entry in entries]
    if keys := distinguishing_keys(configs, keep_shared=True):
        cells = {key: [_value(key, config) for config in configs] for key in keys}
        print_table(console, _table("config", sides, _renamed(cells)))
    else:
        console.print("the configs are the same in all that decides a result")
    if any(entry.state != "complete" for entry in entries):
        print_table(console, _table("state", sides, {"state": [e.state for e in entries]}))
    values = [_results(entry) for entry in entries]
    firsts = _comparable(entries, values)
    metrics = {
        name: [_cell(name, found.get(name), first.get(name))
               for found, first in zip(values, firsts, strict=True)]
        for name in (*_METRICS, *_COSTS) if any(name in found for found in values)
    }  # fmt: skip
    if metrics:
        print_table(console, _table("at the best epoch, and less the first", sides, metrics))
    _say_apart(sides, console)


def _comparable(
    entries: Sequence[Entry], values: Sequence[dict[str, float]]
) -> list[dict[str, float]]:
    """Returns for each run the metrics of the first one that may be subtracted.

    Scores of other sequences are not comparable, costs are.
    """
    reasons = [why_apart(sets_of(entries[0]), sets_of(entry)) for entry in entries]
    costs = {name: value for name, value in values[0].items() if name in _COSTS}
    return [{}, *(costs if why else values[0] for why in reasons[1:])]


def _say_apart(sides: Sequence[Side], console: Console) -> None:
    """A line for each run whose scores are not compared with the first one's."""
    first = sets_of(sides[0].entries[0])
    for side in sides[1:TOP]:
        if side.entries[0].record and (why := why_apart(first, sets_of(side.entries[0]))):
            line = f"[yellow]{escape(side.label)}: {why}, its scores are not compared[/]"
            console.print(line, soft_wrap=True, highlight=False)


def _compare_sweeps(sides: Sequence[Side], console: Console) -> None:
    for side in sides:
        line = status_line(side.folder, side.entries)
        console.print(f"[bold]{escape(side.label)}[/]  {line}", soft_wrap=True, highlight=False)
    complete = {
        side.label: [entry for entry in side.entries if entry.state == "complete"] for side in sides
    }
    if fixed := _fixed_apart(list(complete.values())):
        firsts = [found[0].config if found else None for found in complete.values()]
        cells = {key: [_value(key, first) for first in firsts] for key in fixed}
        print_table(console, _table("the sweeps differ in", sides, _renamed(cells)))
    compare_configs(complete, fixed, console, TOP)
    for label, entries in complete.items():
        console.print(_best_line(label, entries), soft_wrap=True, highlight=False)


def _compare_environments(sides: Sequence[Side], console: Console) -> None:
    """Versions, machine, engine: of a sweep everything that is met in it."""
    found = [_environment(side.entries) for side in sides]
    keys = dict.fromkeys(key for environment in found for key in environment)
    cells = {
        key: [environment.get(key, "") for environment in found]
        for key in keys
        if len({environment.get(key) for environment in found}) > 1
    }
    if not cells:
        console.print("[dim]trained in the same environment[/]")
    elif len(sides) > _SIDE_BY_SIDE:
        console.print(
            f"[yellow]the environments differ[/] in {escape(', '.join(cells))}", highlight=False
        )
    else:
        print_table(console, _table("environment", sides, cells))


def _labels(folders: Sequence[Path], found: Sequence[Sequence[Entry]]) -> list[str]:
    """Of a run its readable name, of a sweep its folder's; as many of its parents as it takes."""
    runs = {
        str(index): entries[0].config
        for index, (folder, entries) in enumerate(zip(folders, found, strict=True))
        if (folder / "config.yaml").is_file()
    }
    names = readable_names(runs) if len(runs) > 1 else {}
    paths = [folder.resolve() for folder in folders]
    labels = [names.get(str(index)) or _tail(path, paths) for index, path in enumerate(paths)]
    return [
        f"{label} ({labels[:index].count(label) + 1})" if labels.count(label) > 1 else label
        for index, label in enumerate(labels)
    ]


def _tail(path: Path, paths: Sequence[Path]) -> str:
    for length in range(1, len(path.parts)):
        tail = path.parts[-length:]
        if sum(other.parts[-length:] == tail for other in paths) == 1:
            return "/".join(tail)
    return path.name


def _fixed_apart(sides: Sequence[Sequence[Entry]]) -> list[str]:
    """The keys that have one value within each side, and not the same one in all."""
    configs = [[entry.config for entry in entries] for entries in sides]
    swept = {key for own in configs for key in differing_keys(own)}
    union = distinguishing_keys([config for own in configs for config in own], keep_shared=True)
    return [key for key in union if key not in swept and key != "seed"]


def _results(entry: Entry) -> dict[str, float]:
    epochs = (entry.record or {}).get("epochs")
    return numbers(entry) | ({"epochs": epochs} if isinstance(epochs, int) else {})


def _cell(name: str, value: float | None, first: float | None) -> str:
    if value is None:
        return ""
    counted = name in _COSTS
    shown = formatting.cost(name, value) if counted else formatting.number(value)
    if first is None:
        return shown
    less = formatting.cost(name, value - first, "+") if counted else f"{value - first:+.4f}"
    return f"{shown} {less}"


def _value(key: str, config: Mapping[str, Any] | None) -> str:
    """For a cell: rich would take tags in it for its own."""
    return "" if config is None else escape(formatting.value_text(key, config.get(key)))


def _environment(entries: Sequence[Entry]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for entry in entries:
        content: dict[str, Any] = read_object(entry.folder.path / "provenance.json")
        for key, value in flatten(content):
            if key.split(".")[0] not in _NO_ENVIRONMENT:
                found.setdefault(key.removeprefix("packages."), set()).add(_short(value))
    return {key: ", ".join(sorted(values)) for key, values in found.items()}


def _short(value: Any) -> str:
    """A value for a cell; of a long one its beginning and a digest, so that a difference shows."""
    text = formatting.plain_text(value)
    if len(text) > 30:
        text = f"{text[:16]}… #{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    return escape(" ".join(text.split()))


def _best_line(label: str, entries: Sequence[Entry]) -> str:
    board = leaderboard(entries)
    if not board.rows:
        return f"[bold]{escape(label)}[/]: no run is complete"
    best = board.rows[0]
    config = escape(formatting.run_label(best.config, formatting.key_names(board.keys)))
    names = dict.fromkeys((board.monitor, board.compared))
    scores = [f"{n} {formatting.number(best.metrics[n].mean)}" for n in names if n in best.metrics]
    parts = filter(None, [config, *scores, f"({formatting.count(best.n, 'seed')})"])
    return f"best of [bold]{escape(label)}[/]: {'  '.join(parts)}"


def _renamed(cells: Mapping[str, list[str]]) -> dict[str, list[str]]:
    names = formatting.key_names(cells)
    return {names[key]: row for key, row in cells.items()}


def _table(title: str, sides: Sequence[Side], rows: Mapping[str, Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    table.add_column("")
    for side in sides:
        table.add_column(escape(side.label), justify="right", no_wrap=True)
    for name, cells in rows.items():
        table.add_row(escape(name), *cells)
    return table


def _long_table(sides: Sequence[Side], entries: Sequence[Entry]) -> Table:
    """A row a run: for more runs than fit side by side."""
    keys = distinguishing_keys([entry.config for entry in entries])
    values = [_results(entry) for entry in entries]
    shown = [name for name in ("val/acc", "test/acc", "test/f1") if any(name in v for v in values)]
    table = Table(box=SIMPLE_HEAD, title="less the first", title_justify="left", pad_edge=False)
    table.add_column("run", no_wrap=True)
    for name in (*formatting.key_names(keys).values(), "state", *shown):
        table.add_column(escape(name), justify="right", no_wrap=True)
    for index, first in enumerate(_comparable(entries, values)[:TOP]):
        table.add_row(
            escape(sides[index].label),
            *(_value(key, entries[index].config) for key in keys),
            entries[index].state,
            *(_cell(name, values[index].get(name), first.get(name)) for name in shown),
        )
    return table
