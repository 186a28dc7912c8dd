"""What every command prints on, and how it names a folder."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

_MOST_NOTES = 8


class PlainConsole(Console):
    """rich's, for paths and for pipes.

    `:on:` in a path stays what it is, and a reader who has gone is an error for the command line to
    know, not an exit code that means something else.
    """

    def __init__(self) -> None:
        super().__init__(emoji=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def place(path: Path) -> str:
    """A path as a person would give it: from the current folder where it lies in it."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def print_notes(notes: Sequence[str], console: Console) -> None:
    """Prints each note on a yellow line of its own; what is beyond eight is counted."""
    distinct = list(dict.fromkeys(notes))
    shown = distinct[:_MOST_NOTES]
    if len(distinct) > len(shown):
        shown.append(f"... and {len(distinct) - len(shown)} more notes on the data")
    for note in shown:
        console.print(f"[yellow]{escape(note)}[/]", soft_wrap=True, highlight=False)
