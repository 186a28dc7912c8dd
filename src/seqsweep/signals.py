"""Handles the signals that end a program."""

import signal
import threading
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from types import FrameType

from seqsweep.errors import Interrupted

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals of Ctrl-C, of a scheduler that ends the program, and of a closed terminal."""


@contextmanager
def handled(
    signals: Collection[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Generator[None]:
    """Handles the signals in the block, and restores their handlers.

    A signal that was ignored when the program was started, for example by nohup, stays ignored.
    Only the main thread of a process receives signals, so in other threads the handlers stay.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in signals}
    # None stands for a handler that was not set from Python and could not be restored.
    taken = {s: old for s, old in before.items() if old not in (None, signal.SIG_IGN)}
    for signum in taken:
        signal.signal(signum, handler)
    try:
        yield
    finally:
        for signum, old in taken.items():
            signal.signal(signum, old)


class StopOnSignal:
    """Remembers a signal that has come, until the training may end.

    No exception is raised inside a batch: in the middle of a write or of a C call it would leave a
    file or a buffer half done. A second signal ends the process the usual way.
    """

    def __init__(self) -> None:
        self.received: int | None = None  # the number of the signal

    @contextmanager
    def listening(self) -> Generator[None]:
        """Handles signals while the block runs, but only in the main thread."""
        with handled(ENDING, self._receive):
            yield

    def check(self) -> None:
        """Raises Interrupted if a signal has come."""
        if self.received is not None:
            raise Interrupted(self.received)

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        self.received = signum
        # A second signal ends the process, so that the user need not wait for the batch.
        signal.signal(signum, signal.SIG_DFL)
