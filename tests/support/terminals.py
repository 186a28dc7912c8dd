"""Programs on a terminal of their own, and what is printed there or on a console."""

import contextlib
import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Generator
from typing import Any

from rich.console import Console


def open_process(*command: Any, **options: Any) -> subprocess.Popen[Any]:
    return subprocess.Popen(command, **options)


@contextlib.contextmanager
def terminal(
    *command: Any,
    size: tuple[int, int] | None = None,
    start: Callable[..., subprocess.Popen[Any]] = open_process,
    **options: Any,
) -> Generator[tuple[subprocess.Popen[Any], int]]:
    """Runs a command on a terminal, kills it at the end; yields the process and the terminal.

    Args:
        size: the lines and columns of the terminal. Without it, the terminal knows none.
        start: starts the command; the fixture `start_command` does so too.
        options: further options of `start`.
    """
    master, slave = pty.openpty()
    if size is not None:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    with start(*command, stdin=slave, stdout=slave, stderr=slave, **options) as process:
        os.close(slave)
        try:
            yield process, master
        finally:
            process.kill()
    os.close(master)


def read_until(master: int, *texts: str) -> str:
    """Returns what is printed until all texts have appeared, or until the other side closes."""
    printed, deadline = b"", time.monotonic() + 200
    while not texts or not all(text in text_of(printed.decode(errors="replace")) for text in texts):
        try:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([master], [], [], left)
            assert ready, f"{texts} is not printed: {printed[-4000:]!r}"
            printed += os.read(master, 65536)
        except OSError:
            break
    return printed.decode(errors="replace")


def text_of(printed: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed)


def hides_the_cursor(printed: str) -> bool:
    return "\x1b[?25" in printed


def console_text(write: Callable[[Console], object], **options: Any) -> str:
    """Returns the text that a function writes to a wide console."""
    file = io.StringIO()
    options = {"width": 200} | options
    write(Console(file=file, **options))
    return file.getvalue()
