"""Makes the files that TensorBoard shows: readable names, hyperparameters, pictures.

The made event files lie beside the curves of each run. They are made from the other files of the
runs, so they can be removed and made again.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.tensorboard.made_files import (
    Files,
    digest,
    event_file,
    experiment,
    file_name,
    image,
    serialized,
    sessions,
    text,
    values_of,
    write_made_files,
)
from seqsweep.results.tensorboard.runs import Run, Runs, Status, read_runs
from seqsweep.runs.eventfiles import made_files, made_folder, write_names
from seqsweep.runs.files import read_object
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.text import visible

MOST_RUNS = 500
"""The most runs shown by default. Time Series selects no more by itself, and thousands are slow."""

_MOST_SELECTED = 40
"""The most runs that TensorBoard's older pages, such as Images, select by themselves."""
_FIRST_RUNS = 20
"""The number of best runs that are selected at first, if TensorBoard would select no run."""

_PICTURES_VERSION = 4
"""The version of the pictures. Raise it by hand when pictures change, to draw all again."""


@dataclass(frozen=True)
class View:
    """The content that TensorBoard shows of a folder.

    Args:
        folder: the folder of the runs.
        monitor: the metric that ranks the runs.
        configs: the name of each run's config, by the run's name.
        versions: a digest of each run's metadata and how the run ended, by the run's name. A
            TensorBoard process keeps showing the first version that it has read.
        folders: the folder of each run, by the run's name.
        made: the paths of the made files, relative to the folder of all runs.
        left_out: the number of further runs in the folder, which the view does not show.
        best: the names of the runs selected at first; empty if TensorBoard selects all runs.
        is_writable: whether the folder can be written; otherwise only the curves are shown.
    """

    folder: Path
    monitor: str
    configs: Mapping[str, str]
    versions: Mapping[str, tuple[str, Status]]
    folders: Mapping[str, Path]
    made: Collection[str] = ()
    left_out: int = 0
    best: Sequence[str] = ()
    is_writable: bool = True

    @cached_property
    def files(self) -> dict[str, Path]:
        """The event files by the paths that TensorBoard shows."""
        paths: dict[str, Path] = {}
        for name, run in self.folders.items():
            paths |= _event_paths(name, run)
        return paths


def renew(folder: Path, images: int | None = 8, most: int = MOST_RUNS) -> View:
    """Makes or updates the files that TensorBoard shows for a folder.

    The function is fast if little has changed, and two processes may call it at the same time.

    Args:
        folder: a folder of runs, such as a sweep's, or the folder of one run.
        images: how many of the best runs have pictures. None keeps the current numbers of pictures
            and runs, because another process may be showing them.
        most: the most runs shown, at least 1. If there are more, the best configs are shown.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: the folder contains no run of this version, or `images` is negative.
        OSError: a file cannot be written.
    """
    if images is not None and images < 0:
        raise ValueError(f"images={images}: must be at least 0")
    sweep = next((path for path in (folder, folder.parent) if SweepFile.read(path)), None)
    # Names and columns cover the whole sweep, even if only some of its runs are shown.
    root = sweep or folder
    runs = read_runs(root)
    # On a file system that is mounted read-only, this is false even for the user root.
    is_writable = os.access(root, os.W_OK)
    if sweep is not None and is_writable:
        write_names(root, {run_id: name.run for run_id, name in runs.names.items()})
    if images is None:
        made_before = [made_files(run.folder) for run in runs.runs]
        images = sum(any(path.suffix == ".images" for path in files) for files in made_before)
        most = max(most, sum(map(bool, made_before)))
    chosen = _best_runs(runs, most)
    # A run whose own folder was given is always shown.
    asked = [run for run in runs.runs if run.folder == folder and run not in chosen]
    shown = replace(runs, runs=chosen + asked)
    columns, starts = experiment(runs), sessions(shown)
    complete = [run for run in shown.runs if run.entry.state == "complete"]
    ranked = sorted(complete, key=lambda run: run.score, reverse=True)
    files = _files(shown, columns, starts, ranked[:images])
    made: list[str] = []
    for run in runs.runs if is_writable else ():
        # A run that is not shown gets no files, and its files from an earlier view are removed.
        paths = write_made_files(run.folder, files.get(run.name.run, {}))
        made += [path.relative_to(root).as_posix() for path in paths]
    viewed = {run.name.run: run for run in shown.runs if folder in (root, run.folder)}
    # The first run has the text with all names.
    best = dict.fromkeys(run.name.run for run in (*ranked[:_FIRST_RUNS], *shown.runs[:1]))
    return View(
        folder,
        runs.monitor,
        {name: run.name.config for name, run in viewed.items()},
        {name: (digest(columns + starts[name]), run.status) for name, run in viewed.items()},
        {name: run.folder for name, run in viewed.items()},
        made,
        len(runs.runs) - len(shown.runs) if folder == root else 0,
        list(best) if len(viewed) > _MOST_SELECTED else (),
        is_writable,
    )


def _best_runs(runs: Runs, most: int) -> list[Run]:
    """Returns the runs of the best configs, at most `most` of them.

    Either all runs of a config are returned or none, because TensorBoard shows the mean of a config
    over its runs. So all runs of the first config are returned, even if they are more than `most`.
    Configs without a complete run come last.
    """
    if len(runs.runs) <= most:
        return runs.runs
    board = leaderboard([run.entry for run in runs.runs], runs.planned)
    ranked = [runs.names[row.entries[0].folder.run_id].config for row in board.rows]
    by_config: dict[str, list[Run]] = {name: [] for name in ranked}
    for run in runs.runs:
        by_config.setdefault(run.name.config, []).append(run)
    chosen: list[Run] = []
    for group in by_config.values():
        if chosen and len(chosen) + len(group) > most:
            break
        chosen += group
    return sorted(chosen, key=lambda run: run.name.run)


def _files(
    runs: Runs, columns: bytes, starts: Mapping[str, bytes], pictured: Sequence[Run]
) -> dict[str, Files]:
    """Returns the made files of each shown run by the run's name."""
    files = {run.name.run: _hparams_file(run, columns, starts[run.name.run]) for run in runs.runs}
    for run in pictured:
        files[run.name.run] |= _pictures_file(run)
    files[runs.runs[0].name.run] |= _names_file(runs)
    return files


def _names_file(runs: Runs) -> Files:
    """Returns the file with the short and the full names of configs."""
    if not runs.keys:
        return {}
    keys = key_names(runs.keys, (run.config for run in runs.runs))
    full = {"config": "full name"}
    full |= {run.name.config: visible(run_label(run.config, keys)) for run in runs.runs}
    width = max(map(len, full))
    # The text is a code block, because a Markdown table breaks words and numbers on a narrow page.
    lines = [f"    {name.ljust(width)}  {label}" for name, label in full.items()]
    values = [text("names", "\n".join(["The names of all configs", "", *lines]))]
    started = runs.runs[0].started
    name = file_name(started, digest(serialized(values, 0)), "names")
    return {name: lambda: event_file(started, values, 0)}


def _event_paths(name: str, run: Path) -> Iterator[tuple[str, Path]]:
    """Yields the link path and the file for each event file."""
    # Files beside the curves get only the run's name. Other files keep their folders' names.
    home = made_folder(run)
    for folder, _, files in os.walk(run):
        below = "" if Path(folder) == home else os.path.relpath(folder, run)
        for file in files:
            if "tfevents" in file:
                yield os.path.join(name, below, file), Path(folder, file).resolve()


def _hparams_file(run: Run, columns: bytes, start: bytes) -> Files:
    """Returns the file with the run's hyperparameters and results."""
    step, _ = run.best
    values = values_of(run, columns, start)
    name = file_name(run.started, digest(serialized(values, step)), "hparams")
    return {name: lambda: event_file(run.ended, values, step)}


def _pictures_file(run: Run) -> Files:
    """Returns the file of a run's pictures, drawn when it is written."""
    # With `diagnostics=false` no picture is drawn, not even the confusion matrix, which the record
    # has for the report.
    content = {} if run.entry.config.get("diagnostics") is False else _pictures_of(run)
    if not content:
        return {}
    identity = json.dumps([_PICTURES_VERSION, content, run.best[0], run.ended]).encode()
    name = file_name(run.started, digest(identity), "images")
    return {name: lambda: _drawn(run, content)}


def _pictures_of(run: Run) -> dict[str, tuple[Any, ...]]:
    """Returns the content of each picture by the picture's name."""
    confusion = run.record.confusion
    classes = [str(name) for name in run.record.classes]
    diagnosis = read_object(run.folder / "diagnostics.json")
    content: dict[str, tuple[Any, ...]] = {}
    if split := next((name for name in ("val", "test") if confusion.get(name)), None):
        names = classes or [str(index) for index in range(len(confusion[split]))]
        content["confusion"] = confusion[split], names, split
    if norms := diagnosis.get("gradient"):
        content["gradient_through_time"] = (norms,)
    states = diagnosis.get("trajectories")
    if states and states.get("classes"):
        content["states"] = states, classes
    return content


def _drawn(run: Run, content: Mapping[str, tuple[Any, ...]]) -> bytes:
    # Importing matplotlib takes 0.5 CPU s, and most renewals draw no picture.
    from seqsweep.results.tensorboard import figures

    functions = {
        "confusion": figures.confusion,
        "gradient_through_time": figures.gradient,
        "states": figures.trajectories,
    }
    # The group is named `visual`, so that it comes last on the page, below train and val.
    values = [
        image(f"visual/{name}", figures.png(functions[name](*given)), figures.WIDTH, figures.HEIGHT)
        for name, given in content.items()
    ]
    return event_file(run.ended, values, run.best[0])
