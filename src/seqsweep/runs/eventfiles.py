"""Places the TensorBoard files of a run, which decides the name of the run there.

TensorBoard takes every folder with an event file for a run, and calls it by its path. So the event
files of a sweep's run lie in a folder with the run's readable name, `RUN_ID/h016-L1-bi-s0`: however
TensorBoard is started, it shows the run once, by that name. The sweep's names.json has the names.
A run outside of a sweep has its event files in its folder itself.

A file of rows may be moved while a process appends to it: see `EventFile`.
"""

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from seqsweep.runs.files import folders_with, read_object, write_json
from seqsweep.runs.lock import is_locked

PREFIX = "events.out.tfevents."
ROWS = ".rows"
"""The end of the name of each event file that a run writes."""
WRITER = f".writer{ROWS}"
"""The end of the name of a SummaryWriter's file, which must not be moved while open."""
MADE = ".seqsweep."
"""The part of the name of each file that can be made again from a run's other files."""
NAMES = "names.json"

_PLAIN = re.compile(r"(?!checkpoints$)[A-Za-z0-9][A-Za-z0-9._-]*")


def event_files(run: Path) -> list[Path]:
    """The event files that grow with a run's epochs, in the order in which TensorBoard reads them.

    Those of a logger of the user's own count where they lie in the run's folder itself.
    """
    return grown_and_made_files(run)[0]


def made_files(run: Path) -> list[Path]:
    """The event files that `results.tensorboard` has made for a run."""
    return grown_and_made_files(run)[1]


def grown_and_made_files(run: Path) -> tuple[list[Path], list[Path]]:
    """The files of `event_files` and those of `made_files`, by one walk through the folder."""
    grown: list[tuple[str, str]] = []
    made: list[str] = []
    folders = [""]
    for folder in folders:  # grows meanwhile
        names, inner = _scan(os.path.join(run, folder))
        folders += [os.path.join(folder, name) for name in inner]
        made += [os.path.join(folder, name) for name in names if MADE in name]
        is_deep = "/" in folder
        grown += [
            (name, folder)
            for name in names
            if MADE not in name and not is_deep and (not folder or name.endswith(ROWS))
        ]
    return [run / folder / name for name, folder in sorted(grown)], [run / path for path in made]


def all_made_files(sweep: Path) -> list[str]:
    """The made files of all runs of a folder, by their paths from there."""
    runs = folders_with(sweep, "config.yaml")
    return [os.path.relpath(path, sweep) for run in runs for path in made_files(run)]


def event_folder(run: Path, files: Sequence[Path] | None = None) -> Path:
    """The folder that has the run's event files; if there are none, the one with its name.

    Args:
        files: those of `event_files`, where they have just been found.
    """
    if files is None:
        files = event_files(run)
    if files:
        return max(files, key=lambda path: path.name.endswith(ROWS)).parent
    name = read_names(run.parent).get(run.name)
    return run if name is None or (run / name).is_symlink() else run / name


def made_folder(run: Path, files: Sequence[Path] | None = None) -> Path:
    """The folder for made files: beside the run's curves, so that TensorBoard shows one run.

    Args:
        files: those of `event_files`, where they have just been found.
    """
    if files is None:
        files = event_files(run)
    if not files:
        for folder, folders, names in os.walk(run):  # a logger of the user's own has its own folder
            folders.sort()
            if any("tfevents" in name and MADE not in name for name in names):
                return Path(folder)
    return event_folder(run, files)


def read_names(sweep: Path) -> Mapping[str, str]:
    """The readable name of each run_id; empty where the folder is not that of a sweep."""
    path = sweep / NAMES
    try:
        stat = path.stat()
        # Two versions may have one time: the clock of the file system is coarse.
        return _read_names(path, (stat.st_ino, stat.st_mtime_ns, stat.st_size))
    except OSError:
        return {}


@lru_cache(maxsize=4)
def _read_names(path: Path, version: tuple[int, ...]) -> Mapping[str, str]:
    """Reads names.json once a process; refuses names that lead out of the run's folder."""
    names = read_object(path).items()
    return {run: name for run, name in names if isinstance(name, str) and _PLAIN.fullmatch(name)}


def write_names(sweep: Path, names: Mapping[str, str]) -> None:
    """Gives the runs of a sweep their names; event files that lie elsewhere move."""
    if dict(read_names(sweep)) != dict(names):
        write_json(sweep / NAMES, dict(names), sync=False)
    for run_id, name in names.items():
        if (sweep / run_id).is_dir():
            _move(sweep / run_id, name)


def _move(run: Path, name: str) -> None:
    """Moves a run's event files into the folder of its name.

    A file that a SummaryWriter of the user's holds open stays: the writer would begin a second one.
    """
    target = run / name
    grown, made = grown_and_made_files(run)
    files = [path for path in grown if path.name.endswith(ROWS)]
    moving = [path for path in [*files, *made] if path.parent != target]
    if not files or not moving or target.is_symlink():
        return
    if any(path.name.endswith(WRITER) for path in files) and is_locked(run):
        return
    target.mkdir(exist_ok=True)
    for path in moving:
        with contextlib.suppress(FileNotFoundError):  # another process moves them too
            path.replace(target / path.name)
    remove_empty({path.parent for path in moving} - {run})


def remove_event_files(run: Path) -> None:
    """Removes the files of an earlier attempt, before the run is trained from the start."""
    grown, made = grown_and_made_files(run)
    found = [*grown, *made]
    for path in found:
        path.unlink(missing_ok=True)
    remove_empty({path.parent for path in found} - {run})


def remove_empty(folders: set[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _scan(folder: str) -> tuple[list[str], list[str]]:
    """The names of the event files in a folder, and those of its folders.

    A run's checkpoints are left out: no event file lies among them.
    """
    names: list[str] = []
    folders: list[str] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                names.append(entry.name)
            elif entry.name != "checkpoints" and entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
    return names, folders
