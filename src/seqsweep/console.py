"""What every command prints on, and how it names a folder."""

from pathlib import Path

from rich.console import Console


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
