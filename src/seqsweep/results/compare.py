"""Prints runs or sweeps side by side: their configs, metrics and environments."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seqsweep.results.compare_sweeps import Side, compare_sweeps, config_rows, print_sides
from seqsweep.results.data_sets import data_sets, sets_of, why_apart
from seqsweep.results.formatting import cost, cut, key_names, number, plain_text, run_label
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.replicates import numbers, replicate_of, varied_words
from seqsweep.results.run_names import readable_names
from seqsweep.results.tables import status_line
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import CODE, flatten
from seqsweep.runs.ledger import Entry, read_folder

MOST_RUNS = 6
"""The number of runs that fit side by side."""

_METRICS = ("val/acc", "val/f1", "val/loss", "test/acc", "test/f1", "test/loss", "train/loss")
_COSTS = ("best_epoch", "epochs", "params", "train_seconds")
_LONGEST_VALUE = 30
_NO_ENVIRONMENT = ("command", "started", "data_files", CODE)


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
        ValueError: There are fewer than two folders, more than `MOST_RUNS` runs, or one has no run.
        FileNotFoundError: A folder does not exist.
    """
    if len(folders) < 2:
        raise ValueError(f"compare: expected at least two folders, got {len(folders)}")
    entries = [read_folder(folder) for folder in folders]
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


def _labels(folders: Sequence[Path], entries: Sequence[Sequence[Entry]]) -> list[str]:
    """The label of each folder: a run's readable name, or the end of a sweep's path."""
    runs = {
        str(index): group[0].config
        for index, (folder, group) in enumerate(zip(folders, entries, strict=True))
        if _is_run(folder)
    }
    # A single run has no name that would distinguish it from others.
    names = readable_names(runs) if len(runs) > 1 else {}
    paths = [folder.resolve() for folder in folders]
    return [names.get(str(index)) or _unique_end(path, paths) for index, path in enumerate(paths)]


def _unique_end(path: Path, paths: Sequence[Path]) -> str:
    for length in range(1, len(path.parts)):
        end = path.parts[-length:]
        if sum(other.parts[-length:] == end for other in paths) == 1:
            return "/".join(end)
    return path.name


def _compare_with_first(sides: Sequence[Side], console: Console) -> dict[str, Any]:
    """Compares each sweep with the first one, and prints the best config of each."""
    for side in sides:
        line = status_line(side.folder, side.entries)
        console.print(f"[bold]{escape(side.label)}[/]  {line}", soft_wrap=True, highlight=False)
    found = [compare_sweeps(sides[0], side, console) for side in sides[1:]]
    for side in sides:
        for line in _best_lines(side):
            console.print(line, soft_wrap=True, highlight=False)
    result: dict[str, Any] = {"overall": {}, "configs": []}
    for one in filter(None, found):
        overall, configs = result["overall"] | one["overall"], result["configs"] + one["configs"]
        result = one | {"overall": overall, "configs": configs}
    return result


def _best_lines(side: Side) -> list[str]:
    """The best config of a sweep on each of its data sets."""
    if not side.complete:
        return [f"[bold]{escape(side.label)}[/]: no run is complete"]
    lines: list[str] = []
    sets = data_sets(side.complete)
    for one in sets:
        board = leaderboard(one.entries)
        best = board.rows[0]
        label = f"{side.label} on {one.name}" if len(sets) > 1 else side.label
        config = escape(run_label(best.config, key_names(board.keys)))
        metrics = [n for n in dict.fromkeys((board.monitor, board.compared)) if n in best.metrics]
        scores = [f"{name} {number(best.metrics[name].mean)}" for name in metrics]
        runs = f"({varied_words(map(replicate_of, best.entries))})"
        parts = filter(None, [config, *scores, runs])
        lines.append(f"best of [bold]{escape(label)}[/]: {'  '.join(parts)}")
    return lines


def _compare_runs(sides: Sequence[Side], console: Console) -> None:
    """Prints the keys and metrics of runs, and the difference to the first run."""
    for side in sides:
        line = f"[bold]{escape(side.label)}[/]  {escape(str(side.folder))}"
        console.print(line, soft_wrap=True, highlight=False)
    entries = [side.entries[0] for side in sides]
    configs = [entry.config for entry in entries]
    keys = distinguishing_keys(configs, keep_shared=True)
    if not print_sides(console, "config", sides, config_rows(keys, configs)):
        console.print("the configs are equal in everything that affects a result")
    if any(entry.state != "complete" for entry in entries):
        print_sides(console, "state", sides, {"state": [entry.state for entry in entries]})
    # A run without a record has no scores that could mislead.
    reasons = [why_apart(sets_of(entries[0]), sets_of(e)) if e.record else "" for e in entries]
    title = "at the best epoch, and the difference to the first"
    print_sides(console, title, sides, _metric_rows(entries, reasons))
    for side, why in zip(sides, reasons, strict=True):
        if why:
            line = f"[yellow]{escape(side.label)}: {why}, so its scores are not compared[/]"
            console.print(line, soft_wrap=True, highlight=False)


def _metric_rows(entries: Sequence[Entry], reasons: Sequence[str]) -> dict[str, list[str]]:
    """The cells of each metric: the value and its difference to the first run's.

    Scores on other sequences are not comparable with the first run's, costs are.

    Args:
        reasons: Why the scores of each run are not comparable; empty if they are.
    """
    values = [numbers(entry) for entry in entries]
    for entry, result in zip(entries, values, strict=True):
        if isinstance(epochs := (entry.record or {}).get("epochs"), int):
            result["epochs"] = epochs
    rows: dict[str, list[str]] = {}
    for name in (*_METRICS, *_COSTS):
        if any(name in result for result in values):
            rows[name] = [_cell(name, values[0].get(name), None)]
            for result, why in zip(values[1:], reasons[1:], strict=True):
                first = None if why and name in _METRICS else values[0].get(name)
                rows[name].append(_cell(name, result.get(name), first))
    return rows


def _cell(name: str, value: float | None, first: float | None) -> str:
    if value is None:
        return ""
    is_cost = name in _COSTS
    text = cost(name, value) if is_cost else number(value)
    if first is None:
        return text
    difference = value - first
    return f"{text} {cost(name, difference, '+') if is_cost else f'{difference:+.4f}'}"


def _environment_rows(sides: Sequence[Side]) -> dict[str, list[str]]:
    """The versions, machines and engines that differ; a sweep may have several of each."""
    found: dict[str, list[set[str]]] = {}
    for index, side in enumerate(sides):
        for entry in side.entries:
            content: dict[str, Any] = read_object(entry.folder.path / "provenance.json")
            # Entries that differ between any two commands say nothing about the environment.
            for key, value in flatten(content):
                if key.split(".")[0] not in _NO_ENVIRONMENT:
                    cells = found.setdefault(key.removeprefix("packages."), [set() for _ in sides])
                    cells[index].add(plain_text(value))
    return {
        key: [escape(cut(", ".join(sorted(values)), _LONGEST_VALUE)) for values in cells]
        for key, cells in found.items()
        if any(values != cells[0] for values in cells)
    }
