"""Makes the folder that TensorBoard shows: curves by readable names, HParams, pictures.

The folder is temporary and lies outside of the sweep's. TensorBoard looks into hidden folders too,
so in the sweep's folder plain `tensorboard --logdir` would show each run twice. The curves are
links, so they grow while runs train.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.keys import DATA
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.replicates import numbers
from seqsweep.results.run_names import Name, names_of
from seqsweep.results.tensorboard.hparams import ENDED, Columns, event_file, image, text
from seqsweep.runs.events import PREFIX, all_event_files
from seqsweep.runs.files import read_object
from seqsweep.runs.ledger import Entry, not_begun, read_folder
from seqsweep.runs.metrics import own_metrics
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.text import visible

MOST_RUNS = 500
"""The most runs shown by default. Time Series selects no more by itself, and thousands are slow."""

_MOST_SELECTED = 40
"""The most runs that TensorBoard's older pages, such as Images, select by themselves."""

# Without a data server, TensorBoard reads the files of a folder in the order of their names and
# stays at the last file. So the file of the curves, which grows, must be the last.
_MADE = f"{PREFIX}0000000000.seqsweep"
_OURS = ("val/acc", "test/acc", "test/f1", "train_seconds", "params")
_TITLES = {
    "confusion": "confusion matrix: sequences by their true and predicted class",
    "gradient_through_time": "gradient through time: how much each time step can teach",
}
"""The titles of pictures. Beside a shorter one TensorBoard would clip the name of the run."""


@dataclass(frozen=True)
class View:
    """The content of the folder that TensorBoard shows.

    Args:
        monitor: the metric that ranks the runs.
        configs: the name of each run's config, by the run's name.
        left_out: the number of further runs in the folder, which are not shown.
        unfinished: the number of runs that train, wait or were interrupted.
        best: the names of the runs selected at first; empty if TensorBoard selects all runs.
        has_curves: whether a run has an event file.
    """

    monitor: str
    configs: Mapping[str, str]
    left_out: int = 0
    unfinished: int = 0
    best: Sequence[str] = ()
    has_curves: bool = True


class _Runs:
    """The runs of a folder, their names and the ranking of their configs.

    Members of the sweep that have not started count too, so names stay the same while it runs.
    """

    def __init__(self, root: Path) -> None:
        self.entries = read_folder(root)
        sweep = SweepFile.read(root)
        planned: dict[str, Any] = dict(sweep.configs) if sweep else {}
        begun = {entry.folder.run_id: entry.config for entry in self.entries}
        self.unfinished = len(planned.keys() - begun.keys())
        self.unfinished += sum(entry.state not in ENDED for entry in self.entries)
        self.configs: list[Mapping[str, Any]] = list((planned | begun).values())
        self.board = leaderboard(self.entries, not_begun(planned, self.entries))
        self.rows = {e.folder.run_id: row for row in self.board.rows for e in row.entries}
        self._names = names_of(planned | begun)

    def name(self, entry: Entry) -> Name:
        """Returns the names of a run and of its config."""
        return self._names[entry.folder.run_id]

    def of_best_configs(self, most: int) -> list[Entry]:
        """Returns the runs of the best configs, at most `most` of them.

        Either all runs of a config are returned or none; of the first config all, even if they are
        more than `most`. Configs without a complete run come last.
        """
        ranked = [entry for row in self.board.rows for entry in row.entries]
        groups: dict[str, list[Entry]] = {self.name(entry).config: [] for entry in ranked}
        for entry in self.entries:
            groups.setdefault(self.name(entry).config, []).append(entry)
        chosen: list[Entry] = []
        for group in groups.values():
            if chosen and len(chosen) + len(group) > most:
                break
            chosen += group
        return chosen

    def ranked(self, shown: Sequence[Entry]) -> list[Entry]:
        """Returns the complete runs that have the ranking metric, best first."""
        monitor = self.board.monitor
        scored = [e for e in shown if e.state == "complete" and monitor in numbers(e)]
        sign = 1 if monitor.lower_is_better else -1
        return sorted(scored, key=lambda entry: sign * numbers(entry)[monitor])


def make_view(folder: Path, target: Path, images: int = 8, most: int = MOST_RUNS) -> View:
    """Fills an empty folder with what TensorBoard shows of a folder of runs.

    Args:
        folder: a folder of runs, such as a sweep's, or the folder of one run.
        images: how many of the best runs have pictures.
        most: the most runs shown, at least 1. If there are more, the best configs are shown.

    Raises:
        OSError, ValueError: those of `read_folder`, or a file cannot be written.
    """
    # The names and columns of one run are those of its sweep.
    root = next((path for path in (folder, folder.parent) if SweepFile.read(path)), folder)
    runs = _Runs(root)
    asked = [entry for entry in runs.entries if entry.folder.path == folder]
    shown = asked or runs.of_best_configs(most)
    ranked = runs.ranked(shown)
    pictured = {entry.folder.run_id for entry in ranked[:images]}
    columns, has_curves = _columns(runs, shown), False
    for entry in shown:
        home = target / runs.name(entry).run
        values = _session(runs, entry, columns)
        if entry is (ranked or shown)[0]:
            values += _names_text(runs, shown)
        if entry.folder.run_id in pictured:
            values += _pictures(entry)
        when = (entry.folder.path / "config.yaml").stat().st_mtime
        home.mkdir()
        with (home / _MADE).open("xb") as file:
            file.write(event_file(when, values, _best_step(entry)))
        has_curves |= _link_curves(entry.folder.path, home)
    selected = [*ranked, *shown][:_MOST_SELECTED] if len(shown) > _MOST_SELECTED else []
    return View(
        runs.board.monitor,
        {runs.name(entry).run: runs.name(entry).config for entry in shown},
        left_out=0 if asked else len(runs.entries) - len(shown),
        unfinished=int(asked[0].state not in ENDED) if asked else runs.unfinished,
        best=[runs.name(entry).run for entry in selected],
        has_curves=has_curves,
    )


def _link_curves(run: Path, home: Path) -> bool:
    """Links a run's event files, or copies them; returns whether there are any."""
    found = all_event_files(run)
    for below, paths in found.items():
        (home / below).mkdir(parents=True, exist_ok=True)
        for path in paths:
            link = home / below / path.name
            if link == home / _MADE:  # what is written under this name must not be replaced
                continue
            try:
                # The path is not resolved, because it may have become a link since it was checked.
                link.symlink_to(path.absolute())
            except OSError:  # on Windows, links need a right that few users have
                shutil.copyfile(path, link)
    return bool(found)


def _columns(runs: _Runs, shown: Sequence[Entry]) -> Columns:
    board = runs.board
    rows = [row for entry in shown if (row := runs.rows.get(entry.folder.run_id))]
    names = dict.fromkeys(name for row in rows for name in row.metrics)
    # A user's own module has metrics of its own; of ours, a sweep has only some splits.
    ordered = (board.monitor, board.compared, *own_metrics(names), *_OURS)
    metrics = [name for name in dict.fromkeys(ordered) if name in names]
    configs = [*runs.configs, *(row.config for row in rows if DATA in row.config)]
    return Columns(board.keys, metrics, configs)


def _session(runs: _Runs, entry: Entry, columns: Columns) -> list[Any]:
    """Returns what HParams shows of a run: its values, its end and its config's means."""
    row, group, config = runs.rows.get(entry.folder.run_id), runs.name(entry).config, entry.config
    if row is None:  # the run has not completed, or a newer one repeats it
        return columns.session(config, group, entry.state, {})
    if DATA in row.config:  # a config has a row for each data set
        group, config = f"{group}-{row.config[DATA]}", config | {DATA: row.config[DATA]}
    means = {name: estimate.mean for name, estimate in row.metrics.items()}
    return columns.session(config, group, entry.state, means)


def _names_text(runs: _Runs, shown: Sequence[Entry]) -> list[Any]:
    """Returns the text with the short and the full names of configs."""
    keys = key_names([key for key in runs.board.keys if key != DATA], runs.configs)
    labels = {runs.name(entry).config: visible(run_label(entry.config, keys)) for entry in shown}
    full = {"config": "full name", **labels}
    width = max(map(len, full))
    # The text is a code block, because a Markdown table breaks words and numbers on a narrow page.
    lines = [f"    {name.ljust(width)}  {label}" for name, label in full.items()]
    return [text("names", "\n".join(["The names of all configs", "", *lines]))] if keys else []


def _best_step(entry: Entry) -> int:
    """Returns the optimizer steps until the best epoch ended; 0 without a record."""
    # The record has only the total number of steps. Every epoch has equally many steps.
    best = entry.record.best_epoch or 0
    return round(entry.record.steps * (best + 1) / (entry.record.epochs or 1))


def _pictures(entry: Entry) -> list[Any]:
    """Returns the pictures of a run: its errors, and the gradient through time."""
    # With `diagnostics=false` no picture is drawn, not even the confusion matrix, which the record
    # has for the report.
    if entry.config.get("diagnostics") is False:
        return []
    # Importing matplotlib takes half a second, and no picture may be asked for.
    from seqsweep.results.tensorboard import pictures

    confusion = entry.record.confusion
    classes = [str(name) for name in entry.record.classes]
    diagnosis = read_object(entry.folder.path / "diagnostics.json")
    drawn: dict[str, bytes] = {}
    if split := next((name for name in ("val", "test") if confusion.get(name)), None):
        names = classes or [str(index) for index in range(len(confusion[split]))]
        drawn["confusion"] = pictures.png(pictures.confusion, confusion[split], names, split)
    if norms := diagnosis.get("gradient"):
        drawn["gradient_through_time"] = pictures.png(pictures.gradient, norms)
    # The group is named `visual`, so that it comes last on the page, below train and val.
    return [
        image(f"visual/{name}", _TITLES[name], png, pictures.WIDTH, pictures.HEIGHT)
        for name, png in drawn.items()
    ]
