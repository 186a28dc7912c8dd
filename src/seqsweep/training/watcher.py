"""What a person sees of a sweep while it trains, whatever launcher trains it.

A thread looks at the runs' folders. On a terminal it draws a table, elsewhere it prints a line for
each run that ends. The launcher may fork meanwhile: never while the thread draws, so that no child
inherits a lock of a console that nobody would release.
"""

import contextlib
import os
import selectors
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console

from seqsweep.results.live_view import LiveView, shows_table
from seqsweep.results.progress import Progress, duration
from seqsweep.results.run_progress import beats
from seqsweep.runs.lock import BEAT_SECONDS
from seqsweep.runs.record import RunFolder
from seqsweep.runs.sweepfile import NAME, SweepFile
from seqsweep.training.screen import Screen

__all__ = ["Watched", "Watcher", "duration"]

_SHARE = 0.05
"""Of the time, at most, that looking and drawing take."""

_drawing = threading.RLock()
os.register_at_fork(
    before=_drawing.acquire, after_in_parent=_drawing.release, after_in_child=_drawing.release
)


class Watched(Protocol):
    """A run to wait for: its folder, and what a person calls it."""

    @property
    def folder(self) -> RunFolder: ...
    @property
    def label(self) -> str: ...


class Watcher:
    """Shows how far a sweep is, as long as the block runs.

    It also touches the sweep's sweep.json, so that others can see that the sweep is alive.

    Args:
        members: the runs to wait for, of one folder.
        console: where to.
    """

    def __init__(self, members: Sequence[Watched], console: Console) -> None:
        self.folder = members[0].folder.path.parent
        labels = {member.folder.run_id: member.label for member in members}
        sweep = SweepFile.read(self.folder)
        if sweep is None or not labels.keys() <= sweep.configs.keys():
            sweep = SweepFile((), time.time(), {name: {} for name in labels})
        self.progress = Progress(self.folder, sweep, beats)
        for run in self.progress.runs:
            run.label = labels.get(run.folder.name, run.label)
        self.console = console
        self.screen: Screen | None = None
        self.error: Exception | None = None
        self._finished = threading.Event()
        self._beat = 0.0

    def __enter__(self) -> None:
        self.is_table = shows_table(self.console)
        self.progress.look()  # what is there before anything is trained
        self._stop, self._stopper = os.pipe()
        self._sources = selectors.DefaultSelector()
        self._sources.register(self._stop, selectors.EVENT_READ)
        if self.is_table:
            self.screen = Screen()
            self._sources.register(self.screen.reader, selectors.EVENT_READ)
        console = self.console if self.screen is None else self.screen.console
        self.view = LiveView(self.progress, console, self.is_table)
        self.view.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self.screen is not None:
            self.screen.give_back()
        os.write(self._stopper, b".")  # to close it would not do: a forked process may have it too
        self._finished.wait()
        self._sources.close()
        os.close(self._stop)
        os.close(self._stopper)
        if self.error is not None and kind is None:
            raise self.error

    def _watch(self) -> None:
        try:
            self._show()
        except Exception as error:  # the training goes on without it
            self.error = error
        finally:
            self._finished.set()
        if self.screen is not None:
            self.screen.pass_on()

    def _show(self) -> None:
        try:
            while not self._wait(self._look_and_draw()):
                pass
            self.view.look()
        finally:
            with _drawing:
                try:
                    if self.screen is not None:
                        self.screen.print_rest()
                finally:
                    self.view.stop()

    def _look_and_draw(self) -> float:
        """How many seconds to wait before the next look."""
        begun = time.monotonic()
        self.view.look()
        with _drawing:
            self.view.draw()
        if begun - self._beat >= BEAT_SECONDS:
            self._beat = begun
            with contextlib.suppress(OSError):
                os.utime(self.folder / NAME)
        return max(self.view.pause, (time.monotonic() - begun) / _SHARE)

    def _wait(self, seconds: float) -> bool:
        """Prints meanwhile what others say; True when the block has ended."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready = {key.fd for key, _ in self._sources.select(left)}
            if self._stop in ready:
                return True
            if self.screen is not None and ready:
                with _drawing:
                    self.screen.print_new()
        return False
