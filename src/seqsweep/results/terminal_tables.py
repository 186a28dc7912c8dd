"""Tables that fit a terminal: they lose whole columns rather than digits."""

import re
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace

from rich.console import Console
from rich.table import Column, Table

_DEVIATION = re.compile(r" (?=±|\+/-)")
"""The space before a deviation, `+/-` where the terminal has no `±`."""

_SHORTEST = 24
"""Of a long text so much stays, unless that is not enough."""


class FittingTable(Table):
    """A table that knows what it can do without.

    Args:
        spare: places of columns that may go, the least important first.
        long: place of a column of texts that may be cropped.
        keys: places of neighbouring columns that may become one, a line for each key.
        last: places of columns that may go when all else was not enough.
    """

    spare: Sequence[int] = ()
    long: int | None = None
    keys: Sequence[int] = ()
    last: Sequence[int] = ()


def print_table(console: Console, table: Table) -> None:
    """Prints a table: on a terminal what fits, elsewhere all of it.

    rich would cut numbers short. What cannot be made to fit is printed whole.
    """
    if console.is_terminal and isinstance(table, FittingTable):
        table = _fitted(console, table)
    console.width = max(console.width, _width(console, table))
    console.print(table)


_Parts = dict[int, tuple[Column, list[str]]]
"""Columns with their cells, by their places in the whole table."""


def _fitted(console: Console, table: FittingTable) -> Table:
    """The first that fits of: columns gone, cells in two lines, the keys in one column."""
    found: Table = table
    for parts in _variants(table):
        found = _cropped(console, table, parts)
        if _width(console, found) <= console.width:
            break
    return found


def _variants(table: FittingTable) -> Iterator[_Parts]:
    parts = {
        place: (column, [str(cell) for cell in column.cells])
        for place, column in enumerate(table.columns)
    }
    yield parts
    for place in table.spare:
        parts = _without(parts, place)
        yield parts
    # `0.8430 ±0.0177` in two lines
    parts = {
        place: (replace(column, vertical="top"), [_DEVIATION.sub("\n", cell) for cell in cells])
        for place, (column, cells) in parts.items()
    }
    yield parts
    if len(table.keys) > 1:
        parts = _with_joined_keys(parts, table.keys)
        yield parts
    for place in table.last:
        parts = _without(parts, place)
        yield parts


def _without(parts: _Parts, gone: int) -> _Parts:
    return {place: part for place, part in parts.items() if place != gone}


def _with_joined_keys(parts: _Parts, keys: Sequence[int]) -> _Parts:
    """The keys in the column of the first of them, a line each: `hidden_size=8`."""
    names = [str(parts[key][0].header).replace("\n", "") for key in keys]
    rows = zip(*(parts[key][1] for key in keys), strict=True)
    cells = ["\n".join(map("{}={}".format, names, row)) for row in rows]
    column = replace(parts[keys[0]][0], header="config", justify="left")
    joined = {place: part for place, part in parts.items() if place not in keys[1:]}
    return joined | {keys[0]: (column, cells)}


def _cropped(console: Console, table: FittingTable, parts: _Parts) -> Table:
    """With its long texts as short as it takes, but not shorter than the shortest."""
    whole = _made(table, parts)
    over = _width(console, whole) - console.width
    if table.long is None or over <= 0:
        return whole
    column, cells = parts[table.long]
    widths = [len(console.render_str(cell).plain) for cell in cells]
    width = max(_SHORTEST, max(widths, default=0) - over)
    column = replace(column, max_width=width, no_wrap=True, overflow="ellipsis")
    return _made(table, parts | {table.long: (column, cells)})


def _made(table: FittingTable, parts: _Parts) -> Table:
    """The table of these columns."""
    found = Table(box=table.box, title=table.title, title_justify=table.title_justify)
    found.pad_edge = table.pad_edge
    for column, _ in parts.values():
        _add(found, column)
    for row in zip(*(cells for _, cells in parts.values()), strict=True):
        found.add_row(*row)
    return found


def _add(table: Table, column: Column) -> None:
    table.add_column(
        copy(column.header), justify=column.justify, style=column.style, no_wrap=column.no_wrap,
        vertical=column.vertical, overflow=column.overflow, max_width=column.max_width,
    )  # fmt: skip


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=10_000)).maximum
