"""Makes the folder that TensorBoard shows: curves by readable names, HParams, pictures.

The folder is temporary and lies outside of the sweep's. TensorBoard looks into hidden folders too,
so in the sweep's folder plain `tensorboard --logdir` would show each run twice. The curves are
links, so they grow while runs train.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.results.findings import Findings
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.keys import DATA
from seqsweep.results.replicates import numbers
from seqsweep.results.rows import Row
from seqsweep.results.tensorboard.hparams import ENDED, Columns, event_file, image, text
from seqsweep.runs.events import PREFIX, all_event_files
from seqsweep.runs.files import read_object
from seqsweep.runs.ledger import Entry, read_folder
from seqsweep.runs.metrics import Metric, own_metrics
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
    findings = Findings(root, read_folder(root))
    board = findings.board
    asked = [entry for entry in findings.entries if entry.folder.path == folder]
    shown = asked or _of_best_configs(findings, most)
    names = {entry.folder.run_id: findings.run_names[entry.folder.run_id] for entry in shown}
    rows = {entry.folder.run_id: row for row in board.rows for entry in row.entries}
    ranked = _ranked(shown, board.monitor)
    pictured = {entry.folder.run_id for entry in ranked[:images]}
    columns = _columns(findings, [rows[name] for name in names if name in rows])
    has_curves = False
    for entry in shown:
        name = names[entry.folder.run_id]
        values = _session(entry, name.config, rows.get(entry.folder.run_id), columns)
        if entry is (ranked or shown)[0]:
            values += _names_text(findings, shown)
        if entry.folder.run_id in pictured:
            values += _pictures(entry)
        when = (entry.folder.path / "config.yaml").stat().st_mtime
        home = target / name.run
        home.mkdir()
        with (home / _MADE).open("xb") as file:
            file.write(event_file(when, values, _best_step(entry)))
        has_curves |= _link_curves(entry.folder.path, home)
    selected = [*ranked, *shown][:_MOST_SELECTED] if len(shown) > _MOST_SELECTED else []
    unfinished = 0 if asked else findings.waiting
    unfinished += sum(entry.state not in ENDED for entry in asked or findings.entries)
    return View(
        board.monitor,
        {name.run: name.config for name in names.values()},
        left_out=0 if asked else len(findings.entries) - len(shown),
        unfinished=unfinished,
        best=[names[entry.folder.run_id].run for entry in selected],
        has_curves=has_curves,
    )


def _of_best_configs(findings: Findings, most: int) -> list[Entry]:
    """Returns the runs of the best configs, at most `most` of them.

    Either all runs of a config are returned or none; of the first config all, even if they are more
    than `most`. Configs without a complete run come last.
    """
    names = findings.run_names
    ranked = (names[entry.folder.run_id].config for entry in findings.board.entries)
    groups: dict[str, list[Entry]] = {config: [] for config in ranked}
    for entry in findings.entries:
        groups.setdefault(names[entry.folder.run_id].config, []).append(entry)
    chosen: list[Entry] = []
    for group in groups.values():
        if chosen and len(chosen) + len(group) > most:
            break
        chosen += group
    return chosen


def _ranked(shown: Sequence[Entry], monitor: Metric) -> list[Entry]:
    """Returns the complete runs that have the ranking metric, best first."""
    scored = [e for e in shown if e.state == "complete" and monitor in numbers(e)]
    sign = 1 if monitor.lower_is_better else -1
    return sorted(scored, key=lambda entry: sign * numbers(entry)[monitor])


def _link_curves(run: Path, home: Path) -> bool:
    """Links a run's event files; returns whether there are any."""
    found = all_event_files(run)
    for below, paths in found.items():
        (home / below).mkdir(parents=True, exist_ok=True)
        for path in paths:
            link = home / below / path.name
            if link == home / _MADE:  # what is written under this name must not be replaced
                continue
            # The path is not resolved, because it may have become a link since it was checked.
            link.symlink_to(path.absolute())
    return bool(found)


def _columns(findings: Findings, rows: Sequence[Row]) -> Columns:
    board = findings.board
    names = dict.fromkeys(name for row in rows for name in row.metrics)
    # A user's own module has metrics of its own; of ours, a sweep has only some splits.
    ordered = (board.monitor, board.compared, *own_metrics(names), *_OURS)
    metrics = [name for name in dict.fromkeys(ordered) if name in names]
    configs = [*findings.configs.values(), *(row.config for row in rows if DATA in row.config)]
    return Columns(board.keys, metrics, configs)


def _session(entry: Entry, group: str, row: Row | None, columns: Columns) -> list[Any]:
    """Returns what HParams shows of a run: its values, its end and its config's means."""
    config = entry.config
    if row is None:  # the run has not completed, or a newer one repeats it
        return columns.session(config, group, entry.state, {})
    if DATA in row.config:  # a config has a row for each data set
        group, config = f"{group}-{row.config[DATA]}", config | {DATA: row.config[DATA]}
    means = {name: estimate.mean for name, estimate in row.metrics.items()}
    return columns.session(config, group, entry.state, means)


def _names_text(findings: Findings, shown: Sequence[Entry]) -> list[Any]:
    """Returns the text with the short and the full names of configs."""
    keys = [key for key in findings.board.keys if key != DATA]
    keys = key_names(keys, findings.configs.values())
    pairs = ((findings.run_names[entry.folder.run_id], entry.config) for entry in shown)
    labels = {name.config: visible(run_label(config, keys)) for name, config in pairs}
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
