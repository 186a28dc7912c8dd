"""What the files of a run say, as the csv module and TensorBoard read them."""

import csv
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,  # pyright: ignore[reportPrivateImportUsage]
)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Returns (step, value) of each scalar, orphaned ones included."""
    events = EventAccumulator(str(folder), {"scalars": 0}, purge_orphaned_data=False)
    events.Reload()
    tags: Any = events.Tags()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags["scalars"]}
