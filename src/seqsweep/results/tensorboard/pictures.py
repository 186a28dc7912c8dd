"""Which pictures a run has, and the event file that holds them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from seqsweep.results.tensorboard import figures
from seqsweep.results.tensorboard.canvas import HEIGHT, WIDTH
from seqsweep.results.tensorboard.made_files import digest
from seqsweep.results.tensorboard.protobufs import event_file, image
from seqsweep.results.tensorboard.runs import Run
from seqsweep.runs.files import read_object

_LOOK = 2
"""Raised by hand when pictures begin to look different: the old ones are drawn again."""

Figures = Mapping[str, Callable[[], bytes]]


class Pictures:
    """The pictures of a run, drawn when they are asked for.

    Attributes:
        digest: of what they show; the same digest, the same pictures.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        record = run.record
        self._confusion = record.get("confusion") or {}
        self._classes = [str(name) for name in record.get("classes") or []]
        self._diagnosis = read_object(run.folder / "diagnostics.json")
        shown = [_LOOK, self._confusion, self._classes, self._diagnosis, run.best[0], run.ended]
        self.digest = digest(json.dumps(shown).encode())

    def __bool__(self) -> bool:
        return bool(self._figures())

    def event_file(self) -> bytes:
        """Draws them. Their group is the last of the page, below train and val."""
        values: list[Any] = [
            image(f"visual/{name}", draw(), WIDTH, HEIGHT) for name, draw in self._figures().items()
        ]
        return event_file(self.run.ended, values, self.run.best[0])

    def _figures(self) -> Figures:
        if (
            self.run.entry.config.get("diagnostics") is False
        ):  # the report has use for the confusion
            return {}
        found: dict[str, Callable[[], bytes]] = {}
        split = next((name for name in ("val", "test") if self._confusion.get(name)), None)
        if split:
            counts = self._confusion[split]
            names = self._classes or [str(index) for index in range(len(counts))]
            found["confusion"] = lambda: figures.confusion(counts, names, split)
        norms = self._diagnosis.get("gradient")
        if norms:
            found["gradient_through_time"] = lambda: figures.gradient(norms)
        paths = self._diagnosis.get("trajectories")
        if paths and paths.get("classes"):
            found["states"] = lambda: figures.trajectories(paths, self._classes)
        return found
