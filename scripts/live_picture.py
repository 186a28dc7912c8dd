"""Draws the live table of a sweep at some moment as an SVG.

python scripts/live_picture.py outputs/sweeps/architecture docs/img/live.svg --at 0.6
python scripts/live_picture.py outputs/sweeps/running docs/img/watch-slurm.svg --watch 30

With `--at` the sweep must be finished. Its runs are copied into a scratch folder as they were at
that moment: finished runs with their records, training ones with the epochs so far. With `--watch`
workers train the sweep now, and it is watched for some seconds, which shows their rates.
"""

import argparse
import contextlib
import io
import math
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from seqsweep.live.sweep_state import SweepProgress
from seqsweep.live.table import LiveTable
from seqsweep.live.watch import WatchedFolder
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile

_locks = contextlib.ExitStack()
"""The locks of the runs that train at the moment of the picture."""

_SIDE_BY_SIDE = 5
_SKIPPED = 2


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws a sweep's live table as an SVG.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument(
        "--at", type=float, default=0.6, help="the part of the sweep that is done, 0 to 1 (0.6)"
    )
    parser.add_argument(
        "--watch", type=float, metavar="SECONDS", help="draw a running sweep after this time"
    )
    parser.add_argument("--title", help="the command above the table (seqsweep watch FOLDER)")
    parser.add_argument("--width", type=int, default=80, help="columns (80)")
    options = parser.parse_args()
    console = Console(record=True, file=io.StringIO(), force_terminal=True, width=options.width)
    if options.watch is not None:
        console.print(LiveTable(_watched(options.folder, options.watch)))
    else:
        entries = [entry for entry in read_folder(options.folder) if entry.record is not None]
        with tempfile.TemporaryDirectory() as scratch, _locks:
            root = Path(scratch, options.folder.absolute().name)
            console.print(LiveTable(_progress_at(entries, root, options.at)))
    title = options.title or f"seqsweep watch {options.folder}"
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    # The picture must not load fonts from the network.
    picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)
    options.picture.write_text(picture, encoding="utf-8")


def _watched(folder: Path, seconds: float) -> SweepProgress:
    """Returns the progress of a running sweep after it was watched for some seconds."""
    progress, end = WatchedFolder(folder).progress, time.monotonic() + seconds
    while time.monotonic() < end:
        progress.look()
        time.sleep(0.25)
    return progress


def _progress_at(entries: Sequence[Entry], root: Path, part: float) -> SweepProgress:
    """Returns the progress at a moment; one run has failed, others take their `train_seconds`."""
    longest = sorted(entries, key=lambda entry: -_seconds(entry))
    skipped, trained = longest[-_SKIPPED:], longest[:-_SKIPPED]
    seconds = sum(map(_seconds, trained)) / _SIDE_BY_SIDE
    now, clock = [0.0], lambda: now[0]
    started = min(entry.folder.path.stat().st_mtime for entry in entries) - 1e6
    now[0] = started
    sweep = SweepFile((), started, {e.folder.run_id: e.config for e in entries}, _ids(skipped))
    _copy_runs(skipped, root, math.inf)
    progress = SweepProgress(root, sweep, clock)
    progress.look()
    _copy_runs(trained[:-1], root, part * seconds)
    RunFolder(root / trained[-1].folder.run_id).refuse({}, MemoryError("out of memory: 3.1 GiB"))
    now[0] = started + part * seconds
    progress.look()
    return progress


def _copy_runs(entries: Sequence[Entry], root: Path, now: float) -> None:
    """Copies runs that train side by side, as they are at a time."""
    free = [0.0] * _SIDE_BY_SIDE
    for entry in entries:
        worker = free.index(min(free))
        begun, free[worker] = free[worker], free[worker] + _seconds(entry)
        folder = root / entry.folder.run_id
        if begun < now:
            folder.mkdir(parents=True)
            header, *rows = (entry.folder.path / "metrics.csv").read_text().splitlines(True)
            count = len(rows) * min((now - begun) / _seconds(entry), 1)
            (folder / "metrics.csv").write_text("".join([header, *rows[: int(count)]]))
        if free[worker] <= now:
            shutil.copy(entry.folder.path / "record.json", folder)
        elif begun < now:
            _locks.enter_context(RunLock(folder))


def _ids(entries: Sequence[Entry]) -> frozenset[str]:
    return frozenset(entry.folder.run_id for entry in entries)


def _seconds(entry: Entry) -> float:
    return float((entry.record or {})["train_seconds"])


if __name__ == "__main__":
    main()
