"""Chooses the pictures of a run and writes the event file that contains them."""

import json
from collections.abc import Callable
from typing import Any

from seqsweep.results.tensorboard import figures
from seqsweep.results.tensorboard.canvas import HEIGHT, WIDTH
from seqsweep.results.tensorboard.made_files import digest
from seqsweep.results.tensorboard.protobufs import event_file, image
from seqsweep.results.tensorboard.runs import Run
from seqsweep.runs.files import read_object

_VERSION = 2
"""Raised by hand when pictures begin to look different, so that they are drawn again."""


class Pictures:
    """The pictures of a run, which are drawn when they are written.

    Attributes:
        digest: identifies the content of all pictures.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        record = run.record
        self._confusion = record.get("confusion") or {}
        self._classes = [str(name) for name in record.get("classes") or []]
        self._diagnosis = read_object(run.folder / "diagnostics.json")
        content = [_VERSION, self._confusion, self._classes, self._diagnosis]
        self.digest = digest(json.dumps([*content, run.best[0], run.ended]).encode())

    def __bool__(self) -> bool:
        return bool(self._figures())

    def event_file(self) -> bytes:
        """Draws the pictures; returns the content of their event file."""
        # The name `visual` makes their group the last of the page, below train and val.
        values: list[Any] = [
            image(f"visual/{name}", draw(), WIDTH, HEIGHT) for name, draw in self._figures().items()
        ]
        return event_file(self.run.ended, values, self.run.best[0])

    def _figures(self) -> dict[str, Callable[[], bytes]]:
        """Returns the name of each picture with the function that draws it."""
        pictures: dict[str, Callable[[], bytes]] = {}
        # The record has the confusion in any case, because the report uses it.
        if self.run.entry.config.get("diagnostics") is False:
            return pictures
        split = next((name for name in ("val", "test") if self._confusion.get(name)), None)
        if split:
            counts = self._confusion[split]
            classes = self._classes or [str(index) for index in range(len(counts))]
            pictures["confusion"] = lambda: figures.confusion(counts, classes, split)
        norms = self._diagnosis.get("gradient")
        if norms:
            pictures["gradient_through_time"] = lambda: figures.gradient(norms)
        states = self._diagnosis.get("trajectories")
        if states and states.get("classes"):
            pictures["states"] = lambda: figures.trajectories(states, self._classes)
        return pictures
