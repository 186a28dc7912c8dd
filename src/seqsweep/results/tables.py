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
from seqsweep.runs.ledger import Entry, differing_keys, short_names

_SCORES = ("val/acc", "val/f1", "val/loss", "test/acc", "test/f1", "train/loss")
_ALWAYS = ("val/acc", "test/acc", "test/f1")


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
    _add_columns(table, ["#"])
    _add_columns(table, [names[key] for key in board.keys], style="cyan")
    _add_columns(table, ["seeds"] if has_seeds else [])
    for name in scores:
        _add_columns(table, [name], style="bold" if name == board.monitor else "")
    _add_columns(table, ["epoch", "params", "seconds"])
    for rank, row in enumerate(board.rows[:top], start=1):
        table.add_row(*_cells(rank, row, board.keys, scores, has_seeds))
    return table


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


def _cells(
    rank: int, row: Row, keys: Sequence[str], scores: Sequence[str], has_seeds: bool
) -> list[str]:
    values = [show_value(row.config[key]) for key in keys]
    shown = [_score(row.metrics.get(name)) for name in scores]
    epoch, params, seconds = (
        row.metrics[name].mean for name in ("best_epoch", "params", "train_seconds")
    )
    seeds = [str(row.n)] if has_seeds else []
    return [str(rank), *values, *seeds, *shown, f"{epoch:.0f}", f"{params:,.0f}", f"{seconds:.1f}"]


def _score(value: Value | None) -> str:
    if value is None:
        return ""
    return f"{value.mean:.4f}" + ("" if value.std is None else f" ±{value.std:.4f}")
