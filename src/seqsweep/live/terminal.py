"""A terminal on which a table stands: what anything else prints meanwhile comes above it."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

from rich.console import Console, RenderableType

from seqsweep.live import terminal_process

_OUT, _ERR = 1, 2


class Screen:
    """Leads what is written to the terminal to a relay, which shows it above the table.

    By descriptors, not by sys.stdout: so it takes in as well what logging writes to the stream
    that it has known from the start, what libraries in C print, and what other processes do. The
    relay is a process: no print waits for this one, and its last words are shown if it dies.

    It is used as rich's `Live`: start, update, stop.

    Attributes:
        console: of the terminal, to render for; nothing is printed on it.
    """

    def __init__(self) -> None:
        self._terminal = os.dup(_OUT)
        encoding = sys.stdout.encoding
        file = os.fdopen(self._terminal, "w", encoding=encoding, errors="replace", closefd=False)
        self.console = Console(file=file)
        self._saved: dict[int, int] = {}
        self._frame = b""
        self._unsent = b""

    def start(self) -> None:
        """Raises OSError if there is no process or descriptor left for a table."""
        _flush()
        self._words, writer = os.pipe()
        self._relay = subprocess.Popen(
            [sys.executable, "-I", "-S", _RELAY, str(self._words), str(self._terminal)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._words, self._terminal),
            bufsize=0,
            start_new_session=True,  # Ctrl-C is not for it: it ends after all others
        )
        for descriptor in (_OUT, _ERR):
            if os.isatty(descriptor):
                self._saved[descriptor] = os.dup(descriptor)
                os.dup2(writer, descriptor)
        os.close(writer)
        assert self._relay.stdin is not None
        os.set_blocking(self._relay.stdin.fileno(), False)

    def update(self, table: RenderableType, *, refresh: bool = True) -> None:
        """The table as it is now; drawn now, or as the last one.

        Waits for nobody: on a terminal that takes nothing (Ctrl-S, a dead connection) frames are
        left out, and the training goes on.

        Raises:
            OSError: there is no relay any more.
        """
        height = None if not refresh else self._size().lines
        self._frame = self._rendered(table, height)
        if refresh and self._all_sent():
            self._send(terminal_process.FRAME)

    def restore(self) -> None:
        """What is printed from now on goes to the terminal again."""
        _flush()
        with contextlib.suppress(KeyError):  # another thread may do the same
            while True:
                descriptor, saved = self._saved.popitem()
                os.dup2(saved, descriptor)
                os.close(saved)

    def stop(self) -> None:
        """Leaves the last frame, below all that has been printed.

        The relay ends with the last process that has inherited its way to the terminal.
        """
        self.restore()
        assert self._relay.stdin is not None
        os.set_blocking(self._relay.stdin.fileno(), True)
        self._send(terminal_process.LAST)
        assert self._relay.stdout is not None
        self._relay.stdout.read()  # closed when the frame stands
        os.close(self._words)
        threading.Thread(target=self._relay.wait, daemon=True).start()

    def abandon(self) -> None:
        """Without a relay, or a table: what others still print is copied until the last one ends.

        None of them is to be stopped by a pipe that is full, or that nobody reads.
        """
        self.restore()
        self._relay.kill()
        self._relay.wait()
        self._write(b"\r\n\x1b[?25h")
        os.set_blocking(self._words, False)
        try:
            self._copy()  # all that is there now, before anything else is printed
        except BlockingIOError:
            os.set_blocking(self._words, True)
            threading.Thread(target=self._copy, daemon=True).start()

    def _copy(self) -> None:
        while data := os.read(self._words, 65536):
            self._write(data)
        os.close(self._words)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone
            while data:
                data = data[os.write(self._terminal, data) :]

    def _send(self, kind: bytes) -> None:
        self._unsent += kind + b"%08d" % len(self._frame) + self._frame
        self._all_sent()

    def _all_sent(self) -> bool:
        """After another try, which waits only for the last frame."""
        assert self._relay.stdin is not None
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._relay.stdin.fileno(), self._unsent) :]
        except BlockingIOError:
            return False
        return True

    def _rendered(self, table: RenderableType, height: int | None) -> bytes:
        """As many of its lines as the terminal has."""
        with self.console.capture() as captured:
            self.console.print(table, width=self._size().columns)
        lines = captured.get().rstrip("\n").split("\n")
        return "\n".join(lines[:height]).encode(self.console.encoding, errors="replace")

    def _size(self) -> os.terminal_size:
        """Of the terminal itself, of which the standard streams know nothing now."""
        size = os.get_terminal_size(self._terminal)
        is_told = os.environ.get("COLUMNS", "").isdigit()
        if is_told or not (size.columns and size.lines):  # some terminals do not know theirs
            return os.terminal_size(self.console.size)
        return size


_RELAY = str(Path(terminal_process.__file__))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
