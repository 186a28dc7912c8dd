"""A terminal on which a table stands: what anything else prints meanwhile comes above it."""

import contextlib
import os
import sys

from rich.console import Console
from rich.text import Text

_OUT, _ERR = 1, 2


class Screen:
    """Leads what is written to the terminal into a pipe, and prints its lines on a console.

    By descriptors, not by sys.stdout: so it takes in as well what logging writes to the stream
    that it has known from the start, what libraries in C print, and what forked processes do.

    Attributes:
        console: the terminal itself.
        reader: the descriptor at which the lines of others arrive.
    """

    def __init__(self) -> None:
        self._terminal = os.dup(_OUT)
        # The descriptor is not the file's to close: what others print comes through it to the end.
        file = os.fdopen(self._terminal, "w", encoding=sys.stdout.encoding, closefd=False)
        self.console = Console(file=file)
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        self._rest = b""
        self._saved: dict[int, int] = {}
        _flush()
        for descriptor in (_OUT, _ERR):
            if os.isatty(descriptor):
                self._saved[descriptor] = os.dup(descriptor)
                os.dup2(writer, descriptor)
        os.close(writer)

    def give_back(self) -> None:
        """What is printed from now on goes to the terminal again."""
        _flush()
        for descriptor, saved in self._saved.items():
            os.dup2(saved, descriptor)
            os.close(saved)
        self._saved.clear()

    def print_new(self) -> bool:
        """Prints the whole lines that have arrived; False if nothing has."""
        try:
            data = os.read(self.reader, 65536)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._print(line)
        return bool(data)

    def print_rest(self) -> None:
        """Prints all that has arrived, the beginning of a line too."""
        while self.print_new():
            pass
        if self._rest:
            self._print(self._rest)
            self._rest = b""

    def pass_on(self) -> None:
        """Copies what processes that have outlived the table still print, until the last ends.

        None of them is to be stopped by a pipe that is full, or that nobody reads.
        """
        os.set_blocking(self.reader, True)
        while data := os.read(self.reader, 65536):
            with contextlib.suppress(OSError):
                os.write(self._terminal, data)
        os.close(self.reader)
        os.close(self._terminal)

    def _print(self, line: bytes) -> None:
        text = Text.from_ansi(line.decode("utf-8", errors="replace"))
        self.console.print(text, soft_wrap=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
