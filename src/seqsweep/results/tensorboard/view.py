"""Makes what TensorBoard shows of a folder: readable names, hyperparameters, pictures.

Beside the curves of each run lie event files of ours with what TensorBoard's other pages show.
All of it is made from the files of the runs, and can be removed and made again.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seqsweep.results.tensorboard.board import board_values
from seqsweep.results.tensorboard.hparams import experiment, sessions, values_of
from seqsweep.results.tensorboard.made_files import Files, digest, file_name, place
from seqsweep.results.tensorboard.pictures import Pictures
from seqsweep.results.tensorboard.protobufs import event_file, serialized
from seqsweep.results.tensorboard.runs import Run, Runs, Status, read_runs
from seqsweep.runs.eventfiles import made_files, made_folder, write_names
from seqsweep.runs.sweepfile import SweepFile


@dataclass(frozen=True)
class View:
    """The content that TensorBoard shows of a folder, as it has just been renewed.

    Args:
        folder: of the runs.
        monitor: the metric that ranks them.
        configs: of each run by name, the name of its config.
        shown: of each run by name, a digest of its metadata and how it ended: of these two,
            TensorBoard shows what it has read first for as long as it runs.
        folders: of the runs by name.
        made: the files of ours, by their paths from the folder of all runs.
    """

    folder: Path
    monitor: str
    configs: Mapping[str, str]
    shown: Mapping[str, tuple[str, Status]]
    folders: Mapping[str, Path]
    made: Collection[str] = ()

    @cached_property
    def files(self) -> dict[str, Path]:
        """The event files by the paths under which TensorBoard shows the runs by their names."""
        return {
            path: file for name, run in self.folders.items() for path, file in _paths(name, run)
        }


def renew(folder: Path, images: int | None = 8) -> View:
    """Makes what TensorBoard shows of a folder of runs, or brings it up to date.

    It is cheap where little has changed: a file's name holds a digest of its content, and what is
    there is not written again. Two processes may do it at once.

    Args:
        folder: a sweep's, any folder of runs, or that of one run.
        images: how many of the best runs have pictures; 0 for none, None for as many as have now:
            for who renews what another may be showing.

    Raises:
        FileNotFoundError, ValueError: no such folder; no run in it.
        OSError: it cannot be written.
    """
    if images is not None and images < 0:
        raise ValueError(f"images={images}: must be at least 0")
    sweep = next((path for path in (folder, folder.parent) if SweepFile.read(path)), None)
    root = sweep or folder
    found = read_runs(root)
    if sweep is not None:
        write_names(root, {run_id: name.run for run_id, name in found.names.items()})
    columns, starts = experiment(found), sessions(found)
    shown = [run for run in found.runs if folder in (root, run.folder)]
    files = _made(found, columns, starts, images)
    made = {run.name.run: place(run.folder, files[run.name.run]) for run in found.runs}
    return View(
        folder,
        found.monitor,
        {run.name.run: run.name.config for run in shown},
        {run.name.run: (digest(columns + starts[run.name.run]), run.status) for run in shown},
        {run.name.run: run.folder for run in shown},
        [path.relative_to(root).as_posix() for run in found.runs for path in made[run.name.run]],
    )


def _made(
    found: Runs, columns: bytes, starts: Mapping[str, bytes], images: int | None
) -> dict[str, Files]:
    """The made files of each run by the run's name."""
    if images is None:
        images = sum(
            any(path.suffix == ".images" for path in made_files(run.folder)) for run in found.runs
        )
    files = {run.name.run: _hparams(run, columns, starts[run.name.run]) for run in found.runs}
    for run in _best(found, images):
        files[run.name.run] |= _pictures(run)
    files[found.runs[0].name.run] |= _board(found)
    return files


def _paths(name: str, run: Path) -> Iterator[tuple[str, Path]]:
    """The place of each event file of a run in a folder of links by the runs' names."""
    home = made_folder(run)
    for folder, _, files in os.walk(run):
        below = "" if Path(folder) == home else os.path.relpath(folder, run)
        for file in files:
            if "tfevents" in file:
                yield os.path.join(name, below, file), Path(folder, file).resolve()


def _hparams(run: Run, columns: bytes, start: bytes) -> Files:
    """Its name leaves the time out: while a run trains, that is of its last epoch, not its best."""
    step, _ = run.best
    values = values_of(run, columns, start)
    name = file_name(run.started, digest(serialized(values, step)), "hparams")
    return {name: lambda: event_file(run.ended, values, step)}


def _best(found: Runs, images: int) -> Iterator[Run]:
    done = [run for run in found.runs if run.entry.state == "complete"]
    yield from sorted(done, key=lambda run: run.score, reverse=True)[:images]


def _pictures(run: Run) -> Files:
    pictures = Pictures(run)
    if not pictures:
        return {}
    return {file_name(run.started, pictures.digest, "images"): pictures.event_file}


def _board(found: Runs) -> Files:
    done = [run for run in found.runs if run.entry.state == "complete"]
    values = board_values(found)
    if not values:
        return {}
    first, step = found.runs[0], len(done)
    latest = max([run.ended for run in done], default=first.started)
    name = file_name(first.started, digest(serialized(values, step)), "board")
    return {name: lambda: event_file(latest, values, step)}
