"""Prints tables to the terminal: leaderboards, configs by data sets, states of runs."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.console import print_lines
from seqsweep.results.across_sets import AcrossSets
from seqsweep.results.columns import Column, board_columns, needed_metrics, of_kinds
from seqsweep.results.formatting import error_text, key_names, with_deviation
from seqsweep.results.keys import label_keys
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.replicates import numbers
from seqsweep.results.significance import Estimate
from seqsweep.results.words import (
    Signs,
    leaderboard_notes,
    rank_cells,
    ranking_words,
)
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import as_metric, knows_metrics
from seqsweep.text import cost, count, number

_BELOW = ("difference", "p", "verdict")
"""The kinds of columns that the mark and the lines below the table stand for."""

_STYLES = {"key": "cyan", "lost": "red"}
_SPARE = ("f1", "loss", "train_seconds", "params", "best_epoch")
"""The columns that a narrow terminal omits, in this order, unless they rank or compare rows."""

_STATES = {
    "complete": "[green]complete[/]",
    "diverged": "[red]diverged[/]",
    "pruned": "[yellow]pruned[/]",
    "running": "[cyan]running[/]",
    "interrupted": "[yellow]interrupted[/]",
    "failed": "[red]failed[/]",
    "incomplete": "[yellow]incomplete[/]",
    "damaged": "[red]damaged[/]",
    "of another version": "[yellow]of another version[/]",
}

_SHORTEST = 24
"""The fewest characters to which a long text is cut, even if the table stays too wide."""

MOST_ROWS = 1000
"""The default limit of a table's rows. Rich takes a millisecond for each row."""


class FittingTable(Table):
    """A table that can be narrowed to fit a terminal."""

    spare: Sequence[int] = ()
    """The indices of the columns that may be omitted, the least important first."""
    long: int | None = None
    """The index of a column of texts that may be cropped; None for no column."""


def print_table(console: Console, table: Table, title: str = "") -> None:
    """Prints a table below its title; on a terminal only the columns that fit.

    A table that cannot fit is printed wider than the terminal, because rich would cut numbers.
    Other programs get no blanks at the ends of lines, and no empty lines around the table.
    """
    print_lines(console, *([title] if title else []), style="italic")
    if console.is_terminal and isinstance(table, FittingTable):
        table = _fitted(console, table)
    # Rich cuts texts that are wider than the console, so the console is widened.
    width = console.width
    console.width = max(width, _width(console, table))
    if console.is_terminal:
        console.print(table)
    else:
        rows = console.render_lines(table, pad=False)
        lines = ["".join(part.text for part in row).rstrip() for row in rows]
        text = "\n".join(lines).strip("\n")
        console.print(text, soft_wrap=True, highlight=False, markup=False)
    console.width = width


def _fitted(console: Console, table: FittingTable) -> Table:
    """Returns the table without spare columns that do not fit, and crops long texts."""
    result: Table = table
    for lost in range(len(table.spare) + 1):
        gone = table.spare[:lost]
        columns = {i: copy(column) for i, column in enumerate(table.columns) if i not in gone}
        result = Table(
            *columns.values(),
            box=table.box,
            pad_edge=table.pad_edge,
        )
        result.rows = table.rows
        over = _width(console, result) - console.width
        if over > 0 and table.long is not None:
            texts = columns[table.long]
            widest = max((console.measure(cell).maximum for cell in texts.cells), default=0)
            texts.max_width = max(_SHORTEST, widest - over)
            over = _width(console, result) - console.width
        if over <= 0:
            break
    return result


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=10_000)).maximum


def new_table(headers: Sequence[str], keys: int = 0) -> FittingTable:
    """Returns a table without rows; the first `keys` columns are for config values."""
    table = FittingTable(box=SIMPLE_HEAD, pad_edge=False)
    for index, header in enumerate(headers):
        justify, style = "right" if index or keys else "left", "cyan" if index < keys else ""
        table.add_column(escape(header), justify=justify, style=style, no_wrap=True)
    return table


def leaderboard_table(
    board: Leaderboard, top: int | None = None, signs: Signs | None = None
) -> Table:
    """Returns the table of a leaderboard, best row first, at most `top` rows."""
    columns = [one for one in board_columns(board, signs) if one.kind not in _BELOW]
    table = FittingTable(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        style = "bold" if column.key == board.monitor else _STYLES.get(column.kind, "")
        _add_columns(table, [column.head], style)
    table.spare = [*map(columns.index, _spare_columns(columns, board))]
    for row in board.rows[:top]:
        table.add_row(*(escape(column.cell(row).text) for column in columns))
    return table


def _spare_columns(columns: Sequence[Column], board: Leaderboard) -> list[Column]:
    """Returns what a narrow terminal omits: other metrics, costs, replicates, then scores."""
    needed, metrics = needed_metrics(board), of_kinds(columns, "score", "metric")
    own = [one for one in metrics if not as_metric(one.key).is_ours]
    usual = [
        one
        for kind in _SPARE
        for one in (*metrics, *of_kinds(columns, "cost"))
        if kind in (one.key, as_metric(one.key).kind)
    ]
    first = [one for one in (*own, *usual) if one.key not in needed]
    scores = [one for one in metrics if one.key != board.monitor]
    return [*dict.fromkeys([*first, *of_kinds(columns, "count"), *scores])]


def print_leaderboard(console: Console, board: Leaderboard, top: int | None = None) -> None:
    """Prints the leaderboard and its notes; `top` rows, by default `MOST_ROWS`."""
    top = MOST_ROWS if top is None else top
    signs = Signs("+/-", "~") if console.options.ascii_only else Signs()
    print_table(console, leaderboard_table(board, top, signs), f"by {board.chosen_by}")
    _print_below(console, len(board.rows) - top, leaderboard_notes(board, signs))


def _print_below(console: Console, cut: int, notes: Iterable[str]) -> None:
    # A shortened table must not look like the whole table.
    if cut > 0:
        print_lines(console, f"and {cut} more", style="dim")
    print_lines(console, *notes)


def print_across_sets(console: Console, found: AcrossSets, top: int | None = None) -> None:
    """Prints the table of configs by data sets, and its notes."""
    table = _across_table(found, top, "+/-" if console.options.ascii_only else "±")
    print_table(console, table, f"{found.metric} by data set")
    cut = len(found.methods) - (top or len(found.methods))
    _print_below(console, cut, ranking_words(found))


def _across_table(found: AcrossSets, top: int | None, deviation: str) -> Table:
    """Returns the configs with their ranks and a column for each data set."""
    names = key_names(found.methods[0].keys, (method.keys for method in found.methods))
    keys = list(names.values()) or ["config"]
    ranks = ["mean rank", "won/drawn/lost", "p"] if found.ranking else []
    headers = [*keys, *ranks, *found.sets]
    table = new_table(headers, keys=len(keys))
    # A narrow terminal omits the last data sets first, because the ranks summarise them.
    table.spare = range(len(headers) - 1, len(keys) + len(ranks), -1)
    for index, method in enumerate(found.methods[:top]):
        values = [escape(names.text(key, value)) for key, value in method.keys.items()]
        cells = [with_deviation(cell, deviation) for cell in method.cells]
        table.add_row(*(values or [escape(method.words)]), *rank_cells(found, index), *cells)
    return table


def status_table(entries: Sequence[Entry], most: int | None = None) -> Table:
    """Returns a table of at most `most` runs: differing keys, state, scores."""
    configs = [entry.config for entry in entries]
    names = key_names(label_keys(configs), configs)
    table = FittingTable(box=SIMPLE_HEAD, pad_edge=False)
    _add_columns(table, ["run"])
    _add_columns(table, names.values(), style="cyan")
    # The state column ends with the error, the only text that may be cut.
    table.long = len(table.columns)
    table.add_column("state", no_wrap=True, overflow="ellipsis")
    complete = [entry for entry in entries if entry.state == "complete"]
    own = [config for config in configs if not knows_metrics(config)]
    scores = dict.fromkeys([] if own and len(own) == len(configs) else ["val/acc", "test/acc"])
    if own and complete:
        with contextlib.suppress(ValueError):  # the leaderboard says why there is no score
            board = leaderboard(complete)
            scores |= dict.fromkeys((board.monitor, board.compared))
    # The validation score is omitted last.
    table.spare = _add_columns(table, [*scores, "seconds"])[::-1]
    if most is not None and len(entries) > most:
        # Runs without scores come first. Python's sort keeps the order of equal entries.
        entries = sorted(entries, key=lambda entry: entry.state in ("complete", "pruned"))[:most]
    for entry in entries:
        values = numbers(entry) if entry.state in ("complete", "pruned") else {}
        results = [number(values[n]) if n in values else "" for n in scores]
        error = f" {escape(error_text(entry.state, entry.error))}" if entry.error else ""
        table.add_row(
            escape(entry.folder.run_id),
            *(escape(names.text(key, entry.config.get(key))) for key in names),
            _STATES[entry.state] + error,
            *results,
            _cost("train_seconds", values.get("train_seconds")),
        )
    return table


def status_line(folder: Path, entries: Sequence[Entry]) -> str:
    """Counts a folder's runs by state: `outputs/sweeps/a: 24 runs, 23 complete, 1 failed`."""
    counts = Counter(entry.state for entry in entries)
    parts = [f"{counts[state]} {state}" for state in _STATES if counts[state]]
    return f"{folder}: {count(len(entries), 'run')}, {', '.join(parts)}"


def _add_columns(table: Table, names: Iterable[str], style: str = "") -> list[int]:
    """Adds right-aligned columns and returns their indices."""
    start = len(table.columns)
    for name in names:
        # A name broken in two lines makes a narrow column.
        header = escape(name).replace("_", "_\n").replace("/", "/\n")
        table.add_column(header, justify="right", style=style, no_wrap=True, vertical="bottom")
    return list(range(start, len(table.columns)))


def _cost(name: str, value: Estimate | float | None) -> str:
    if value is None:
        return ""
    return cost(name, value.mean if isinstance(value, Estimate) else value)
