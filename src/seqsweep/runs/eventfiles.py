"""Chooses the folders of TensorBoard's event files, and finds, moves and removes the files.

TensorBoard shows every folder with an event file as a run, named by its path. So the event files of
a sweep's run lie in a folder with the run's readable name, `RUN_ID/h016-L1-bi-s0`. The sweep's
names.json maps run_ids to these names. A single run has its event files directly in its folder.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from seqsweep.runs.files import folders_with, make_folder, read_object, version_of, write_json
from seqsweep.runs.lock import is_locked

PREFIX = "events.out.tfevents."
ROWS = ".rows"
"""The ending of the names of event files that a run writes."""
WRITER = f".writer{ROWS}"
"""The ending of the name of a SummaryWriter's file, which must not be moved while open."""
MADE = ".seqsweep."
"""The mark in the names of event files that can be made again from a run's other files."""
NAMES = "names.json"

_WRITTEN = re.compile(rf"{re.escape(PREFIX)}\d+\.(.+)\.(\d+)\.\d+{re.escape(ROWS)}")
_PLAIN = re.compile(r"(?!checkpoints$)[A-Za-z0-9][A-Za-z0-9._-]*")


def event_files(run: Path) -> list[Path]:
    """Returns the event files of a run's epochs, in TensorBoard's order.

    Files of a user's own logger are included if they lie directly in the run's folder.
    """
    return grown_and_made_files(run)[0]


def made_files(run: Path) -> list[Path]:
    """Returns the event files that `results.tensorboard` has made for a run."""
    return grown_and_made_files(run)[1]


def writer_of(run: Path) -> tuple[str, int] | None:
    """Returns the host and pid that wrote the last event file, or None."""
    matches = [_WRITTEN.fullmatch(path.name) for path in event_files(run)]
    writers = [(match[1], int(match[2])) for match in matches if match]
    return writers[-1] if writers else None


def grown_and_made_files(run: Path) -> tuple[list[Path], list[Path]]:
    """Returns the files of `event_files` and of `made_files`; reads the folder once."""
    paths = [Path(path) for path in _events_below(str(run))]
    made = [path for path in paths if MADE in path.name]
    grown = [
        path
        for path in paths
        if MADE not in path.name
        and (path.parent == run or (path.parent.parent == run and path.name.endswith(ROWS)))
    ]
    return sorted(grown, key=lambda path: (path.name, path)), made


def _events_below(folder: str) -> Iterator[str]:
    """Yields the paths of all event files below a folder, in half of the time of `os.walk`."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                # checkpoints/ has no event files, and a link may lead out of the run's folder.
                if entry.name != "checkpoints" and not entry.is_symlink():
                    yield from _events_below(entry.path)
            elif entry.name.startswith(PREFIX):
                yield entry.path


def all_made_files(sweep: Path) -> list[str]:
    """Returns the made files of a folder's runs, as relative paths."""
    runs = folders_with(sweep, "config.yaml")
    return [os.path.relpath(path, sweep) for run in runs for path in made_files(run)]


def event_folder(run: Path, files: Sequence[Path] | None = None) -> Path:
    """Returns the folder that holds, or will hold, the run's event files.

    Args:
        files: the result of `event_files`, if it is known already.
    """
    if files := event_files(run) if files is None else files:
        return max(files, key=lambda path: path.name.endswith(ROWS)).parent
    name = read_names(run.parent).get(run.name)
    return run if name is None or (run / name).is_symlink() else run / name


def made_folder(run: Path, files: Sequence[Path] | None = None) -> Path:
    """Returns the folder for made files: the folder with the run's event files.

    If the files were in two folders, TensorBoard would show two runs. `files` is that of
    `event_folder`.
    """
    files = event_files(run) if files is None else files
    if not files:
        # A user's own logger may write into a folder of its own.
        for folder, folders, names in os.walk(run):
            folders.sort()
            if any("tfevents" in name and MADE not in name for name in names):
                return Path(folder)
    return event_folder(run, files)


def read_names(sweep: Path) -> Mapping[str, str]:
    """Returns the readable name of each run_id; empty outside of sweeps."""
    version = version_of(f"{sweep}/{NAMES}")
    return {} if version is None else _read_names(sweep / NAMES, version)


@lru_cache(maxsize=4)
def _read_names(path: Path, version: tuple[int, ...]) -> Mapping[str, str]:
    """Reads names.json; leaves out names that lead out of the run's folder."""
    names = read_object(path).items()
    return {run: name for run, name in names if isinstance(name, str) and _PLAIN.fullmatch(name)}


def write_names(sweep: Path, names: Mapping[str, str]) -> None:
    """Writes the names of runs, and moves their event files accordingly."""
    # The names are written before files are moved, so that a run that starts now uses its new name.
    if dict(read_names(sweep)) != dict(names):
        write_json(sweep / NAMES, dict(names), sync=False)
    for run_id, name in names.items():
        if (sweep / run_id).is_dir() and not (sweep / run_id).is_symlink():
            _move(sweep / run_id, name)


def _move(run: Path, name: str) -> None:
    """Moves a run's event files into the folder of its name.

    Nothing is moved while a SummaryWriter may hold a file open: it would begin a second file.
    """
    target = run / name
    # Made files are moved too, so that a run never has event files in two folders.
    grown, made = grown_and_made_files(run)
    files = [path for path in grown if path.name.endswith(ROWS)]
    moving = [path for path in [*files, *made] if path.parent != target]
    if not files or not moving or target.is_symlink():
        return
    if any(path.name.endswith(WRITER) for path in files) and is_locked(run):
        return
    make_folder(target)
    for path in moving:
        with contextlib.suppress(FileNotFoundError):  # another process may move them too
            path.replace(target / path.name)
    remove_empty({path.parent for path in moving} - {run})


def remove_event_files(run: Path) -> None:
    """Removes the event files of a run, and the folders that are then empty."""
    grown, made = grown_and_made_files(run)
    paths = [*grown, *made]
    for path in paths:
        path.unlink(missing_ok=True)
    remove_empty({path.parent for path in paths} - {run})


def remove_empty(folders: set[Path]) -> None:
    """Removes those of the folders that are empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
