"""Prints runs or sweeps side by side: their configs, metrics and environments."""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seqsweep.results.compare_sweeps import Side, compare_sweeps, config_rows, print_sides
from seqsweep.results.data_sets import data_sets, sets_of, why_apart
from seqsweep.results.formatting import (
    cost,
    cut,
    key_names,
    number,
    plain_text,
    run_label,
)
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.replicates import COSTS, numbers, replicate_of, varied_words
from seqsweep.results.rows import distinguishing_keys
from seqsweep.results.run_names import readable_names
from seqsweep.results.tables import status_line
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import CODE, flatten
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.metrics import own_metrics

MOST_RUNS = 6
"""The most runs that fit side by side."""

_METRICS = ("val/acc", "val/f1", "val/loss", "test/acc", "test/f1", "test/loss", "train/loss")
_LONGEST_VALUE = 20
_NO_ENVIRONMENT = ("command", "started", "data_files", CODE)


def compare(folders: Sequence[Path], console: Console, as_sweeps: bool = False) -> dict[str, Any]:
    """Prints how runs or sweeps differ from the first one.

    For runs, it shows the keys that differ and all metrics. For sweeps, it matches the configs and
    compares their scores by seed and split.

    Args:
        folders: At least two folders of runs or of sweeps.
        as_sweeps: Whether each run is compared as a sweep of one run.

    Returns:
        The content of `--json`: the compared folders and, for sweeps, the differences.

    Raises:
        ValueError: Fewer than two folders, more than `MOST_RUNS` runs, or a folder without runs.
        FileNotFoundError: A folder does not exist.
    """
    if len(folders) < 2:
        raise ValueError(f"compare: expected at least two folders, got {len(folders)}")
    read = {folder: read_folder(folder) for folder in dict.fromkeys(folders)}
    entries = [read[folder] for folder in folders]
    sides = list(map(Side, _labels(folders, entries), folders, entries))
    differences: dict[str, Any] = {}
    if as_sweeps or not all(map(_is_run, folders)):
        differences = _compare_with_first(sides, console)
    elif len(sides) > MOST_RUNS:
        raise ValueError(
            f"compare: expected at most {MOST_RUNS} runs, got {len(sides)}; `seqsweep leaderboard`"
            " and `seqsweep status` list the runs of a folder"
        )
    else:
        _compare_runs(sides, console)
    if not print_sides(console, "environment", sides, _environment_rows(sides)):
        console.print("[dim]trained in the same environment[/]")
    states = [Counter(entry.state for entry in side.entries) for side in sides]
    plain = [
        {"label": side.label, "folder": str(side.folder), "states": of}
        for side, of in zip(sides, states, strict=True)
    ]
    return {"sides": plain} | differences


def _is_run(folder: Path) -> bool:
    # A run's folder has this file. A sweep's folder has a folder for each run instead.
    return (folder / "config.yaml").is_file()


def _labels(folders: Sequence[Path], entries: Sequence[Sequence[Entry]]) -> list[str]:
    """Returns a label for each folder: a run's or a folder's name."""
    pairs = list(zip(folders, entries, strict=True))
    runs = {str(folder): group[0].config for folder, group in pairs if _is_run(folder)}
    # A single run has no name that would distinguish it from others.
    names = readable_names(runs) if len(runs) > 1 else {}
    # A sweep's label is the last part of its path. If two labels are equal, all are whole paths.
    ends = [names.get(str(folder), folder.resolve().name) for folder in folders]
    return ends if len(set(ends)) == len(ends) else list(map(str, folders))


def _compare_with_first(sides: Sequence[Side], console: Console) -> dict[str, Any]:
    """Compares all other sweeps with the first; prints each sweep's best config."""
    for side in sides:
        line = status_line(side.folder, side.entries)
        console.print(f"[bold]{escape(side.label)}[/]  {line}", soft_wrap=True, highlight=False)
    found = [compare_sweeps(sides[0], side, console) for side in sides[1:]]
    for side in sides:
        for line in _best_lines(side):
            console.print(line, soft_wrap=True, highlight=False)
    result: dict[str, Any] = {"overall": {}, "configs": []}
    for one in found:
        overall, configs = result["overall"] | one["overall"], result["configs"] + one["configs"]
        result = one | {"overall": overall, "configs": configs}
    return result


def _best_lines(side: Side) -> list[str]:
    """Returns a line with the best config for each data set."""
    if not side.complete:
        return [f"[bold]{escape(side.label)}[/]: no run is complete"]
    lines: list[str] = []
    sets = data_sets(side.complete)
    for one in sets:
        board = leaderboard(one.entries)
        best = board.rows[0]
        label = f"{side.label} on {one.name}" if len(sets) > 1 else side.label
        names = key_names(board.keys, (row.config for row in board.rows))
        config = escape(run_label(best.config, names))
        metrics = [n for n in dict.fromkeys((board.monitor, board.compared)) if n in best.metrics]
        scores = [f"{name} {number(best.metrics[name].mean)}" for name in metrics]
        runs = f"({varied_words(map(replicate_of, best.entries))})"
        parts = filter(None, [config, *scores, runs])
        lines.append(f"best of [bold]{escape(label)}[/]: {'  '.join(parts)}")
    return lines


def _compare_runs(sides: Sequence[Side], console: Console) -> None:
    """Prints the keys that differ, and the metrics with their differences to the first run."""
    for side in sides:
        line = f"[bold]{escape(side.label)}[/]  {escape(str(side.folder))}"
        console.print(line, soft_wrap=True, highlight=False)
    entries = [side.entries[0] for side in sides]
    configs = [entry.config for entry in entries]
    # A damaged config is empty, and would make every key differ.
    readable = [config for config in configs if config]
    rows = config_rows(distinguishing_keys(readable, keep_shared=True), configs)
    if not rows:
        console.print("the configs are equal in everything that affects a result")
    if any(entry.state != "complete" for entry in entries):
        rows["state"] = [entry.state for entry in entries]
    print_sides(console, "config", sides, rows)
    # A run without a record has no scores to compare, so it needs no reason.
    reasons = [why_apart(sets_of(entries[0]), sets_of(e)) if e.record else "" for e in entries]
    title = "at the best epoch, and the difference to the first"
    print_sides(console, title, sides, _metric_rows(entries, reasons))
    for side, why in zip(sides, reasons, strict=True):
        if why:
            line = f"[yellow]{escape(side.label)}: {why}, so its scores are not compared[/]"
            console.print(line, soft_wrap=True, highlight=False)


def _metric_rows(entries: Sequence[Entry], reasons: Sequence[str]) -> dict[str, list[str]]:
    """Returns each metric's cells: the values and differences to the first run.

    Scores on different sequences are not compared. Costs are always compared.

    Args:
        reasons: Why each run's scores are not comparable; empty for comparable scores.
    """
    values = [numbers(entry) for entry in entries]
    rows: dict[str, list[str]] = {}
    own = own_metrics(name for result in values for name in result)
    for name in dict.fromkeys((*_METRICS, *own, *COSTS)):
        cells = [_text(name, result[name]) if name in result else "" for result in values]
        for index, why in enumerate(reasons[1:], start=1):
            is_comparable = name in COSTS or not why
            if is_comparable and name in values[0] and name in values[index]:
                difference = values[index][name] - values[0][name]
                cells[index] += f" {_text(name, difference, '+')}"
        if any(cells):
            rows[name] = cells
    return rows


def _text(name: str, value: float, sign: str = "") -> str:
    if name in COSTS:
        return cost(name, value, sign)
    return number(value, sign)


def _environment_rows(sides: Sequence[Side]) -> dict[str, list[str]]:
    """Returns the versions, machines and engines that differ between the sides."""
    found: dict[str, list[set[str]]] = {}
    for index, side in enumerate(sides):
        known: dict[str, dict[str, Any]] = {}
        for entry in side.entries:
            content = read_object(entry.folder.path / "provenance.json")
            # The fields that are left out describe the command, the data and the user's own code.
            content = {k: v for k, v in content.items() if k not in _NO_ENVIRONMENT}
            known[repr(content)] = content
        for key, value in itertools.chain.from_iterable(map(flatten, known.values())):
            cells = found.setdefault(key.removeprefix("packages."), [set() for _ in sides])
            cells[index].add(plain_text(value))
    return {
        key: [
            escape(", ".join(cut(value, _LONGEST_VALUE) for value in sorted(values)))
            for values in cells
        ]
        for key, cells in found.items()
        if any(values != cells[0] for values in cells)
    }
