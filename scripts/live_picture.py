"""Draws the live table of a sweep as an SVG, as it stood at some moment, for the docs.

python scripts/live_picture.py outputs/sweeps/architecture docs/img/live.svg --at 0.6

The sweep is a finished one. Its runs are laid into a scratch folder as they were then: those that
had ended with their records, those that were being trained with the epochs that they had.
"""

import argparse
import io
import math
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from seqsweep.live.sweep_state import SweepProgress
from seqsweep.live.table import LiveTable
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile

_SIDE_BY_SIDE = 5
_SKIPPED = 2


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws a sweep's live table as an SVG.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--at", type=float, default=0.6, help="the part that is done, 0 to 1 (0.6)")
    parser.add_argument("--width", type=int, default=80, help="columns (80)")
    options = parser.parse_args()
    entries = [entry for entry in read_folder(options.folder) if entry.record is not None]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, options.folder.absolute().name)
        progress = _then(entries, root, options.at)
        console = Console(record=True, file=io.StringIO(), force_terminal=True, width=options.width)
        console.print(LiveTable(progress))
    title = f"seqsweep watch {options.folder}"
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    picture = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)
    options.picture.write_text(picture, encoding="utf-8")  # without fonts from the network


def _then(entries: Sequence[Entry], root: Path, part: float) -> SweepProgress:
    """The sweep at that moment. A run takes its `train_seconds`, one of them has failed."""
    longest = sorted(entries, key=lambda entry: -_seconds(entry))
    skipped, trained = longest[-_SKIPPED:], longest[:-_SKIPPED]
    seconds = sum(map(_seconds, trained)) / _SIDE_BY_SIDE
    now, clock = [0.0], lambda: now[0]
    started = min(entry.folder.path.stat().st_mtime for entry in entries) - 1e6
    now[0] = started
    sweep = SweepFile((), started, {e.folder.run_id: e.config for e in entries}, _ids(skipped))
    _lay(skipped, root, math.inf)
    progress = SweepProgress(root, sweep, _is_training, clock)
    progress.look()
    _lay(trained[:-1], root, part * seconds)
    RunFolder(root / trained[-1].folder.run_id).refuse({}, MemoryError("out of memory: 3.1 GiB"))
    now[0] = started + part * seconds
    progress.look()
    return progress


def _lay(entries: Sequence[Entry], root: Path, now: float) -> None:
    """The folders of runs that are trained some side by side, as they are at a time."""
    free = [0.0] * _SIDE_BY_SIDE
    for entry in entries:
        place = free.index(min(free))
        begun, free[place] = free[place], free[place] + _seconds(entry)
        folder = root / entry.folder.run_id
        if begun < now:
            folder.mkdir(parents=True)
            header, *rows = (entry.folder.path / "metrics.csv").read_text().splitlines(True)
            count = len(rows) * min((now - begun) / _seconds(entry), 1)
            (folder / "metrics.csv").write_text("".join([header, *rows[: int(count)]]))
        if free[place] <= now:
            shutil.copy(entry.folder.path / "record.json", folder)
        elif begun < now:
            (folder / "lock").touch()


def _is_training(folder: Path) -> bool:
    return (folder / "lock").exists()


def _ids(entries: Sequence[Entry]) -> frozenset[str]:
    return frozenset(entry.folder.run_id for entry in entries)


def _seconds(entry: Entry) -> float:
    return float((entry.record or {})["train_seconds"])


if __name__ == "__main__":
    main()
