"""Makes the event file that contains the pictures of a run."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from seqsweep.results.tensorboard.made_files import Files, digest, file_name
from seqsweep.results.tensorboard.protobufs import event_file, image
from seqsweep.results.tensorboard.runs import Run
from seqsweep.runs.files import read_object

_VERSION = 3
"""Raised by hand when pictures begin to look different, so that they are drawn again."""

Content = Mapping[str, tuple[Any, ...]]
"""The name of each picture with what is drawn in it."""


def pictures_file(run: Run) -> Files:
    """Returns the event file with a run's pictures, drawn when it is written."""
    # The record has the confusion in any case, because the report uses it.
    if run.entry.config.get("diagnostics") is False:
        return {}
    content = _content(run)
    if not content:
        return {}
    identity = json.dumps([_VERSION, content, run.best[0], run.ended]).encode()
    name = file_name(run.started, digest(identity), "images")
    return {name: lambda: _event_file(run, content)}


def _content(run: Run) -> Content:
    record = run.entry.record or {}
    confusion = record.get("confusion") or {}
    classes = [str(name) for name in record.get("classes") or []]
    diagnosis = read_object(run.folder / "diagnostics.json")
    content: dict[str, tuple[Any, ...]] = {}
    split = next((name for name in ("val", "test") if confusion.get(name)), None)
    if split:
        names = classes or [str(index) for index in range(len(confusion[split]))]
        content["confusion"] = confusion[split], names, split
    if norms := diagnosis.get("gradient"):
        content["gradient_through_time"] = (norms,)
    states = diagnosis.get("trajectories")
    if states and states.get("classes"):
        content["states"] = states, classes
    return content


def _event_file(run: Run, content: Content) -> bytes:
    # Imported here, because matplotlib takes 0.5 CPU s, and most renewals draw no picture.
    from seqsweep.results.tensorboard import figures

    draw: Mapping[str, Callable[..., Any]] = {
        "confusion": figures.confusion,
        "gradient_through_time": figures.gradient,
        "states": figures.trajectories,
    }
    # The name `visual` makes their group the last of the page, below train and val.
    values = [
        image(f"visual/{name}", figures.png(draw[name](*given)), figures.WIDTH, figures.HEIGHT)
        for name, given in content.items()
    ]
    return event_file(run.ended, values, run.best[0])
