"""Finds TensorBoard's event files in a run's folder, and who wrote them.

TensorBoard shows every folder with an event file as a run, named by its path. So the files lie
directly in the run's folder, and plain TensorBoard shows each run once, by its run_id.
"""

import os
import re
from pathlib import Path

from seqsweep.runs.files import matching

PREFIX = "events.out.tfevents."
ROWS = ".rows"
"""The ending of the names of event files that a run writes."""

_WRITTEN = re.compile(rf"{re.escape(PREFIX)}\d+\.(.+)\.(\d+)\.\d+{re.escape(ROWS)}")


def event_files(run: Path) -> list[Path]:
    """Returns the event files in a run's folder, in TensorBoard's order.

    Files of a user's own logger are included if they lie directly in the folder.
    """
    return sorted(matching(run, f"{PREFIX}*"))


def writer_of(run: Path) -> tuple[str, int] | None:
    """Returns the host and pid that wrote the last event file, or None."""
    matches = [_WRITTEN.fullmatch(path.name) for path in event_files(run)]
    writers = [(match[1], int(match[2])) for match in matches if match]
    return writers[-1] if writers else None


def all_event_files(run: Path) -> dict[str, list[Path]]:
    """Returns the regular event files below a run's folder, by relative folder.

    Links are not followed: they may lead out of the folder. A user's own logger may have made
    folders of its own; the first of these stands for the run if the run has no files itself.
    """
    found: dict[str, list[Path]] = {}
    for folder, inner, names in os.walk(run):
        inner[:] = sorted(name for name in inner if name != "checkpoints")
        paths = [Path(folder, name) for name in sorted(names) if "tfevents" in name]
        if paths := [path for path in paths if path.is_file() and not path.is_symlink()]:
            found[os.path.relpath(folder, run) if found else ""] = paths
    return found
