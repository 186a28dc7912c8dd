"""Draws a live table on a terminal that other output uses, too."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from seqsweep.output_log import OutputLog

# DataLoader workers are forked while a sweep is displayed. A fork waits until the display has
# drawn. Otherwise the child would inherit a locked console that nothing unlocks.
drawing = threading.RLock()
os.register_at_fork(
    before=drawing.acquire, after_in_parent=drawing.release, after_in_child=drawing.release
)


class Screen:
    """A live table on a terminal. Other output goes to a log file.

    The methods are those of rich's `Live`: start, update, stop. Only one thread draws. Messages of
    other threads wait until this thread draws, so no other thread needs the locks of the console.
    """

    def __init__(self, log: Path) -> None:
        self._messages: deque[str] = deque()
        self._output = OutputLog(log, self._messages.append)
        self._console = self._output.console
        # Only `update` draws: rich starts no thread, and does not replace sys.stdout.
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def start(self) -> None:
        """Redirects all other output to the log file.

        Raises:
            OSError: the file cannot be written.
        """
        self._output.start()
        self._draw(self._live.start)

    def update(self, table: RenderableType, *, refresh: bool = True) -> None:
        """Draws a table, or keeps it for the last frame."""
        self._draw(lambda: self._live.update(table, refresh=refresh))

    def stop(self) -> None:
        """Draws the last frame."""
        self._draw(self._live.stop)

    def close(self, has_failed: bool) -> None:
        """Restores the terminal; shows the last output if `has_failed`."""
        self._output.restore()
        # Some messages are left if the table could not be drawn.
        self._write("".join(f"{message}\n" for message in self._messages))
        self._output.close(has_failed)

    def _draw(self, change: Callable[[], None]) -> None:
        """Draws new messages, and a change of the table below them."""
        with drawing, self._console.capture() as drawn:
            self._output.fit_console()
            while self._messages:
                self._console.print(Text(self._messages.popleft()), soft_wrap=True)
            change()
        # The output is written without a lock, so a terminal that takes no output (Ctrl-S, a dead
        # connection) delays only this thread, and no fork.
        self._write(drawn.get())

    def _write(self, text: str) -> None:
        data = text.encode(self._console.encoding, errors="replace")
        with contextlib.suppress(OSError):  # The terminal may have been closed.
            while data:
                data = data[os.write(self._console.file.fileno(), data) :]
