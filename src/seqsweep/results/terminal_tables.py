"""Fits tables to a terminal: they lose whole columns rather than digits."""

import re
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace

from rich.console import Console
from rich.table import Column, Table

_DEVIATION = re.compile(r" (?=±|\+/-)")
"""The space before a deviation, `+/-` where the terminal has no `±`."""

_SHORTEST = 24
"""The characters of a long text that are kept, even if the table is then too wide."""


class FittingTable(Table):
    """A table that knows which of its columns it can lose, by their indices.

    Args:
        spare: The columns that may go, the least important first.
        long: A column of texts that may be cropped.
        keys: Neighbouring columns that may become one, with a line for each key.
        last: The columns that may go if everything else was not enough.
    """

    spare: Sequence[int] = ()
    long: int | None = None
    keys: Sequence[int] = ()
    last: Sequence[int] = ()


def print_table(console: Console, table: Table) -> None:
    """Prints a table: on a terminal the columns that fit, elsewhere all of them.

    A table that cannot be made to fit is printed whole, where rich would cut numbers short.
    """
    if console.is_terminal and isinstance(table, FittingTable):
        table = _fitted(console, table)
    # rich shortens what is wider than the console, so the console is made wide enough.
    console.width = max(console.width, _width(console, table))
    console.print(table)


_Parts = dict[int, tuple[Column, list[str]]]
"""Columns with their cells, by their indices in the whole table."""


def _fitted(console: Console, table: FittingTable) -> Table:
    """The first variant that fits, or the last one."""
    result: Table = table
    for parts in _variants(table):
        result = _crop(console, table, parts)
        if _width(console, result) <= console.width:
            break
    return result


def _variants(table: FittingTable) -> Iterator[_Parts]:
    """Yields ever narrower variants of a table.

    They have fewer columns, then cells in two lines, then the keys in one column.
    """
    parts = {
        index: (column, [str(cell) for cell in column.cells])
        for index, column in enumerate(table.columns)
    }
    yield parts
    for index in table.spare:
        parts = _without(parts, index)
        yield parts
    # Break `0.8430 ±0.0177` in two lines.
    parts = {
        index: (replace(column, vertical="top"), [_DEVIATION.sub("\n", cell) for cell in cells])
        for index, (column, cells) in parts.items()
    }
    yield parts
    if len(table.keys) > 1:
        parts = _join_keys(parts, table.keys)
        yield parts
    for index in table.last:
        parts = _without(parts, index)
        yield parts


def _without(parts: _Parts, gone: int) -> _Parts:
    return {index: part for index, part in parts.items() if index != gone}


def _join_keys(parts: _Parts, keys: Sequence[int]) -> _Parts:
    """Joins the keys in the first one's column, with a line for each: `hidden_size=8`."""
    names = [str(parts[key][0].header).replace("\n", "") for key in keys]
    rows = zip(*(parts[key][1] for key in keys), strict=True)
    cells = ["\n".join(map("{}={}".format, names, row)) for row in rows]
    column = replace(parts[keys[0]][0], header="config", justify="left")
    joined = {index: part for index, part in parts.items() if index not in keys[1:]}
    return joined | {keys[0]: (column, cells)}


def _crop(console: Console, table: FittingTable, parts: _Parts) -> Table:
    """Crops the long texts as far as necessary, but not below _SHORTEST characters."""
    whole = _build(table, parts)
    # The number of characters by which the table is too wide.
    over = _width(console, whole) - console.width
    if table.long is None or over <= 0:
        return whole
    column, cells = parts[table.long]
    # Markup in a cell takes no room.
    widths = [len(console.render_str(cell).plain) for cell in cells]
    width = max(_SHORTEST, max(widths, default=0) - over)
    column = replace(column, max_width=width, no_wrap=True, overflow="ellipsis")
    return _build(table, parts | {table.long: (column, cells)})


def _build(table: FittingTable, parts: _Parts) -> Table:
    """Builds the table of these columns."""
    result = Table(box=table.box, title=table.title, title_justify=table.title_justify)
    result.pad_edge = table.pad_edge
    for column, _ in parts.values():
        result.add_column(
            copy(column.header), justify=column.justify, style=column.style, no_wrap=column.no_wrap,
            vertical=column.vertical, overflow=column.overflow, max_width=column.max_width,
        )  # fmt: skip
    for row in zip(*(cells for _, cells in parts.values()), strict=True):
        result.add_row(*row)
    return result


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=10_000)).maximum
