"""Tables that fit a terminal: they lose whole columns rather than digits."""

from collections.abc import Sequence
from copy import copy

from rich.console import Console
from rich.table import Column, Table

_SHORTEST = 24
"""Of a long text so much stays, unless that is not enough."""


class FittingTable(Table):
    """A table that knows what it can do without.

    Args:
        spare: places of columns that may go, the least important first.
        long: place of a column of texts that may be cropped.
    """

    spare: Sequence[int] = ()
    long: int | None = None


def print_table(console: Console, table: Table) -> None:
    """Prints a table: on a terminal what fits, elsewhere all of it.

    rich would cut numbers short. What cannot be made to fit is printed whole.
    """
    if console.is_terminal and isinstance(table, FittingTable):
        table = _fitted(console, table)
    console.width = max(console.width, _width(console, table))
    console.print(table)


def _fitted(console: Console, table: FittingTable) -> Table:
    found = _cropped(console, table, table.long)
    gone: list[int] = []
    for place in table.spare:
        if _width(console, found) <= console.width:
            return found
        gone.append(place)
        left = _without(table, gone)
        long = None if table.long is None else table.long - sum(p < table.long for p in gone)
        found = _cropped(console, left, long)
    return found


def _cropped(console: Console, table: Table, long: int | None) -> Table:
    """With its long texts as short as it takes, but not shorter than the shortest."""
    over = _width(console, table) - console.width
    if long is None or over <= 0:
        return table
    copied = _without(table, [])
    column = copied.columns[long]
    cells = [len(console.render_str(str(cell)).plain) for cell in column.cells]
    column.max_width = max(_SHORTEST, max(cells, default=0) - over)
    column.no_wrap, column.overflow = True, "ellipsis"
    return copied


def _without(table: Table, gone: Sequence[int]) -> Table:
    """The table without these columns."""
    kept = [column for place, column in enumerate(table.columns) if place not in gone]
    found = Table(box=table.box, title=table.title, title_justify=table.title_justify)
    found.pad_edge = table.pad_edge
    for column in kept:
        _add(found, column)
    for row in zip(*(column.cells for column in kept), strict=True):
        found.add_row(*row)
    return found


def _add(table: Table, column: Column) -> None:
    table.add_column(
        copy(column.header), justify=column.justify, style=column.style, no_wrap=column.no_wrap,
        vertical=column.vertical, overflow=column.overflow, max_width=column.max_width,
    )  # fmt: skip


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=10_000)).maximum
