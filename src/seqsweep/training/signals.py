"""Handles signals while a sweep is planned, and while its summary is written."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from seqsweep.training.planning import Interrupted

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Generator[None]:
    """Makes SIGTERM and SIGHUP raise Interrupted in the block, as Ctrl-C raises its own error.

    The training has handlers of its own. What was ignored when we were started, as nohup does,
    stays ignored. Only a process's main thread can take signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [signum for signum in _SIGNALS if signal.getsignal(signum) is signal.SIG_DFL]
    for signum in heard:
        signal.signal(signum, _interrupt)
    try:
        yield
    finally:
        for signum in heard:
            signal.signal(signum, signal.SIG_DFL)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise Interrupted(signum)
