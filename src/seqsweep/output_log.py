"""Redirects all output: to a log file under a live table, or to stderr."""

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Callable, Generator
from pathlib import Path

from rich.text import Text

from seqsweep.console import PlainConsole, place, print_lines, shown_above

_OUT, _ERR = 1, 2
_MOST_BYTES = 1 << 16
_MOST_LINES = 50

_EPOCH = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO epoch ")
"""The beginning of a run's lines in train.log after each epoch, which `close` leaves out."""


class OutputLog:
    """Redirects descriptors 1 and 2 to a log file until `restore`.

    Descriptors are redirected instead of `sys.stdout`, so the output of logging handlers, of C
    libraries and of child processes goes to the file too. seqsweep's own messages, which `say` and
    `say_error` print, are shown above the table.

    Args:
        show: a function that shows a message above the table; by default rich prints it.
    """

    def __init__(self, path: Path, show: Callable[[str], object] | None = None) -> None:
        self._path = path
        self._show = show or self._print
        # This copy still leads to the terminal when descriptor 1 leads to the file.
        file = os.fdopen(os.dup(_OUT), "w", encoding=sys.stdout.encoding, errors="replace")
        self.console = PlainConsole(file)
        self._saved: dict[int, int] = {}  # The terminal by redirected descriptor.
        self._begin: int | None = None

    def start(self) -> None:
        """Redirects the descriptors."""
        # The buffers are emptied first, so that earlier output does not get into the file.
        _flush()
        # Opening a FIFO would block for ever, and a link could lead out of the folder.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW
        log = os.open(self._path, flags, 0o666)
        if self._begin is None:
            self._begin = os.fstat(log).st_size
        for descriptor in (_OUT, _ERR):
            # Output that goes to a file or a pipe does not disturb the table, and stays there.
            if os.isatty(descriptor):
                self._saved[descriptor] = os.dup(descriptor)
                os.dup2(log, descriptor)
                shown_above[descriptor] = self._show
        os.close(log)

    def restore(self) -> None:
        """Points the descriptors to the terminal again."""
        _flush()
        for descriptor, saved in self._saved.items():
            shown_above.pop(descriptor, None)
            os.dup2(saved, descriptor)
            os.close(saved)
        self._saved.clear()

    def close(self, has_failed: bool) -> None:
        """Restores the descriptors; after a failure, shows the last lines."""
        self.restore()
        # The terminal may have been closed, and the log file may have been deleted.
        with contextlib.suppress(OSError), self.console.file:
            lines = self._last_lines() if has_failed else []
            if lines:
                title = f"printed meanwhile, in {place(self._path)}:"
                text = Text("\n").join([Text(title, "dim"), *map(Text.from_ansi, lines)])
                self.console.print(text, soft_wrap=True)

    def fit_console(self) -> None:
        """Brings the console's size up to date with the terminal."""
        if os.environ.get("COLUMNS", "").isdigit():
            return
        with contextlib.suppress(OSError):  # The terminal may have been closed.
            size = os.get_terminal_size(self.console.file.fileno())
            if size.columns and size.lines:  # Some terminals report a size of zero.
                self.console.size = size

    def _print(self, message: str) -> None:
        print_lines(self.console, message)

    def _last_lines(self) -> list[str]:
        """Returns the last lines that were printed since the start."""
        if self._begin is None:
            return []
        with self._path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._begin, end - _MOST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return [line for line in lines if not _EPOCH.match(line)][-_MOST_LINES:]


@contextlib.contextmanager
def stdout_to_stderr() -> Generator[None]:
    """Redirects stdout to stderr in the block, also for C libraries and child processes."""
    _flush()
    saved = os.dup(_OUT)
    os.dup2(_ERR, _OUT)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        os.dup2(saved, _OUT)
        os.close(saved)


def _flush() -> None:
    """Flushes the buffers of Python's streams and of C's streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    ctypes.CDLL(None).fflush(None)
