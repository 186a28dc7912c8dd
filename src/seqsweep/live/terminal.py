"""Shares a terminal between a table and all other output."""

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from rich.console import Console, RenderableType

from seqsweep.live import terminal_process

_OUT, _ERR = 1, 2
_RELAY = str(Path(terminal_process.__file__))


class Screen:
    """Leads all output to a relay process that prints it above a table.

    File descriptors are redirected instead of `sys.stdout`, so the output of logging handlers, of C
    libraries and of child processes is captured too. The relay is a process of its own, so a print
    never waits for this process, and the last output of a process that dies is still shown.

    It is used as rich's `Live` is: start, update, stop.

    Attributes:
        console: renders for the terminal; nothing is printed on it.
    """

    def __init__(self) -> None:
        # A copy that keeps leading to the terminal when descriptor 1 leads to the relay.
        self._terminal = os.dup(_OUT)
        encoding = sys.stdout.encoding
        file = os.fdopen(self._terminal, "w", encoding=encoding, errors="replace", closefd=False)
        self.console = Console(file=file)
        self._saved: dict[int, int] = {}  # The terminal by redirected descriptor.
        self._frame = b""
        self._unsent = b""

    def start(self) -> None:
        """Starts the relay and redirects the descriptors.

        Raises:
            OSError: there is no process or descriptor left for a table.
        """
        # What was printed before must not come out of the buffers into the pipe.
        _flush()
        self._printed, writer = os.pipe()
        self._relay = subprocess.Popen(
            [sys.executable, "-I", "-S", _RELAY, str(self._printed), str(self._terminal)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._printed, self._terminal),
            bufsize=0,
            start_new_session=True,  # Ctrl-C must not reach the relay, which ends last.
        )
        for descriptor in (_OUT, _ERR):
            # Output that goes to a file or a pipe does not disturb the table, and stays there.
            if os.isatty(descriptor):
                self._saved[descriptor] = os.dup(descriptor)
                os.dup2(writer, descriptor)
        os.close(writer)
        os.set_blocking(self._messages.fileno(), False)

    @property
    def _messages(self) -> IO[bytes]:
        """The pipe that leads to the relay."""
        assert self._relay.stdin is not None
        return self._relay.stdin

    def update(self, table: RenderableType, *, refresh: bool = True) -> None:
        """Draws a table; if `refresh` is False, keeps it as the last frame.

        This never blocks: if the terminal takes no output (Ctrl-S, a dead connection), frames are
        left out and the training continues.

        Raises:
            OSError: the relay has ended.
        """
        # The last frame may be higher than the terminal, since nothing is drawn over it.
        height = self._size().lines if refresh else None
        self._frame = self._render(table, height)
        if refresh and self._send_unsent():
            self._send(terminal_process.FRAME)

    def restore(self) -> None:
        """Directs what is printed from now on to the terminal again."""
        _flush()
        with contextlib.suppress(KeyError):  # Another thread may restore at the same time.
            while True:
                descriptor, saved = self._saved.popitem()
                os.dup2(saved, descriptor)
                os.close(saved)

    def stop(self) -> None:
        """Draws the last frame below everything that has been printed.

        The relay ends with the last process that has inherited the redirected descriptors.
        """
        self.restore()
        # The last frame is waited for; all others may be left out.
        os.set_blocking(self._messages.fileno(), True)
        self._send(terminal_process.LAST)
        assert self._relay.stdout is not None
        self._relay.stdout.read()  # The relay closes it when the frame is drawn.
        os.close(self._printed)
        threading.Thread(target=self._relay.wait, daemon=True).start()

    def abandon(self) -> None:
        """Stops the relay; copies what other processes print until they end.

        Otherwise a full pipe without a reader would block or end those processes.
        """
        self._relay.kill()
        self._relay.wait()
        self._write(b"\r\n" + terminal_process.SHOW_CURSOR)
        # It copies before the flush: a thread that prints into the full pipe holds the lock of
        # its stream, and the flush would wait for that thread.
        threading.Thread(target=self._copy, daemon=True).start()
        _flush()
        self._wait_for_empty_pipe()
        self.restore()

    def _wait_for_empty_pipe(self) -> None:
        """Waits until all in the pipe is printed, but at most a second."""
        for _ in range(100):
            if not select.select([self._printed], [], [], 0)[0]:
                break
            time.sleep(0.01)

    def _copy(self) -> None:
        # The descriptor stays open, because another thread asks whether the pipe is empty.
        while data := os.read(self._printed, 65536):
            self._write(data)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # The terminal may have been closed.
            while data:
                data = data[os.write(self._terminal, data) :]

    def _send(self, kind: bytes) -> None:
        self._unsent += kind + b"%08d" % len(self._frame) + self._frame
        self._send_unsent()

    def _send_unsent(self) -> bool:
        """Sends what the pipe takes; returns whether nothing is left."""
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._messages.fileno(), self._unsent) :]
        except BlockingIOError:
            return False
        return True

    def _render(self, table: RenderableType, height: int | None) -> bytes:
        """Returns the lines of a table, at most `height` of them."""
        with self.console.capture() as captured:
            self.console.print(table, width=self._size().columns)
        lines = captured.get().rstrip("\n").split("\n")
        return "\n".join(lines[:height]).encode(self.console.encoding, errors="replace")

    def _size(self) -> os.terminal_size:
        """Returns the size of the terminal, which the redirected streams do not know."""
        size = os.get_terminal_size(self._terminal)
        has_columns = os.environ.get("COLUMNS", "").isdigit()
        # Some terminals report a size of zero.
        if has_columns or not (size.columns and size.lines):
            return os.terminal_size(self.console.size)
        return size


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
