"""Prints runs or sweeps side by side: configs, metrics, differences and environments."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seqsweep.console import print_lines
from seqsweep.results.by import Sweeps, compare_sweeps
from seqsweep.results.columns import estimate_text
from seqsweep.results.comparison import Matched
from seqsweep.results.data_sets import (
    data_sets,
    sets_of,
    why_apart,
)
from seqsweep.results.formatting import KeyNames, key_names, run_label, status_line
from seqsweep.results.keys import distinguishing_keys
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.replicates import (
    COSTS,
    numbers,
    replicate_of,
    varied_words,
)
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


@dataclass(frozen=True)
class Side:
    """A folder to compare, with its label and its runs."""

    label: str
    folder: Path
    entries: list[Entry]

    @property
    def complete(self) -> list[Entry]:
        """The complete runs."""
        return [entry for entry in self.entries if entry.state == "complete"]


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
    contents: list[dict[str, Any]] = []
    for side in sides:
        states = Counter(entry.state for entry in side.entries)
        contents.append({"label": side.label, "folder": str(side.folder), "states": states})
    return {"sides": contents} | differences


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
    found = [_compare_two(sides[0], side, console) for side in sides[1:]]
    for side in sides:
        print_lines(console, *_best_lines(side), markup=True)
    lists = {key: [each for one in found for each in one[key]] for key in ("configs", "by")}
    overall = {label: of for one in found for label, of in one["overall"].items()}
    return found[-1] | {"overall": overall} | lists


def _compare_two(first: Side, other: Side, console: Console) -> dict[str, Any]:
    """Prints the differences of a sweep to the first one; returns them for `--json`."""
    sides = (first, other)
    found = compare_sweeps((first.label, other.label), (first.complete, other.complete))
    matched = found.matched
    configs = [side.complete[0].config if side.complete else {} for side in sides]
    print_sides(console, "the sweeps differ in", sides, config_rows(found.fixed, configs))
    settings = [row.config for rows in found.rows for row in rows.values()]
    names = key_names(settings[0] if settings else (), settings)
    if matched.matches:
        _print_matches(matched, names, console)
    overall, line = _overall(found)
    lines = [line]
    reasons = Counter(match.apart for match in matched.matches if match.apart)
    for why, number_apart in reasons.items():
        apart = f"{count(number_apart, 'config')} of {other.label} not compared with"
        lines.append(f"[yellow]{escape(f'{apart} {first.label}: {why}')}[/]")
    for side, rows, others in zip(sides, found.rows, found.rows[::-1], strict=True):
        if alone := [row.config for setting, row in rows.items() if setting not in others]:
            lines.append(_alone_line(side, alone, names))
    print_lines(console, *lines, markup=True)
    variation = matched.measure.variation
    score = {"score": matched.measure.metric, "unit": variation.unit, "test": variation.test}
    differences = [
        {
            "keys": match.rows[1].config,
            "differences": {other.label: match.difference} if match.difference else {},
        }
        for match in matched.matches
    ]
    return {
        **(score if settings else {}),
        "overall": {other.label: overall},
        "configs": differences,
        "by": found.blocks,
    }


def _overall(found: Sweeps) -> tuple[dict[str, Any], str]:
    """Returns the mean difference over the configs for `--json`, and the line about it."""
    if found.reason:
        before = "no mean difference: " if any(found.rows) else ""
        return {"interval": None, "reason": found.reason}, f"[yellow]{before}{found.reason}[/]"
    means, measure, pair = found.matched.means, found.matched.measure, found.blocks[0].pairs[0]
    overall: dict[str, Any] = {"interval": measure.difference(means)}
    other, first = (f"[bold]{escape(label)}[/]" for label in found.matched.values)
    runs = count(len(means), measure.variation.unit)
    runs += f" ({varied_words(means)})" if measure.variation.resampled else ""
    configs = count(len(found.matched.differences), "config")
    line = f"{other} - {first}: {measure.metric} {escape(estimate_text(overall['interval'], '+'))}"
    line += f", mean of {configs} in both, over {runs}"
    if pair.p is not None:
        line += f"; p = {pair.p:.2g} ({measure.variation.test.partition(',')[0]})"
        return overall | {"p": pair.p, "significant": pair.verdict == "different"}, line
    return overall, line if len(means) == 1 else f"{line}; {pair.untested}"


def _print_matches(matched: Matched, names: KeyNames, console: Console) -> None:
    """Prints the configs with the largest differences."""
    (other, first), metric = matched.values, matched.measure.metric
    unit = matched.measure.variation.unit
    title = f"{metric} by config, with the difference over shared {unit}s"
    table = new_table([*names.values(), first, other, f"- {first}", f"{unit}s"], keys=len(names))
    for match in matched.matches[:TOP]:
        values = [escape(names.text(key, value)) for key, value in match.rows[1].config.items()]
        samples = [row.samples[metric].values() for row in reversed(match.rows)]
        means = [number(sum(sample) / len(sample)) for sample in samples]
        cells = ["", ""]
        if match.difference:
            cells = [escape(estimate_text(match.difference, "+")), str(match.difference.n)]
        table.add_row(*values, *means, *cells)
    print_table(console, table, f"{title} ({LEVEL:.0%} interval)")
    if len(matched.matches) > TOP:
        print_lines(console, f"and {len(matched.matches) - TOP} more configs", style="dim")


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
