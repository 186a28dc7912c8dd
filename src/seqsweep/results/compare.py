"""Prints runs or sweeps side by side: configs, metrics, differences and environments."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seqsweep.console import print_lines
from seqsweep.results.columns import estimate_text
from seqsweep.results.comparison import Comparison, Side, compare_sweeps
from seqsweep.results.data_sets import data_sets, sets_of, why_apart
from seqsweep.results.formatting import KeyNames, key_names, run_label, status_line
from seqsweep.results.keys import distinguishing_keys
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.replicates import COSTS, numbers, replicate_of, varied_words
from seqsweep.results.run_names import readable_names
from seqsweep.results.significance import LEVEL
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import CODE, FlatConfig, flatten
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.metrics import BY_RECORDING, as_metric, own_metrics
from seqsweep.runs.record import FINISHED
from seqsweep.terminal_table import new_table, print_table
from seqsweep.text import cost, count, cut, number, plain_text

MOST_RUNS = 6
"""The most runs that fit side by side."""

TOP = 20
"""The most rows of the table of configs. A line below the table counts the omitted rows."""

_LISTED = 3
"""The most configs to list that only one of the two sweeps has."""

_METRICS = (
    *("val/acc", "val/f1", "val/loss", "test/acc", "test/f1", "test/loss", "train/loss"),
    *(f"{split}/{BY_RECORDING}" for split in ("val", "test")),
)
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
        print_lines(console, "trained in the same environment", style="dim")
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
        line = f"[bold]{escape(side.label)}[/]  {escape(status_line(side.folder, side.entries))}"
        print_lines(console, line, markup=True)
    found = [_print_comparison(compare_sweeps(sides[0], side), console) for side in sides[1:]]
    for side in sides:
        print_lines(console, *_best_lines(side), markup=True)
    result: dict[str, Any] = {"overall": {}, "configs": []}
    for one in found:
        overall, configs = result["overall"] | one["overall"], result["configs"] + one["configs"]
        result = one | {"overall": overall, "configs": configs}
    return result


def _print_comparison(found: Comparison, console: Console) -> dict[str, Any]:
    """Prints the differences of two sweeps; returns them for `--json`."""
    sides = (found.first, found.other)
    configs = [side.complete[0].config if side.complete else {} for side in sides]
    print_sides(console, "the sweeps differ in", sides, config_rows(found.fixed, configs))
    rows = [*(match.config for match in found.matches), *found.alone[0], *found.alone[1]]
    names = key_names(rows[0] if rows else (), rows)
    _print_matches(found, names, console)
    lines = [_overall_line(found)]
    for why, configs in Counter(match.apart for match in found.matches if match.apart).items():
        apart = f"{count(configs, 'config')} of {found.other.label} not compared with"
        lines.append(f"[yellow]{escape(f'{apart} {found.first.label}: {why}')}[/]")
    for side, alone in zip(sides, found.alone, strict=True):
        if alone:
            lines.append(_alone_line(side, alone, names))
    print_lines(console, *lines, markup=True)
    label = found.other.label
    overall: dict[str, Any] = {"interval": found.overall}
    if found.reason:
        overall["reason"] = found.reason
    if found.p is not None:
        overall |= {"p": found.p, "significant": found.is_significant}
    if not found.matches and not any(found.alone):
        return {"overall": {label: overall}, "configs": []}
    by_config = [
        {"keys": match.config, "differences": {label: match.difference} if match.difference else {}}
        for match in found.matches
    ]
    return {
        "score": found.metric,
        "unit": found.variation.unit,
        "test": found.variation.test,
        "overall": {label: overall},
        "configs": by_config,
    }


def _print_matches(found: Comparison, names: KeyNames, console: Console) -> None:
    """Prints the configs with the largest differences."""
    if not found.matches:
        return
    unit, first = found.variation.unit, found.first.label
    title = f"{found.metric} by config, with the difference over shared {unit}s"
    headers = [*names.values(), first, found.other.label, f"- {first}", f"{unit}s"]
    table = new_table(headers, keys=len(names))
    for match in found.matches[:TOP]:
        values = [escape(names.text(key, value)) for key, value in match.config.items()]
        cells = ["", ""]
        if match.difference:
            cells = [escape(estimate_text(match.difference, "+")), str(match.difference.n)]
        table.add_row(*values, *map(number, match.means), *cells)
    print_table(console, table, f"{title} ({LEVEL:.0%} interval)")
    if len(found.matches) > TOP:
        print_lines(console, f"and {len(found.matches) - TOP} more configs", style="dim")


def _overall_line(found: Comparison) -> str:
    """Says how large the mean difference is, and how certain it is."""
    variation = found.variation
    if found.overall is None:
        before = "" if not found.matches and not any(found.alone) else "no mean difference: "
        return f"[yellow]{before}{found.reason}[/]"
    first, other = (f"[bold]{escape(side.label)}[/]" for side in (found.first, found.other))
    configs = count(sum(bool(match.differences) for match in found.matches), "config")
    runs = count(len(found.means), variation.unit)
    runs += f" ({varied_words(found.means)})" if variation.resampled else ""
    line = f"{other} - {first}: {found.metric} {escape(estimate_text(found.overall, '+'))}"
    line += f", mean of {configs} in both, over {runs}"
    if found.p is not None:
        return f"{line}; p = {found.p:.2g} ({variation.test.partition(',')[0]})"
    return line if len(found.means) == 1 else f"{line}; {found.untested}"


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
        print_lines(console, line, markup=True)
    entries = [side.entries[0] for side in sides]
    configs = [entry.config for entry in entries]
    # A damaged config is empty, and would make every key differ.
    readable = [config for config in configs if config]
    rows = config_rows(distinguishing_keys(readable, keep_shared=True), configs)
    if not rows:
        print_lines(console, "the configs are equal in everything that affects a result")
    if any(entry.state != "complete" for entry in entries):
        rows["state"] = [entry.state for entry in entries]
    print_sides(console, "config", sides, rows)
    title = "at the best epoch, and the difference to the first"
    print_sides(console, title, sides, _metric_rows(entries))
    for side, why in zip(sides, _reasons_apart(entries, "val/acc"), strict=True):
        if why:
            has_windows = f"val/{BY_RECORDING}" in side.entries[0].record.metrics
            scores = "scores by window" if has_windows else "scores"
            line = f"{side.label}: {why}, so its {scores} are not compared"
            print_lines(console, line, style="yellow")


def _reasons_apart(entries: Sequence[Entry], metric: str) -> list[str]:
    """Says why each run's scores are not comparable; empty for comparable scores."""
    # A run without a record has no scores to compare, so it needs no reason.
    sets = [sets_of(entry, as_metric(metric)) for entry in entries]
    pairs = zip(entries, sets, strict=True)
    return [why_apart(sets[0], of) if entry.state in FINISHED else "" for entry, of in pairs]


def _metric_rows(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Returns each metric's cells: the values and differences to the first run.

    Scores on different sequences are not compared. Costs are always compared.
    """
    values = [numbers(entry) for entry in entries]
    rows: dict[str, list[str]] = {}
    own = own_metrics(name for result in values for name in result)
    for name in dict.fromkeys((*_METRICS, *own, *COSTS)):
        cells = [_text(name, result[name]) if name in result else "" for result in values]
        reasons = [""] * len(entries) if name in COSTS else _reasons_apart(entries, name)
        for index, why in enumerate(reasons[1:], start=1):
            if not why and name in values[0] and name in values[index]:
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


def print_sides(
    console: Console, title: str, sides: Sequence[Side], rows: Mapping[str, Sequence[str]]
) -> bool:
    """Prints a table with a column per side; returns whether it has rows."""
    table = new_table(["", *(side.label for side in sides)])
    for name, cells in rows.items():
        table.add_row(escape(name), *cells)
    if rows:
        print_table(console, table, title)
    return bool(rows)


def config_rows(keys: Sequence[str], configs: Sequence[FlatConfig]) -> dict[str, list[str]]:
    """Returns each key's values in the configs, by the key's name."""
    names = key_names(keys, configs)
    return {
        name: [escape(names.text(key, config.get(key))) if config else "" for config in configs]
        for key, name in names.items()
    }


def _alone_line(side: Side, configs: Sequence[FlatConfig], names: KeyNames) -> str:
    """Names the configs that the other sweep does not have."""
    listed = [escape(run_label(config, names)) for config in configs[:_LISTED]]
    listed += [f"and {len(configs) - _LISTED} more"] if len(configs) > _LISTED else []
    only = f"{count(len(configs), 'config')} only in [bold]{escape(side.label)}[/]"
    return f"{only}: {'; '.join(listed)}"
