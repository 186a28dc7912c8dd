"""Ends a block of code at once when a signal comes."""

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

    It is for planning and for the summary of a sweep; the training has handlers of its own.
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
