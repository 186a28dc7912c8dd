"""The relay process that draws a table on a terminal.

    python terminal_process.py PRINTED TERMINAL

Standard input brings the frames of the table. The descriptor PRINTED brings what all other
processes print; their lines go above the table. The relay does not wait for the GIL of another
process, and it shows the last output of a sweep that dies, however it dies. It ends when no process
is left that could print. It imports little, so that it starts fast.
"""

import os
import re
import select
import sys

FRAME, LAST = b"f", b"l"
"""The first byte of a message. The length of the frame follows in eight digits, then the frame."""

HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"

_HEAD = 9
_MOST = 65536
_RESET = b"\x1b[0m"
_REMOVED = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-ln-~]"  # Cursor movements and the like, but not colours.
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # Window titles and links.
    rb"|\x1b(?!\[)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"  # Other control characters.
)


class Table:
    """The current frame of the table, below the lines of other processes.

    Args:
        terminal: the descriptor of the terminal.
    """

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.is_shown = True
        self._frame = b""
        self._rest = b""
        self._write(HIDE_CURSOR)

    def draw(self, frame: bytes) -> None:
        """Replaces the frame by another one."""
        self._write(self._erase() + frame)
        self._frame = frame

    def print_above(self, data: bytes) -> None:
        """Prints whole lines above the table and keeps an unfinished line."""
        # After the last frame there is nothing to keep free of other output.
        if not self.is_shown:
            self._write(data)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        # A progress bar without newlines would otherwise be kept for ever.
        if len(self._rest) > _MOST:
            lines, self._rest = [*lines, self._rest], b""
        if lines:
            self._write(self._erase() + b"".join(map(_clean, lines)) + self._frame)

    def finish(self, frame: bytes | None = None) -> None:
        """Draws the last frame. Later output comes below it, unchanged.

        Args:
            frame: the last frame; the current one if left out.
        """
        if self._rest:
            self.print_above(b"\n")
        self.draw(self._frame if frame is None else frame)
        self._write((b"\n" if self._frame else b"") + SHOW_CURSOR)
        self.is_shown = False

    def _erase(self) -> bytes:
        """Returns what erases the frame and leaves the cursor where the frame began."""
        return b"\r\x1b[2K" + b"\x1b[1A\x1b[2K" * self._frame.count(b"\n")

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self.terminal, data) :]
        except OSError:  # A closed terminal must not disturb the processes that print.
            pass


def _clean(line: bytes) -> bytes:
    """Returns a line without control characters and overwritten text."""
    text = _REMOVED.sub(b"", line.rstrip(b"\r").rpartition(b"\r")[2])
    return text + (_RESET if b"\x1b" in text else b"") + b"\n"


def main(printed: int, terminal: int, messages: int = 0, done: int = 1) -> None:
    """Relays until no process is left that could print.

    Args:
        printed: the descriptor of what other processes print.
        terminal: the descriptor of the terminal.
        messages: the descriptor of the messages with the frames.
        done: the descriptor that is closed when the last frame is drawn.
    """
    table, parent = Table(terminal), os.getppid()
    os.set_blocking(printed, False)
    sources, unread = [printed, messages], b""
    while printed in sources or (table.is_shown and messages in sources and os.getppid() == parent):
        ready = select.select(sources, [], [], None if printed in sources else 0.5)[0]
        if printed in ready and not _relay(printed, table):
            sources.remove(printed)
        if messages in ready:
            data = os.read(messages, _MOST)
            if not data:
                sources.remove(messages)
            unread += data
            while (message := _first_message(unread)) is not None:
                kind, frame = message
                unread = unread[_HEAD + len(frame) :]
                if kind == FRAME:
                    table.draw(frame)
                    continue
                # What has been printed so far belongs above the last frame.
                _relay(printed, table)
                table.finish(frame)
                os.close(done)
    if table.is_shown:  # The sweep has died.
        table.finish()


def _relay(printed: int, table: Table) -> bool:
    """Prints what has arrived; returns False if no process is left."""
    try:
        while data := os.read(printed, _MOST):
            table.print_above(data)
    except BlockingIOError:
        return True
    return False


def _first_message(data: bytes) -> tuple[bytes, bytes] | None:
    """Returns kind and frame of the first message, None if incomplete."""
    if len(data) < _HEAD:
        return None
    length = int(data[1:_HEAD])
    frame = data[_HEAD : _HEAD + length]
    return (data[:1], frame) if len(frame) == length else None


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
