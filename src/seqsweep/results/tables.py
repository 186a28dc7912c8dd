"""Terminal tables: the leaderboard and the state of a folder."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.results.leaderboard import Leaderboard, Row, Value
from seqsweep.results.statistics import LEVEL, seeds_needed
from seqsweep.runs.ledger import Entry, differing_keys, short_names

_SCORES = ("val/acc", "val/f1", "val/loss", "test/acc", "test/f1", "train/loss")
_ALWAYS = ("val/acc", "test/acc", "test/f1")
_MARK = "≈"


def leaderboard_table(board: Leaderboard, top: int | None = None) -> Table:
    """The rows, best first; `top` shows only so many."""
    names = short_names(board.keys)
    scores = [
        name
        for name in _SCORES
        if (name in _ALWAYS or name == board.monitor)
        and any(name in row.metrics for row in board.rows)
    ]
    has_seeds = any(row.n > 1 for row in board.rows)
    table = Table(box=SIMPLE_HEAD, title=f"by {board.monitor} of the best epoch", pad_edge=False)
    marks = [_MARK] if _marked(board) else []
    _add_columns(table, ["#", *marks])
    _add_columns(table, [names[key] for key in board.keys], style="cyan")
    _add_columns(table, ["seeds"] if has_seeds else [])
    for name in scores:
        _add_columns(table, [name], style="bold" if name == board.monitor else "")
    _add_columns(table, ["epoch", "params", "seconds"])
    for rank, row in enumerate(board.rows[:top], start=1):
        mark = [_MARK if _is_marked(row) else ""] if marks else []
        table.add_row(str(rank), *mark, *_cells(row, board.keys, scores, has_seeds))
    return table


def leaderboard_notes(board: Leaderboard) -> list[str]:
    """What the table can and cannot tell: a line each, for below it."""
    notes: list[str] = []
    if _marked(board):
        notes.append(
            f"{_MARK} not distinguishable from the first in {board.compared} "
            f"(paired by seed, Wilcoxon signed-rank, Holm, {1 - LEVEL:.0%})"
        )
    missing = len(board.grid.missing)
    if missing:
        notes.append(
            f"[yellow]the grid has holes: {missing} of {board.grid.size} runs are missing[/]"
        )
    return notes + _undecided(board)


def print_leaderboard(console: Console, board: Leaderboard, top: int | None = None) -> None:
    """The table and the lines below it."""
    print_table(console, leaderboard_table(board, top))
    for note in leaderboard_notes(board):
        console.print(note, soft_wrap=True, highlight=False)


def status_table(entries: Sequence[Entry]) -> Table:
    """Every run of a folder: its differing keys, its state, its score or its error."""
    keys = differing_keys([entry.config for entry in entries])
    names = short_names(keys)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    _add_columns(table, ["run"])
    _add_columns(table, [names[key] for key in keys], style="cyan")
    table.add_column("state")
    _add_columns(table, ["val/acc", "test/acc", "seconds"])
    for entry in entries:
        table.add_row(
            escape(entry.folder.run_id),
            *(show_value(entry.config.get(key)) for key in keys),
            _STATES[entry.state] + (f" {escape(entry.error)}" if entry.error else ""),
            *_result(entry),
        )
    return table


def print_table(console: Console, table: Table) -> None:
    """Prints a table whole: rich would cut numbers short to fit a narrow terminal."""
    wide = console.options.update(width=10_000)
    console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)


def status_line(folder: Path, entries: Sequence[Entry]) -> str:
    """`outputs/sweeps/architecture: 24 runs, 23 complete, 1 failed`."""
    counts = Counter(entry.state for entry in entries)
    parts = [f"{counts[state]} {state}" for state in _STATES if counts[state]]
    return f"{escape(str(folder))}: {len(entries)} runs, {', '.join(parts)}"


def show_value(value: Any) -> str:
    """A config value as Hydra's command line writes it."""
    words = {True: "true", False: "false", None: "null"}
    return words[value] if value is None or isinstance(value, bool) else escape(str(value))


_STATES = {
    "complete": "[green]complete[/]",
    "diverged": "[red]diverged[/]",
    "running": "[cyan]running[/]",
    "interrupted": "[yellow]interrupted[/]",
    "failed": "[red]failed[/]",
    "incomplete": "[yellow]incomplete[/]",
}


def _add_columns(table: Table, names: Sequence[str], style: str = "") -> None:
    """Columns of numbers; their names are broken where that makes them narrower."""
    for name in names:
        header = escape(name).replace("_", "_\n").replace("/", "/\n")
        table.add_column(header, justify="right", style=style, no_wrap=True, vertical="bottom")


def _result(entry: Entry) -> tuple[str, str, str]:
    if entry.record is None or entry.state != "complete":
        return "", "", ""
    metrics = entry.record["metrics"]
    shown = [f"{metrics[name]:.4f}" if name in metrics else "" for name in ("val/acc", "test/acc")]
    return shown[0], shown[1], f"{entry.record['train_seconds']:.1f}"


def _undecided(board: Leaderboard) -> list[str]:
    """Why rows are not compared: too few seeds."""
    differences = [row.difference for row in board.rows if row.difference is not None]
    shared = [each.interval.n for each in differences if each.verdict == "undecided"]
    if not shared:
        return []
    needed = seeds_needed(len(board.rows))
    if all(row.n == 1 for row in board.rows):
        return [
            f"[dim]one seed each: no difference can be told from chance; "
            f"it takes at least {needed}, seed={','.join(map(str, range(needed)))}[/]"
        ]
    if len(shared) < len(board.rows) - 1:
        return [
            f"[yellow]{len(shared)} of {len(board.rows)} configs share too few seeds with the "
            f"first to be told from it: it takes at least {needed}[/]"
        ]
    most = max(shared)
    seeds = f"{most} {'seed' if most == 1 else 'seeds'}" if most else "no shared seed"
    return [
        f"[yellow]{seeds} cannot tell {len(board.rows)} configs apart: "
        f"it takes at least {needed}[/]"
    ]


def _marked(board: Leaderboard) -> bool:
    return any(_is_marked(row) for row in board.rows)


def _is_marked(row: Row) -> bool:
    """Whether the row was compared with the first and not found different."""
    return row.difference is not None and row.difference.verdict == "indistinguishable"


def _cells(row: Row, keys: Sequence[str], scores: Sequence[str], has_seeds: bool) -> list[str]:
    values = [show_value(row.config[key]) for key in keys]
    shown = [_score(row.metrics.get(name)) for name in scores]
    epoch, params, seconds = (
        row.metrics[name].mean for name in ("best_epoch", "params", "train_seconds")
    )
    seeds = [str(row.n)] if has_seeds else []
    return [*values, *seeds, *shown, f"{epoch:.0f}", f"{params:,.0f}", f"{seconds:.1f}"]


def _score(value: Value | None) -> str:
    if value is None:
        return ""
    return f"{value.mean:.4f}" + ("" if value.std is None else f" ±{value.std:.4f}")
