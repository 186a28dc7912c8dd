"""The progress bar of a single run."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from seqsweep.output_log import OutputLog

_SHOWN = ("train/loss", "val/loss", "val/acc")
_SECONDS_BETWEEN_DRAWS = 0.1
_BAR_WIDTH = 20
_OTHERS = _BAR_WIDTH + len("epoch    0:00:00 elapsed 0:00:00 left ")
"""The number of characters in a line besides the epoch and the metrics."""


class RunProgressBar:
    """Shows one line for the whole run: epochs, losses, accuracy, time left.

    Args:
        output: the log that takes all other output while the line is shown.
    """

    def __init__(self, console: Console, output: OutputLog | None = None) -> None:
        self._console = console
        self._output = output
        self.progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            # The default colour of a bar is a red, which looks like a failure.
            BarColumn(_BAR_WIDTH, complete_style="cyan", finished_style="green"),
            TextColumn("{task.fields[metrics]}"),
            TimeElapsedColumn(),
            TextColumn("elapsed"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.task = self.progress.add_task("", total=None, epoch="", metrics="")
        self._last_draw = 0.0

    def start(self, epochs: int | None) -> None:
        """Shows the line of a run of so many epochs."""
        if self._output is not None:
            self._output.start()
        self.progress.start()
        self.progress.update(self.task, total=epochs)

    def stop(self) -> None:
        """Removes the line."""
        with contextlib.suppress(OSError):
            self.progress.stop()
        if self._output is not None:
            self._output.restore()

    def draw(self, epochs: float, metrics: Mapping[str, Any]) -> None:
        """Draws the line after `epochs` epochs (may be 1.5), at most ten times a second."""
        now = time.monotonic()
        # The engines call this at every poll or every batch, which is too often to draw.
        if now - self._last_draw < _SECONDS_BETWEEN_DRAWS:
            return
        self._last_draw = now
        if self._output is not None:
            self._output.fit_console()
        known = [f"{name} {float(metrics[name]):.3f}" for name in _SHOWN if name in metrics]
        most = int(self.progress.tasks[0].total or 0)
        epoch = f"{min(int(epochs) + 1, most)}/{most}"
        room = self._console.width - len(epoch) - _OTHERS
        while known and len("  ".join(known)) > room:
            del known[0]  # the accuracy is removed last
        text = "  ".join(known)
        self.progress.update(self.task, completed=epochs, epoch=epoch, metrics=text)
        with contextlib.suppress(OSError):  # the terminal may have been closed
            self.progress.refresh()
