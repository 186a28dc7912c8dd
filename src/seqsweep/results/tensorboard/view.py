"""`FOLDER/tensorboard`: the runs of a folder under readable names.

A run's folder is called by its run_id, which no chart should show. So TensorBoard is given a view:
a folder for each run, called by the keys that differ in the sweep. It holds links to the run's own
event files, and files of ours with what TensorBoard's other pages show. All of it is made from the
files of the runs, and can be removed and made again; nothing is written into a run's folder.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seqsweep.results.tensorboard.board import board_values
from seqsweep.results.tensorboard.events import event_file, serialized
from seqsweep.results.tensorboard.hparams import experiment, sessions, values_of
from seqsweep.results.tensorboard.mirror import NAME, Files, digest, file_name, link_name, mirror
from seqsweep.results.tensorboard.pictures import Pictures
from seqsweep.results.tensorboard.runs import Run, Runs, Status, read_runs


@dataclass(frozen=True)
class View:
    """A view as it has just been renewed.

    Args:
        path: what TensorBoard's `--logdir` is.
        configs: of each run by name, the name of its config.
        shown: of each run by name, a digest of its metadata and how it ended: of these two,
            TensorBoard shows what it has read first for as long as it runs.
        names: of the files, by their paths from `path`.
    """

    path: Path
    configs: Mapping[str, str]
    shown: Mapping[str, tuple[str, Status]]
    names: Collection[str] = ()


def renew(folder: Path, images: int | None = 8) -> Path:
    """Makes the view of a folder of runs, or brings it up to date; returns its path.

    It is cheap where little has changed: a file's name holds a digest of its content, and what is
    there is not written again. Two processes may do it at once.

    Args:
        folder: a sweep's, any folder of runs, or that of one run.
        images: how many of the best runs have pictures; 0 for none, None for as many as have now:
            for who renews a view that another may be showing.

    Raises:
        FileNotFoundError, ValueError: no such folder; no run in it; something that is not ours
            stands where the view belongs.
        OSError: it cannot be written.
    """
    return renew_view(folder, images).path


def renew_view(folder: Path, images: int | None = 8) -> View:
    """The same, and tells what is in it."""
    if images is None:
        images = len({path.parent for path in (folder / NAME).glob("*/*.images")})
    if images < 0:
        raise ValueError(f"images={images}: must be at least 0")
    found = read_runs(folder)
    columns = experiment(found)
    starts = sessions(found)
    files: dict[str, Files] = {
        run.name.run: {**_links(run), **_hparams(run, columns, starts[run.name.run])}
        for run in found.runs
    }
    for run in _best(found, images):
        files[run.name.run] |= _pictures(run)
    files[found.runs[0].name.run] |= _board(found)
    mirror(folder / NAME, files)
    return View(
        folder / NAME,
        {run.name.run: run.name.config for run in found.runs},
        {run.name.run: (digest(columns + starts[run.name.run]), run.status) for run in found.runs},
        [f"{run}/{name}" for run, own in files.items() for name in own],
    )


def _links(run: Run) -> Files:
    return {link_name(path): path for path in run.event_files()}


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
    first, step = found.runs[0], len(done)
    latest = max([run.ended for run in done], default=first.started)
    name = file_name(first.started, digest(serialized(values, step)), "board")
    return {name: lambda: event_file(latest, values, step)}
