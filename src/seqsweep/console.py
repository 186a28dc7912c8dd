"""Prints lines, errors and notes."""

import contextlib
import errno
import json
import os
import sys
import termios
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from seqsweep.text import visible

_MOST_NOTES = 8

shown_above: dict[int, Callable[[str], object]] = {}
"""The functions that show a message above a live table, by file descriptor: 1 or 2."""

# A child that is forked while a table is shown has no table; its messages go to the log file.
os.register_at_fork(after_in_child=shown_above.clear)


def say(line: str) -> None:
    """Prints a line to stdout or above a live table, without styles."""
    shown_above.get(1, partial(print, flush=True))(visible(line))


def print_json(content: Mapping[str, Any]) -> None:
    """Prints the answer of a command as JSON, without keys whose value is None."""
    say(json.dumps(_known(content), indent=2, allow_nan=False))


def _known(value: Any) -> Any:
    value = vars(value) if is_dataclass(value) else value
    if isinstance(value, Mapping):
        return {key: _known(each) for key, each in value.items() if each is not None}
    return [_known(each) for each in value] if isinstance(value, (list, tuple)) else value


def say_error(message: str) -> None:
    """Prints an error to stderr or above a live table."""
    shown_above.get(2, _print_to_stderr)(f"seqsweep: {visible(message)}")


def is_terminal_closed() -> bool:
    """Returns whether stdout or stderr leads to a terminal that was closed."""
    for descriptor in (1, 2):
        try:
            termios.tcgetattr(descriptor)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                return True
    return False


def _print_to_stderr(text: str) -> None:
    with contextlib.suppress(OSError):  # the exit code still shows the error
        print(text, file=sys.stderr)


class PlainConsole(Console):
    """A console of rich that is safe for paths and pipes.

    It prints `:on:` in a path unchanged and control characters as escapes. If the reader of a pipe
    has gone, the console raises BrokenPipeError, because rich's own exit code has another meaning
    here. A live table never hides the cursor, because a killed process could not show it again.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        # In a notebook rich would show what it shall write into a file.
        super().__init__(emoji=False, file=file, force_jupyter=False if file else None)

    def show_cursor(self, show: bool = True) -> bool:
        return False

    def render_str(self, text: str, **options: object) -> Text:
        # Escapes are wider than characters, so they are made before a table measures its cells.
        return super().render_str(visible(text), **options)  # pyright: ignore[reportArgumentType]

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Segments with rich's own control codes, for example of a live table, stay as they are.
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def shows_table(console: Console) -> bool:
    """Returns whether the console is a terminal that can redraw lines."""
    return console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def still_table(console: Console) -> Live:
    """Returns a display that only `update` draws: no thread does, and sys.stdout stays."""
    return Live(
        console=console,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    )


def joined(items: Sequence[str], console: Console) -> str:
    """Returns the items in one line; in several on narrow terminals."""
    lines = list(items[:1])
    for item in items[1:]:
        longer = f"{lines[-1]}  {item}"
        if console.is_terminal and len(longer) > console.width:
            lines.append(f"  {item}")
        else:
            lines[-1] = longer
    return "\n".join(lines)


def place(path: Path) -> str:
    """Returns a path, relative if it is in the current folder."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def print_lines(console: Console, *lines: str, style: str = "", markup: bool = False) -> None:
    """Prints lines; a terminal breaks them between words.

    An indented line is a command or a path to copy, so it is not broken.
    """
    for line in lines:
        is_whole = not console.is_terminal or line.startswith("  ")
        console.print(line, style=style, soft_wrap=is_whole, highlight=False, markup=markup)


def print_notes(notes: Sequence[str], console: Console) -> None:
    """Prints at most eight distinct notes, and counts the rest."""
    distinct = list(dict.fromkeys(notes))
    shown = distinct[:_MOST_NOTES]
    if len(distinct) > len(shown):
        shown.append(f"... and {len(distinct) - len(shown)} more notes")
    print_lines(console, *shown, style="yellow")
