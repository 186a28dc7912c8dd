"""Terminal tables: the leaderboard and the state of a folder."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.results.board_notes import (
    CHOSEN,
    Signs,
    has_marks,
    has_replicates,
    is_marked,
    leaderboard_notes,
)
from seqsweep.results.formatting import (
    cost,
    count,
    error_text,
    key_names,
    number,
    value_text,
    with_deviation,
)
from seqsweep.results.leaderboard import TIE_BREAKER, Leaderboard
from seqsweep.results.naming import label_keys
from seqsweep.results.replicates import numbers
from seqsweep.results.significance import Estimate
from seqsweep.results.terminal_tables import FittingTable, print_table
from seqsweep.runs.ledger import Entry

_SPLITS, _KINDS = ("val", "test", "train"), ("acc", "f1", "loss")
_SCORES = [f"{split}/{kind}" for split in _SPLITS for kind in _KINDS]
_ALWAYS = ("val/acc", "test/acc", "test/f1")
_COSTS = ("best_epoch", "params", "train_seconds")
_SPARE = ("f1", "loss", "train_seconds", "params", "best_epoch")
"""The columns that a narrow terminal loses, the first one first, unless they rank or compare."""

MOST_ROWS = 1000
"""The most rows of a table, unless more are asked for. Rich takes a millisecond for each."""


def leaderboard_table(
    board: Leaderboard, top: int | None = None, signs: Signs | None = None
) -> Table:
    """The rows of a leaderboard, best first; `top` limits their number."""
    signs = signs or Signs()
    # The optional columns that this leaderboard needs.
    marked, repeated = has_marks(board), has_replicates(board)
    lost = any(row.lost for row in board.rows)
    unit = board.variation.unit
    # The metrics that rank and compare; if the first rows tie, also the one that decides.
    needed = [board.monitor, board.compared, *([TIE_BREAKER] if board.tied > 1 else [])]
    recorded = {name for row in board.rows for name in row.metrics}
    scores = [name for name in _SCORES if name in recorded.intersection((*_ALWAYS, *needed))]

    table = FittingTable(box=SIMPLE_HEAD, title=f"by {board.chosen_by}", pad_edge=False)
    _add_columns(table, ["#", signs.mark] if marked else ["#"])
    table.keys = _add_columns(table, key_names(board.keys).values(), style="cyan")
    replicates = _add_columns(table, [f"{unit}s"] if repeated else [])
    _add_columns(table, [f"{unit}s lost"] if lost else [], style="red")
    others: list[int] = []
    for name in scores:
        is_monitor = name == board.monitor
        index = _add_columns(table, [name], style="bold" if is_monitor else "")
        others += [] if is_monitor else index
    _add_columns(table, ["epoch", "params", "seconds"])
    # A narrow terminal first loses other metrics and costs, then replicates and scores.
    table.spare = _spare_columns([*scores, *_COSTS], len(table.columns), needed)
    table.last = [*replicates, *(index for index in others if index not in table.spare)]
    for rank, row in enumerate(board.rows[:top], start=1):
        mark = signs.mark if is_marked(row) else ""
        table.add_row(
            f"{rank}{CHOSEN if row.is_chosen else ''}",
            *([mark] if marked else []),
            *(escape(value_text(key, row.config[key])) for key in board.keys),
            *([str(row.n)] if repeated else []),
            *([row.lost_words] if lost else []),
            *(_score(row.metrics.get(name), signs) for name in scores),
            *(_cost(name, row.metrics.get(name)) for name in _COSTS),
        )
    return table


def print_leaderboard(console: Console, board: Leaderboard, top: int | None = None) -> None:
    """Prints the leaderboard and its notes.

    Args:
        top: The most rows; None stands for `MOST_ROWS`.
    """
    top = MOST_ROWS if top is None else top
    signs = Signs("+/-", "~") if console.options.ascii_only else Signs()
    print_table(console, leaderboard_table(board, top, signs))
    # A shortened table must not look like the whole.
    if len(board.rows) > top:
        console.print(f"[dim]and {len(board.rows) - top} more[/]", highlight=False)
    for note in leaderboard_notes(board, signs):
        # A terminal breaks the line between words; in a file it stays one line.
        console.print(note, soft_wrap=not console.is_terminal, highlight=False)


def status_table(entries: Sequence[Entry], most: int | None = None) -> Table:
    """A table of the runs: differing keys, state, and score or error.

    Args:
        most: The number of rows. If there are more runs, those that are not done come first.
    """
    keys = label_keys([entry.config for entry in entries])
    table = FittingTable(box=SIMPLE_HEAD, pad_edge=False)
    _add_columns(table, ["run"])
    table.keys = _add_columns(table, key_names(keys).values(), style="cyan")
    table.add_column("state")
    # The state ends with the error, the one text that may be broken into lines.
    table.long = len(table.columns) - 1
    *scores, seconds = _add_columns(table, ["val/acc", "test/acc", "seconds"])
    # The validation score is the last to go.
    table.spare, table.last = [seconds], scores[::-1]
    if most is not None and len(entries) > most:
        # Python keeps the order of equal entries.
        entries = sorted(entries, key=lambda entry: entry.state in ("complete", "pruned"))[:most]
    for entry in entries:
        values = numbers(entry) if entry.state in ("complete", "pruned") else {}
        results = [number(values[n]) if n in values else "" for n in ("val/acc", "test/acc")]
        error = f" {escape(error_text(entry.state, entry.error))}" if entry.error else ""
        table.add_row(
            escape(entry.folder.run_id),
            *(escape(value_text(key, entry.config.get(key))) for key in keys),
            _STATES[entry.state] + error,
            *results,
            _cost("train_seconds", values.get("train_seconds")),
        )
    return table


def status_line(folder: Path, entries: Sequence[Entry]) -> str:
    """A folder's runs by state: `outputs/sweeps/a: 24 runs, 23 complete, 1 failed`."""
    counts = Counter(entry.state for entry in entries)
    parts = [f"{counts[state]} {state}" for state in _STATES if counts[state]]
    return f"{escape(str(folder))}: {count(len(entries), 'run')}, {', '.join(parts)}"


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


def _spare_columns(names: Sequence[str], columns: int, kept: Sequence[str]) -> list[int]:
    """The indices of the last columns that may go, in order.

    `names` are the names of the last columns.
    """
    start = columns - len(names)
    return [
        start + index
        for kind in _SPARE
        for index, name in enumerate(names)
        if name.rpartition("/")[2] == kind and name not in kept
    ]


def _add_columns(table: Table, names: Iterable[str], style: str = "") -> list[int]:
    """Adds columns of numbers and returns their indices."""
    start = len(table.columns)
    for name in names:
        # A name broken in two lines makes a narrow column.
        header = escape(name).replace("_", "_\n").replace("/", "/\n")
        table.add_column(header, justify="right", style=style, no_wrap=True, vertical="bottom")
    return list(range(start, len(table.columns)))


def _score(value: Estimate | None, signs: Signs) -> str:
    return "" if value is None else with_deviation(value.mean, value.std, signs.deviation)


def _cost(name: str, value: Estimate | float | None) -> str:
    if value is None:
        return ""
    return cost(name, value.mean if isinstance(value, Estimate) else value)
