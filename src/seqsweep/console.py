"""The console that every command prints on."""

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
