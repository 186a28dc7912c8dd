"""Prints tables to the terminal, without the columns that do not fit."""

from collections.abc import Iterable, Sequence
from copy import copy

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.console import print_lines

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


def add_columns(table: Table, names: Iterable[str], style: str = "") -> list[int]:
    """Adds right-aligned columns and returns their indices."""
    start = len(table.columns)
    for name in names:
        # A name broken in two lines makes a narrow column.
        header = escape(name).replace("_", "_\n").replace("/", "/\n")
        table.add_column(header, justify="right", style=style, no_wrap=True, vertical="bottom")
    return list(range(start, len(table.columns)))
