"""What a person sees of a sweep while it trains, whatever launcher trains it.

A thread looks at the runs' folders. On a terminal it draws a table, elsewhere it prints a line for
each run that ends. Workers of a DataLoader are forked meanwhile, but never while the thread draws:
a child would inherit a locked console, and nothing would ever release its lock.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from seqsweep.console import say_error
from seqsweep.live.progress_view import LiveView, shows_table
from seqsweep.live.run_state import beats
from seqsweep.live.sweep_state import Progress
from seqsweep.live.terminal import Screen
from seqsweep.pacing import pause_after
from seqsweep.runs.lock import BEAT_SECONDS
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import NAME, SweepFile

_drawing = threading.RLock()
os.register_at_fork(
    before=_drawing.acquire, after_in_parent=_drawing.release, after_in_child=_drawing.release
)


class Watched(Protocol):
    """A run to wait for."""

    @property
    def folder(self) -> RunFolder: ...


class Watcher:
    """Shows how far a sweep is, as long as the block runs.

    What goes wrong with that is no matter of the training: it is told when the block has ended.
    It also touches the sweep's sweep.json, so that others can see that the sweep is alive.

    Args:
        members: the runs to wait for, of one folder.
        console: where to.
    """

    def __init__(self, members: Sequence[Watched], console: Console) -> None:
        self.folder = members[0].folder.path.parent
        self.names = [member.folder.run_id for member in members]
        self.console = console
        self.error: Exception | None = None
        self._screen: Screen | None = None
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> None:
        self._start(_beat, self.folder / NAME, self._ended)
        try:
            progress = Progress(self.folder, self._sweep(), beats)
            progress.look()  # what is there before anything is trained
            if shows_table(self.console):
                self._screen = Screen()
            view = LiveView(progress, self.console, self._screen)
            view.start()
        except Exception as error:
            self.error = error
            if self._screen is not None:
                self._screen.restore()
            return
        self._start(self._watch, view)

    def __exit__(self, *_: object) -> None:
        if self._screen is not None:
            self._screen.restore()
        self._ended.set()
        for thread in self._threads:
            thread.join()
        # Without a screen of our own a broken pipe means that the reader, head for instance, has
        # gone, which is not a fault of the display.
        is_reader_gone = isinstance(self.error, BrokenPipeError) and self._screen is None
        if self.error is not None and not is_reader_gone:
            words = " ".join(f"{type(self.error).__name__}: {self.error}".split())
            with contextlib.suppress(Exception):
                say_error(f"the sweep's progress could not be shown: {words}")

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _sweep(self) -> SweepFile:
        """That of the folder's sweep.json, as long as it knows of these runs."""
        sweep = SweepFile.read(self.folder)
        if sweep is None or not set(self.names) <= sweep.configs.keys():
            return SweepFile((), time.time(), {name: {} for name in self.names})
        return sweep.current()

    def _watch(self, view: LiveView) -> None:
        try:
            self._show(view)
        except Exception as error:
            self.error = error
            if self._screen is not None:
                self._screen.abandon()

    def _show(self, view: LiveView) -> None:
        pause = 0.0
        while not self._ended.wait(pause):
            begun = time.monotonic()
            view.look()
            with _drawing:
                view.draw()
            pause = pause_after(time.monotonic() - begun, view.pause)
        view.look()
        with _drawing:
            view.stop()


def _beat(path: Path, ended: threading.Event) -> None:
    while True:
        with contextlib.suppress(OSError):
            os.utime(path)
        if ended.wait(BEAT_SECONDS):
            return
