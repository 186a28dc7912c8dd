"""The terminal on which a table stands, in a process of its own.

    python terminal_process.py WORDS TERMINAL

The table's frames come by the standard input, what all other processes print by the descriptor
WORDS: their lines are put above the table. Being a process of its own it waits for nobody's GIL,
and shows the last words of a sweep that dies, however it dies. It ends when nobody is left who
could print, and imports next to nothing: it has to be there at once.
"""

import os
import re
import select
import sys

FRAME, LAST = b"f", b"l"
"""The first byte of a message; its length in eight digits follows, then the frame."""

_HEAD = 9
_MOST = 65536
_HIDE, _SHOW = b"\x1b[?25l", b"\x1b[?25h"
_RESET = b"\x1b[0m"
_NOT_SHOWN = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-ln-~]"  # moves of the cursor and the like, but not colours
    rb"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    rb"|\x1b(?!\[)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
)


class Table:
    """The last frame, and what others print above it.

    Args:
        terminal: a descriptor.
    """

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.stands = True
        self._frame = b""
        self._rest = b""
        self._write(_HIDE)

    def draw(self, frame: bytes) -> None:
        """Another frame in the place of the last one."""
        self._write(self._above() + frame)
        self._frame = frame

    def say(self, words: bytes) -> None:
        """Whole lines come above the table; the beginning of one waits for its end."""
        if not self.stands:
            self._write(words)
            return
        *lines, self._rest = (self._rest + words).split(b"\n")
        if len(self._rest) > _MOST:
            lines, self._rest = [*lines, self._rest], b""
        if lines:
            self._write(self._above() + b"".join(map(_shown, lines)) + self._frame)

    def leave(self, frame: bytes) -> None:
        """The last frame stays; what is said from now on comes below it, as it is."""
        if self._rest:
            self.say(b"\n")
        self.draw(frame)
        self._write((b"\n" if frame else b"") + _SHOW)
        self.stands = False

    def freeze(self) -> None:
        """The same, with the frame that is there."""
        self.leave(self._frame)

    def _above(self) -> bytes:
        """Removes the table, and leaves the cursor where it began."""
        return b"\r\x1b[2K" + b"\x1b[1A\x1b[2K" * self._frame.count(b"\n")

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self.terminal, data) :]
        except OSError:  # the terminal is gone, which is to disturb nobody who prints
            pass


def _shown(line: bytes) -> bytes:
    """A line as it may stand on the terminal; of one that was drawn again its last state."""
    text = _NOT_SHOWN.sub(b"", line.rstrip(b"\r").rpartition(b"\r")[2])
    return text + (_RESET if b"\x1b" in text else b"") + b"\n"


def main(words: int, terminal: int, frames: int = 0, done: int = 1) -> None:
    """Until there is nobody left who could print.

    Args:
        words: what others print.
        frames: the messages.
        done: closed when the last frame stands.
    """
    table, parent = Table(terminal), os.getppid()
    os.set_blocking(words, False)
    sources, messages = [words, frames], b""
    while words in sources or (table.stands and frames in sources and os.getppid() == parent):
        ready = select.select(sources, [], [], None if words in sources else 0.5)[0]
        if words in ready and not _pass_on(words, table):
            sources.remove(words)
        if frames in ready:
            data = os.read(frames, _MOST)
            if not data:
                sources.remove(frames)
            messages += data
            while (message := _first(messages)) is not None:
                messages = messages[_HEAD + len(message[1]) :]
                if message[0] == FRAME:
                    table.draw(message[1])
                    continue
                _pass_on(words, table)  # all that was said before
                table.leave(message[1])
                os.close(done)
    if table.stands:  # the sweep is dead
        table.freeze()


def _pass_on(words: int, table: Table) -> bool:
    """All that has been said by now; False at the end, when nobody is left."""
    try:
        while data := os.read(words, _MOST):
            table.say(data)
    except BlockingIOError:
        return True
    return False


def _first(messages: bytes) -> tuple[bytes, bytes] | None:
    """Kind and frame of the first message, once it is there to its end."""
    if len(messages) < _HEAD:
        return None
    length = int(messages[1:_HEAD])
    frame = messages[_HEAD : _HEAD + length]
    return (messages[:1], frame) if len(frame) == length else None


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
