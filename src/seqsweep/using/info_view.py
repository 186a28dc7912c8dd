"""Prints the description of a data set in 80 columns."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.console import print_notes
from seqsweep.data.info import Info
from seqsweep.results.formatting import count

_MOST_ROWS = 20
"""The most channels or classes that are listed; --json lists all."""

_NAME = 20
"""The most characters of a name in a table."""

_BARS, _ASCII_BARS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"


def print_info(title: str, info: Info, notes: Sequence[str], console: Console) -> None:
    """Prints sizes, channels, classes, duplicates and notes."""
    total = sum(split.sequences for split in info.splits)
    _say(
        console,
        f"{title}: {count(total, 'sequence')}, {count(len(info.channels), 'channel')},"
        f" {count(len(info.classes), 'class', 'classes')}",
    )
    for table in (_splits(info, console), _channels(info, console), _classes(info)):
        _say(console, "")
        console.print(table)
    _say(console, "")
    for line in (*_left_out(info), _balance(info), *_duplicates(info), *_constant(info, notes)):
        _say(console, line)
    print_notes(notes, console)


def spark(bars: Sequence[int], console: Console) -> str:
    """Returns a histogram as a line of bars; only an empty bar is blank."""
    signs = _BARS if "utf" in console.encoding.lower() else _ASCII_BARS
    most = max(bars, default=0) or 1
    return "".join(signs[-(-bar * (len(signs) - 1) // most)] for bar in bars)


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def _table(first: str, *numbers: str, last: str = "") -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, max_width=_NAME, no_wrap=True, overflow="ellipsis")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    if last:
        table.add_column(last, no_wrap=True)
    return table


def _splits(info: Info, console: Console) -> Table:
    table = _table("split", "sequences", "steps", "shortest", "median", "longest", last="lengths")
    for split in info.splits:
        table.add_row(
            split.name,
            f"{split.sequences:,}",
            f"{split.steps:,}",
            f"{split.shortest:,}",
            f"{split.median:,.10g}",
            f"{split.longest:,}",
            spark(split.lengths, console) if split.shortest < split.longest else "all equal",
        )
    return table


def _channels(info: Info, console: Console) -> Table:
    table = _table("channel", "min", "max", "mean", "deviation", "missing", last="values")
    for channel in info.channels[:_MOST_ROWS]:
        numbers = (channel.min, channel.max, channel.mean, channel.std)
        table.add_row(
            escape(channel.name),
            *("-" if number is None else f"{number:.4g}" for number in numbers),
            f"{channel.missing:,}",
            spark(channel.values, console),
        )
    return table


def _classes(info: Info) -> Table:
    names = [split.name for split in info.splits]
    table = _table("class", *names, "share", last="")
    total = sum(of.total for of in info.classes)
    for of in info.classes[:_MOST_ROWS]:
        counts = (f"{of.sequences[name]:,}" for name in names)
        table.add_row(escape(of.name), *counts, f"{of.total / total:.1%}")
    return table


def _left_out(info: Info) -> list[str]:
    """Returns a line on the channels and classes that the tables leave out."""
    left = [
        count(len(rows) - _MOST_ROWS, f"more {one}", f"more {many}")
        for rows, one, many in (
            (info.channels, "channel", "channels"),
            (info.classes, "class", "classes"),
        )
        if len(rows) > _MOST_ROWS
    ]
    return [f"not listed: {', '.join(left)} (--json lists all)"] if left else []


def _balance(info: Info) -> str:
    """Returns a line that compares the largest class with the smallest."""
    ordered = sorted(info.classes, key=lambda of: of.total)
    least, most = ordered[0], ordered[-1]
    ratio = f"{most.total / least.total:.3g} : 1" if least.total else "a class has none"
    return (
        f"balance: largest class {most.name!r} {most.total:,}, smallest {least.name!r}"
        f" {least.total:,} ({ratio})"
    )


def _duplicates(info: Info) -> list[str]:
    """Returns lines on repeated sequences."""
    repeated: list[str] = []
    for split in info.splits:
        if split.repeated:
            repeated.append(f"{split.repeated:,} within {split.name}")
        if split.also_in_train:
            repeated.append(f"{split.also_in_train:,} of {split.name} also in train")
    lines = [f"duplicates: {'; '.join(repeated) if repeated else 'none'}"]
    if info.contradictions:
        lines.append(f"equal values with different labels: {info.contradictions:,} sequences")
    return lines


def _constant(info: Info, notes: Sequence[str]) -> list[str]:
    """Returns a line on constant channels, unless a note names them."""
    constant = [channel for channel in info.channels if channel.is_constant]
    if not constant or any("constant in train" in note for note in notes):
        return []
    names = ", ".join(repr(channel.name) for channel in constant[:_MOST_ROWS])
    more = f" and {len(constant) - _MOST_ROWS} more" if len(constant) > _MOST_ROWS else ""
    return [f"constant in train: {names}{more}"]
