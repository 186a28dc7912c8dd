"""Describes single runs for a report: folders, failures, environment, commands."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.results import formatting
from seqsweep.results.data_sets import group_by
from seqsweep.results.formatting import split_words
from seqsweep.results.keys import DATA
from seqsweep.results.leaderboard import Leaderboard
from seqsweep.results.replicates import Variation, numbers, replicate_of
from seqsweep.results.run_names import Name
from seqsweep.runs.files import read_object
from seqsweep.runs.identity import REPLICATE_KEYS, nested, targets
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.metrics import is_evaluated
from seqsweep.runs.record import Split
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.text import count, without_machine

_FILES = ("config.yaml", "train.log", "metrics.csv")
ENDED_EARLY = ("failed", "diverged", "interrupted", "incomplete", "damaged")
_MACHINE = ("device", "engine", "threads", "cpu", "cpu_count", "cpu_capability", "platform")
_REASONS = {
    "diverged": "the loss or a gradient became NaN or infinite",
    "interrupted": "stopped by request",
    "incomplete": "killed without a message",
}
_OURS = "seqsweep."

Splits = Mapping[str, Split]
"""The values of each split in record.json."""


@dataclass(frozen=True)
class Run:
    """One run of a config.

    Args:
        folder: The run's folder, relative to the report's folder; `.` if they are the same.
        name: The name of the run in TensorBoard.
        replicate: The seed, or what varies between the runs of a config: `fold=1 seed=0`.
        counted: Whether the numbers of the config include this run.
        metrics: The metrics of validation and test at the best epoch.
        files: The files of the run's folder that a reader may want to open.
        command: The command that trains the run again and compares both runs, for a shell in the
            report's folder. None if the run is not complete.
    """

    run_id: str
    folder: str
    name: str
    seed: int | None
    replicate: int | str | None
    state: str
    counted: bool
    error: str | None
    metrics: dict[str, float]
    best_epoch: int | None
    files: list[str]
    command: str | None


@dataclass(frozen=True)
class Failure:
    """Runs that ended early for one reason, with folders and labels."""

    state: str
    error: str
    traceback: str | None
    runs: list[tuple[str, str]]


def config_runs(
    board: Leaderboard, entries: Sequence[Entry], names: Mapping[str, Name], folder: Path, most: int
) -> list[list[Run]]:
    """Returns all runs of each row's config, ordered by replicate.

    These are the runs that the row's numbers are computed from, and other runs of the same config:
    they failed, are still training, are repeated by a newer run, or are trials of a search.

    Args:
        most: The number of rows on the page. Further rows get no runs.
    """
    keys = [key for key in board.keys if key != DATA]

    def point(entry: Entry) -> str:
        return value_key([entry.config.get(key) for key in keys])

    counted = {entry.folder.run_id for entry in board.entries}
    groups = [list(row.entries) for row in board.rows]
    # Find the first row of each setting of the keys. Rows on other data can have equal settings.
    rows: dict[str, int] = {}
    for index, row in enumerate(board.rows):
        rows.setdefault(point(row.entries[0]), index)
    for entry in entries:
        # A run that counts for another row, on other data, belongs to that row.
        if entry.folder.run_id not in counted and (index := rows.get(point(entry))) is not None:
            groups[index].append(entry)

    def run_of(entry: Entry) -> Run:
        run_id = entry.folder.run_id
        return _run(entry, names[run_id].run, folder, run_id in counted, board.variation)

    listed = [list(map(run_of, sorted(group, key=replicate_of))) for group in groups[:most]]
    return listed + [[] for _ in groups[most:]]


def _run(entry: Entry, name: str, folder: Path, counted: bool, variation: Variation) -> Run:
    metrics = {n: v for n, v in numbers(entry).items() if is_evaluated(n)}
    is_replicate = any(key in entry.config for key in REPLICATE_KEYS)
    where = relative_folder(entry, folder)
    return Run(
        run_id=entry.folder.run_id,
        folder=where,
        name=name,
        seed=entry.config.get("seed"),
        replicate=variation.label(replicate_of(entry)) if is_replicate else None,
        state=entry.state,
        counted=counted,
        error=without_machine(entry.error, str(folder.resolve())) if entry.error else None,
        metrics=metrics,
        best_epoch=entry.record.best_epoch,
        files=[name for name in _FILES if os.path.isfile(f"{entry.folder.path}/{name}")],
        command=reproduce_command(entry, where) if entry.state == "complete" else None,
    )


def failures(
    entries: Sequence[Entry], label: Callable[[Entry], str], folder: Path
) -> list[Failure]:
    """Groups the runs that ended early by their error."""
    root = str(folder.resolve())
    ended = [entry for entry in entries if entry.state in ENDED_EARLY]
    groups = group_by(ended, lambda e: (e.state, e.error or _REASONS.get(e.state, "no error")))
    # Failures come before runs that were only interrupted.
    ordered = sorted(groups.items(), key=lambda item: ENDED_EARLY.index(item[0][0]))
    return [
        Failure(
            state,
            without_machine(formatting.error_text(state, error), root),
            without_machine((group[0].folder.failure() or {}).get("traceback") or "", root) or None,
            [(relative_folder(entry, folder), label(entry)) for entry in group],
        )
        for (state, error), group in ordered
    ]


def environment(entry: Entry) -> list[tuple[str, str]]:
    """Returns the data, machine, versions and commit of one run."""
    # The file may be missing or damaged.
    origin: dict[str, Any] = read_object(entry.folder.path / "provenance.json")
    source = entry.config.get("data.source._target_")
    lines = [
        ("data", formatting.value_text("data.source._target_", source) if source else None),
        ("training sequences", entry.record.num_train),
        ("data fingerprint", (origin.get("data_fingerprint") or "")[:16] or None),
        *((name.replace("_", " "), origin.get(name)) for name in _MACHINE),
        ("python", origin.get("python")),
        *((origin.get("packages") or {}).items()),
        ("commit", origin.get("git_commit")),
        ("uncommitted changes", (origin.get("git_diff") or "")[:16] or None),
        ("started", origin.get("started")),
    ]
    return [(name, str(value)) for name, value in lines if value is not None]


def commands(
    sweep: SweepFile | None, entries: Sequence[Entry], best: Entry, folder: Path
) -> list[tuple[str, str]]:
    """Returns the commands for all runs and for the best, with descriptions."""
    origin: dict[str, Any] = read_object(entries[0].folder.path / "provenance.json")
    command: Sequence[str] = origin.get("command") or []
    result: list[tuple[str, str]] = []
    if sweep is not None:
        what = "the last command in this folder; complete runs are skipped"
        result.append((what, shlex.join(sweep.command)))
    # Without a sweep.json, the command is only known for a run that was trained alone.
    elif command and len(entries) == 1 and not {"-m", "--multirun"} & set(command):
        result.append(("the same run again; a complete run is skipped", shlex.join(command)))
    if best.state == "complete":
        which = "the best run" if len(entries) > 1 else "the run"
        what = f"{which} again, compared bit by bit, from the folder of the runs"
        result.append((what, reproduce_command(best, relative_folder(best, folder))))
    return result


def reproduce_command(entry: Entry, where: str) -> str:
    """Returns the command that trains a run again and compares both runs.

    The command is for a shell in the report's folder, so it stays valid if the folder is moved.

    Args:
        where: The run's folder, relative to the report's folder.
    """
    # `reproduce` builds only allowed classes. The classes of seqsweep are always allowed.
    names = dict.fromkeys(str(target) for _, target in targets(nested(entry.config)))
    allowed = [word for name in names if not name.startswith(_OURS) for word in ("--allow", name)]
    return shlex.join(["seqsweep", "reproduce", where, *allowed])


def relative_folder(entry: Entry, folder: Path) -> str:
    """Returns the run's folder relative to the report's folder; `.` if equal."""
    path = entry.folder.path.relative_to(folder).as_posix()
    # A path that begins with a dash would be read as an option.
    return f"./{path}" if path.startswith("-") else path


def splits_of(entries: Sequence[Entry]) -> Splits:
    """Returns the first run's splits; empty if its record has none."""
    return entries[0].record.splits if entries else {}


def size_words(splits: Splits) -> str:
    """Says how many sequences each split has.

    >>> size_words({"train": {"sequences": 1216}, "test": {"sequences": 370}})
    '1,216 training, 370 test sequences'
    """
    parts = [f"{part.get('sequences', 0):,} {split_words(name)}" for name, part in splits.items()]
    return f"{', '.join(parts)} sequences"


def overlap_words(entries: Sequence[Entry]) -> list[str]:
    """Writes a sentence for each split that shares sequences with training."""
    sentences: dict[str, None] = {}  # runs on the same data give the same sentence
    for entry in entries:
        for name, part in splits_of([entry]).items():
            if shared := part.get("also_in_train"):
                split, verb = split_words(name), "is" if shared == 1 else "are"
                total = count(part.get("sequences", 0), f"{split} sequence")
                head = f"{shared:,} of {total} {verb} also in train"
                sentences[f"{head}, so the {split} accuracy is optimistic."] = None
    return list(sentences)
