"""Terminal tables: the leaderboard and the state of a folder."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.results.formatting import (
    cost,
    count,
    error_text,
    key_names,
    number,
    value_text,
    with_deviation,
)
from seqsweep.results.leaderboard import (
    TIE_BREAKER,
    Leaderboard,
    Row,
    Value,
    has_chosen,
    leaderboard,
    numbers,
    shares_time,
    tied_with_first,
)
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.significance import LEVEL
from seqsweep.results.terminal_tables import FittingTable, print_table
from seqsweep.results.verdicts import enough_seeds, undecided
from seqsweep.runs.ledger import Entry
from seqsweep.runs.sweepfile import SweepFile

_SPLITS, _KINDS = ("val", "test", "train"), ("acc", "f1", "loss")
_SCORES = [f"{split}/{kind}" for split in _SPLITS for kind in _KINDS]
_ALWAYS = ("val/acc", "test/acc", "test/f1")
_COSTS = ("best_epoch", "params", "train_seconds")
_LEAST = ("f1", "loss", "train_seconds", "params", "best_epoch")
"""What a narrow terminal loses first: kinds of metrics that neither rank nor compare, costs."""


class Signs(NamedTuple):
    """The signs before a deviation, and beside a row that equals the first."""

    deviation: str = "±"
    mark: str = "≈"


def leaderboard_table(
    board: Leaderboard, top: int | None = None, signs: Signs | None = None
) -> Table:
    """The rows, best first; `top` shows only so many."""
    signs = signs or Signs()
    names = key_names(board.keys)
    # Where the first ones are equal in what ranks them, what decided stands beside it.
    ranking = (board.monitor, *([TIE_BREAKER] if tied_with_first(board) > 1 else []))
    scores = [
        name
        for name in _SCORES
        if name in (*_ALWAYS, *ranking, board.compared)
        and any(name in row.metrics for row in board.rows)
    ]
    has_seeds = _has_seeds(board)
    title = f"by {board.chosen_by}"
    table = FittingTable(box=SIMPLE_HEAD, title=title, pad_edge=False)
    marks = [signs.mark] if _marked(board) else []
    _add_columns(table, ["#", *marks])
    table.keys = _add_columns(table, [names[key] for key in board.keys], style="cyan")
    seeds = _add_columns(table, ["seeds"] if has_seeds else [])
    has_lost = any(row.lost for row in board.rows)
    _add_columns(table, ["seeds lost"] if has_lost else [], style="red")
    others: list[int] = []
    for name in scores:
        is_monitor = name == board.monitor
        place = _add_columns(table, [name], style="bold" if is_monitor else "")
        others += [] if is_monitor else place
    _add_columns(table, ["epoch", "params", "seconds"])
    table.spare = _spare([*scores, *_COSTS], len(table.columns), (*ranking, board.compared))
    table.last = [*seeds, *(place for place in others if place not in table.spare)]
    for rank, row in enumerate(board.rows[:top], start=1):
        mark = [signs.mark if _is_marked(row) else ""] if marks else []
        cells = _cells(row, board.keys, scores, has_seeds, has_lost, signs)
        table.add_row(str(rank), *mark, *cells)
    return table


def leaderboard_notes(board: Leaderboard, signs: Signs | None = None) -> list[str]:
    """What the table can and cannot tell: a line each, for below it."""
    signs = signs or Signs()
    notes: list[str] = []
    legend: list[str] = []
    if _has_seeds(board):
        legend.append(f"{signs.deviation} is one standard deviation over the seeds")
    if shares_time(board):
        legend.append("runs of a stack share its seconds equally")
    if legend:
        notes.append(f"[dim]{'; '.join(legend)}[/]")
    if _marked(board):
        notes.append(
            f"{signs.mark} not distinguishable from the first in {board.compared} "
            f"(paired by seed, Wilcoxon signed-rank, Holm, {1 - LEVEL:.0%})"
        )
    missing = len(board.grid.missing)
    if missing:
        are = "is" if missing == 1 else "are"
        ended = ", ".join(f"{number} {state}" for state, number in board.ended.items())
        runs = count(missing + board.grid.there, "run")
        notes.append(f"[yellow]{missing} of {runs} {are} not complete ({ended})[/]")
    if board.left_out:
        notes.append(
            f"[yellow]{count(board.left_out, 'run')} left out: of the same config, data and seed "
            "there is a newer one[/]"
        )
    for why, configs in Counter(row.apart for row in board.rows if row.apart).items():
        notes.append(f"{count(configs, 'config')} not compared with the first: {why}")
    notes += _undecided(board)
    if has_chosen(board) and any(_is_tested(row) for row in board.rows):
        notes.append(
            f"without a test split the first is the one that was lucky in {board.monitor}, which "
            f"chose it: the differences to it in {board.compared} are smaller than they look"
        )
    return notes


def print_leaderboard(console: Console, board: Leaderboard, top: int | None = None) -> None:
    """The table and the lines below it."""
    signs = Signs("+/-", "~") if console.options.ascii_only else Signs()
    print_table(console, leaderboard_table(board, top, signs))
    if top is not None and len(board.rows) > top:
        console.print(f"[dim]and {len(board.rows) - top} more[/]", highlight=False)
    for note in leaderboard_notes(board, signs):
        # On a terminal between words; elsewhere a line stays one line.
        console.print(note, soft_wrap=not console.is_terminal, highlight=False)


def print_folder(
    console: Console, folder: Path, entries: Sequence[Entry], top: int | None = None
) -> None:
    """The leaderboard of a folder, if a run of it is complete.

    Args:
        entries: its runs.
    """
    if any(entry.state == "complete" for entry in entries):
        sweep = SweepFile.read(folder)
        planned = sweep.configs.values() if sweep else ()
        print_leaderboard(console, leaderboard(entries, planned), top)


def status_table(entries: Sequence[Entry]) -> Table:
    """Every run of a folder: its differing keys, its state, its score or its error."""
    keys = distinguishing_keys([entry.config for entry in entries])
    names = key_names(keys)
    table = FittingTable(box=SIMPLE_HEAD, pad_edge=False)
    _add_columns(table, ["run"])
    table.keys = _add_columns(table, [names[key] for key in keys], style="cyan")
    table.add_column("state")
    table.long = len(table.columns) - 1
    *scores, seconds = _add_columns(table, ["val/acc", "test/acc", "seconds"])
    table.spare, table.last = [seconds], scores[::-1]
    for entry in entries:
        table.add_row(
            escape(entry.folder.run_id),
            *(escape(value_text(key, entry.config.get(key))) for key in keys),
            _STATES[entry.state] + _error(entry),
            *_result(entry),
        )
    return table


def status_line(folder: Path, entries: Sequence[Entry]) -> str:
    """`outputs/sweeps/architecture: 24 runs, 23 complete, 1 failed`."""
    counts = Counter(entry.state for entry in entries)
    parts = [f"{counts[state]} {state}" for state in _STATES if counts[state]]
    return f"{escape(str(folder))}: {count(len(entries), 'run')}, {', '.join(parts)}"


_STATES = {
    "complete": "[green]complete[/]",
    "diverged": "[red]diverged[/]",
    "running": "[cyan]running[/]",
    "interrupted": "[yellow]interrupted[/]",
    "failed": "[red]failed[/]",
    "incomplete": "[yellow]incomplete[/]",
    "damaged": "[red]damaged[/]",
}


def _error(entry: Entry) -> str:
    return f" {escape(error_text(entry.state, entry.error))}" if entry.error else ""


def _spare(names: Sequence[str], columns: int, kept: Sequence[str]) -> list[int]:
    """Places of what may go among the last columns, whose names these are; in that order."""
    first = columns - len(names)
    return [
        first + place
        for least in _LEAST
        for place, name in enumerate(names)
        if name.rpartition("/")[2] == least and name not in kept
    ]


def _add_columns(table: Table, names: Sequence[str], style: str = "") -> list[int]:
    """Adds columns of numbers and returns their places.

    Their names are broken where that makes them narrower.
    """
    for name in names:
        header = escape(name).replace("_", "_\n").replace("/", "/\n")
        table.add_column(header, justify="right", style=style, no_wrap=True, vertical="bottom")
    return list(range(len(table.columns) - len(names), len(table.columns)))


def _result(entry: Entry) -> list[str]:
    found = numbers(entry) if entry.state == "complete" else {}
    scores = [number(found[name]) if name in found else "" for name in ("val/acc", "test/acc")]
    return [*scores, _cost("train_seconds", found.get("train_seconds"))]


def _undecided(board: Leaderboard) -> list[str]:
    """Why rows are not compared: too few seeds."""
    differences = [row.difference for row in board.rows if row.difference is not None]
    unknown = [each for each in differences if each.verdict == "undecided"]
    shared = [each.interval.n for each in unknown]
    own = [row.n for row in board.rows if row.difference is not None]
    words = undecided(shared, own, sum(each.differs_by_t for each in unknown))
    if words is None:
        return []
    if any(n > 1 for n in own):
        return [f"[yellow]{words}[/]"]
    return [f"[dim]{words}: seed={enough_seeds(len(own))}[/]"]


def _has_seeds(board: Leaderboard) -> bool:
    return any(row.n > 1 for row in board.rows)


def _marked(board: Leaderboard) -> bool:
    return any(_is_marked(row) for row in board.rows)


def _is_tested(row: Row) -> bool:
    difference = row.difference
    decided = difference is not None and difference.verdict in ("different", "indistinguishable")
    return decided or (difference is not None and difference.differs_by_t)


def _is_marked(row: Row) -> bool:
    """Whether the row was compared with the first and not found different."""
    return row.difference is not None and row.difference.verdict == "indistinguishable"


def _cells(
    row: Row,
    keys: Sequence[str],
    scores: Sequence[str],
    has_seeds: bool,
    has_lost: bool,
    signs: Signs,
) -> list[str]:
    values = [escape(value_text(key, row.config[key])) for key in keys]
    shown = [_score(row.metrics.get(name), signs) for name in scores]
    costs = [_cost(name, row.metrics.get(name)) for name in _COSTS]
    seeds = [str(row.n)] if has_seeds else []
    lost = [row.lost_words] if has_lost else []
    return [*values, *seeds, *lost, *shown, *costs]


def _score(value: Value | None, signs: Signs) -> str:
    return "" if value is None else with_deviation(value.mean, value.std, signs.deviation)


def _cost(name: str, value: Value | float | None) -> str:
    if value is None:
        return ""
    return cost(name, value.mean if isinstance(value, Value) else value)
