"""Makes the event file that contains the pictures of a run."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seqsweep.results.tensorboard import figures
from seqsweep.results.tensorboard.canvas import HEIGHT, WIDTH
from seqsweep.results.tensorboard.made_files import Files, digest, file_name
from seqsweep.results.tensorboard.protobufs import event_file, image
from seqsweep.results.tensorboard.runs import Run
from seqsweep.runs.files import read_object

_VERSION = 2
"""Raised by hand when pictures begin to look different, so that they are drawn again."""

Drawings = Mapping[str, Callable[[], bytes]]
"""The name of each picture with the function that draws it."""


def pictures_file(run: Run) -> Files:
    """Returns the event file with a run's pictures, drawn when it is written."""
    # The record has the confusion in any case, because the report uses it.
    if run.entry.config.get("diagnostics") is False:
        return {}
    record = run.entry.record or {}
    confusion = record.get("confusion") or {}
    classes = [str(name) for name in record.get("classes") or []]
    diagnosis = read_object(run.folder / "diagnostics.json")
    drawings = _drawings(confusion, classes, diagnosis)
    if not drawings:
        return {}
    content = [_VERSION, confusion, classes, diagnosis, run.best[0], run.ended]
    name = file_name(run.started, digest(json.dumps(content).encode()), "images")
    return {name: lambda: _event_file(run, drawings)}


def _drawings(
    confusion: Mapping[str, Any], classes: Sequence[str], diagnosis: Mapping[str, Any]
) -> Drawings:
    drawings: dict[str, Callable[[], bytes]] = {}
    split = next((name for name in ("val", "test") if confusion.get(name)), None)
    if split:
        counts = confusion[split]
        names = classes or [str(index) for index in range(len(counts))]
        drawings["confusion"] = lambda: figures.confusion(counts, names, split)
    norms = diagnosis.get("gradient")
    if norms:
        drawings["gradient_through_time"] = lambda: figures.gradient(norms)
    states = diagnosis.get("trajectories")
    if states and states.get("classes"):
        drawings["states"] = lambda: figures.trajectories(states, classes)
    return drawings


def _event_file(run: Run, drawings: Drawings) -> bytes:
    # The name `visual` makes their group the last of the page, below train and val.
    values: list[Any] = [
        image(f"visual/{name}", draw(), WIDTH, HEIGHT) for name, draw in drawings.items()
    ]
    return event_file(run.ended, values, run.best[0])
