"""Handles signals while a sweep is planned, and while its summary is written."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from seqsweep.training.outcome import Interrupted


@contextmanager
def interruptible(
    signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGHUP),
) -> Generator[None]:
    """Makes the signals raise Interrupted in the block, as Ctrl-C raises its own error.

    The end of the block raises it where it was lost: an exception that a signal raises in a
    callback of the garbage collector is only printed.

    The training has handlers of its own. What was ignored when we were started, as nohup does,
    stays ignored. Only a process's main thread can take signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def interrupt(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        raise Interrupted(signum)

    before = {signum: signal.getsignal(signum) for signum in signals}
    heard = {s: handler for s, handler in before.items() if handler not in (None, signal.SIG_IGN)}
    for signum in heard:
        signal.signal(signum, interrupt)
    try:
        yield
    finally:
        for signum, handler in heard.items():
            signal.signal(signum, handler)
    if received:
        raise Interrupted(received[0])
