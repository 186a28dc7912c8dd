"""Prints runs or sweeps side by side: configs, metrics, differences and environments."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seqsweep.console import print_lines
from seqsweep.results.columns import estimate_text
from seqsweep.results.comparison import By, Matched, judge, match_rows
from seqsweep.results.data_sets import (
    data_key,
    data_names,
    data_sets,
    group_by,
    recordings_key,
    sets_of,
    why_apart,
)
from seqsweep.results.formatting import KeyNames, key_names, run_label, status_line
from seqsweep.results.keys import distinguishing_keys, follows, text_columns
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.measures import Measure
from seqsweep.results.replicates import (
    COSTS,
    Variation,
    newest,
    numbers,
    replicate_of,
    shared_metric,
    variation_of,
    varied_words,
)
from seqsweep.results.rows import Row, make_row
from seqsweep.results.run_names import readable_names
from seqsweep.results.significance import LEVEL
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import CODE, REPLICATE_KEYS, FlatConfig, flatten
from seqsweep.runs.ledger import Entry, read_folder, value_key
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


_SWEEP = "sweep"
"""The key whose values are the compared sweeps."""


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


Sides = tuple[Side, Side]
"""The first sweep and another one."""


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
    found = [_compare_two((sides[0], side), console) for side in sides[1:]]
    for side in sides:
        print_lines(console, *_best_lines(side), markup=True)
    lists = {key: [each for one in found for each in one[key]] for key in ("configs", "by")}
    overall = {label: of for one in found for label, of in one["overall"].items()}
    return found[-1] | {"overall": overall} | lists


def _compare_two(sides: Sides, console: Console) -> dict[str, Any]:
    """Prints the differences of a sweep to the first one; returns them for `--json`."""
    first, other = sides
    fixed = _keys_between(sides)
    configs = [side.complete[0].config if side.complete else {} for side in sides]
    print_sides(console, "the sweeps differ in", sides, config_rows(fixed, configs))
    (ours, theirs), measure = _rows_by_config(sides, fixed)
    if not ours:
        reason = "no metric is common to the complete runs"
        print_lines(console, reason, style="yellow")
        overall = {"interval": None, "reason": reason}
        return {"overall": {other.label: overall}, "configs": [], "by": []}
    matched = match_rows((other.label, first.label), theirs, ours, measure)
    blocks = _blocks(matched, sides, fixed)
    overall, line = _overall(matched, blocks)
    settings = [row.config for row in (*ours.values(), *theirs.values())]
    names = key_names(settings[0], settings)
    if matched.matches:
        _print_matches(matched, names, console)
    lines = [line]
    reasons = Counter(match.apart for match in matched.matches if match.apart)
    for why, configs in reasons.items():
        apart = f"{count(configs, 'config')} of {other.label} not compared with"
        lines.append(f"[yellow]{escape(f'{apart} {first.label}: {why}')}[/]")
    for side, rows, others in ((first, ours, theirs), (other, theirs, ours)):
        if alone := [row.config for setting, row in rows.items() if setting not in others]:
            lines.append(_alone_line(side, alone, names))
    print_lines(console, *lines, markup=True)
    variation = measure.variation
    return {
        "score": measure.metric,
        "unit": variation.unit,
        "test": variation.test,
        "overall": {other.label: overall},
        "configs": [
            {
                "keys": match.rows[1].config,
                "differences": {other.label: match.difference} if match.difference else {},
            }
            for match in matched.matches
        ],
        "by": blocks,
    }


def _keys_between(sides: Sides) -> list[str]:
    """Returns the keys that differ between the sweeps but not within one."""
    entries = [(side.label, entry.config) for side in sides for entry in side.complete]
    sweeps, configs = [label for label, _ in entries], [config for _, config in entries]
    columns = text_columns(distinguishing_keys(configs, keep_shared=True), configs)
    return [
        key
        for key, column in columns.items()
        if key not in REPLICATE_KEYS and follows(sweeps, column)
    ]


def _rows_by_config(
    sides: Sides, fixed: Sequence[str]
) -> tuple[tuple[dict[str, Row], dict[str, Row]], Measure]:
    """Returns each sweep's rows by config, empty without a common metric, and the metric."""
    metric = shared_metric([side.complete for side in sides])
    runs = [[entry for entry in side.complete if metric in numbers(entry)] for side in sides]
    if not all(runs):
        return ({}, {}), Measure(metric, Variation())
    every = [entry for of_side in runs for entry in of_side]
    # The configs are matched without the fixed keys, because otherwise no config would match.
    without = {*REPLICATE_KEYS, *fixed}
    keys = [key for key in distinguishing_keys([e.config for e in every]) if key not in without]
    # Data that differ only between the sweeps do not distinguish the configs of one sweep.
    data = data_names(every) if any(map(data_names, runs)) else {}

    def setting(entry: Entry) -> str:
        values = [entry.config.get(key) for key in keys]
        return value_key([*values, data_key(entry)] if data else values)

    groups = [group_by(of_side, setting) for of_side in runs]
    variation = variation_of([group for of_side in groups for group in of_side.values()])
    ours, theirs = (
        {
            setting: make_row(newest(group, variation), keys, data, {}, variation, metric)
            for setting, group in of_side.items()
        }
        for of_side in groups
    )
    return (ours, theirs), Measure(metric, variation)


def _blocks(matched: Matched, sides: Sides, fixed: Sequence[str]) -> list[By]:
    """Returns the sweeps as values of a key, compared on each data set."""
    entries = [entry for side in sides for entry in side.complete]
    names = {entry.folder.path: one.name for one in data_sets(entries) for entry in one.entries}
    notes = [f"{name} changes with {_SWEEP}" for name in key_names(fixed).values()]
    sets = group_by(matched.matches, lambda match: recordings_key(match.rows[1].entries[0]))
    blocks: list[By] = []
    for matches in sets.values():
        measure = matched.measure
        if len(sets) > 1:  # only some data sets may have several splits
            groups = [row.entries for match in matches for row in match.rows]
            measure = replace(measure, variation=variation_of(groups))
        data = names.get(matches[0].rows[1].entries[0].folder.path, "data")
        unit, test = measure.variation.unit, measure.variation.test
        block = By(data, _SWEEP, _SWEEP, measure.metric, unit, test, notes=notes)
        blocks.append(judge(block, [Matched(matched.values, matches, measure)]))
    return blocks


def _overall(matched: Matched, blocks: Sequence[By]) -> tuple[dict[str, Any], str]:
    """Returns the mean difference over the configs for `--json`, and the line about it."""
    means, measure, variation = matched.means, matched.measure, matched.measure.variation
    reason = "" if means else matched.reason
    if len(blocks) != 1:
        apart = "scores of different data sets have no common scale"
        reason = apart if blocks else "no config is in both"
    if reason:
        return {"interval": None, "reason": reason}, f"[yellow]no mean difference: {reason}[/]"
    overall: dict[str, Any] = {"interval": measure.difference(means)}
    other, first = (f"[bold]{escape(label)}[/]" for label in matched.values)
    runs = count(len(means), variation.unit)
    runs += f" ({varied_words(means)})" if variation.resampled else ""
    line = f"{other} - {first}: {measure.metric} {escape(estimate_text(overall['interval'], '+'))}"
    line += f", mean of {count(len(matched.differences), 'config')} in both, over {runs}"
    pair = blocks[0].pairs[0]
    if pair.p is not None:
        line += f"; p = {pair.p:.2g} ({variation.test.partition(',')[0]})"
        return overall | {"p": pair.p, "significant": pair.verdict == "different"}, line
    return overall, line if len(means) == 1 else f"{line}; {measure.why_untested(means)}"


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
