"""Ends a block of code as soon as a signal comes."""

import signal
from collections.abc import Collection, Generator
from contextlib import contextmanager
from types import FrameType

from seqsweep.signals import handled
from seqsweep.training.outcome import Interrupted


@contextmanager
def interruptible(
    signals: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGHUP),
) -> Generator[None]:
    """Makes the signals raise Interrupted in the block, as Ctrl-C raises KeyboardInterrupt.

    It is for the planning and the summary of a sweep. The training has its own handlers.
    """
    received: list[int] = []

    def interrupt(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        raise Interrupted(signum)

    with handled(signals, interrupt):
        yield
    # Python only prints an exception that a signal raises in a callback of the garbage collector.
    if received:
        raise Interrupted(received[0])
