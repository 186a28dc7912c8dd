"""The runs behind each row of a report: folders, states, learning curves."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqsweep.results.formatting import without_machine
from seqsweep.results.leaderboard import DATA, Leaderboard
from seqsweep.results.replicates import numbers, replicate_of
from seqsweep.results.report.curves import CURVES, read_metrics, thinned
from seqsweep.results.report.findings import MOST_LISTED, Run
from seqsweep.results.report.rerun_commands import relative_folder, reproduce_command
from seqsweep.results.run_names import Name
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, value_key

DRAWN_RUNS = 120
"""The number of runs with curves on the page, best configs first. The page must stay small."""

DRAWN_EPOCHS = 60
_DIGITS = 4
_FILES = ("config.yaml", "train.log", "metrics.csv")

RunCurves = Mapping[str, Mapping[str, Sequence[float | None]]]
"""The epochs and the values of each metric by run_id; None where an epoch has no value."""


def config_runs(
    board: Leaderboard, entries: Sequence[Entry], names: Mapping[str, Name], folder: Path
) -> list[list[Run]]:
    """All runs of each row's config, ordered by replicate.

    The row's numbers are computed from some of these runs. The others have the same config, but
    failed, are still training, or are repeated by a newer run. Rows that are not on the page have
    none.
    """
    keys = [key for key in board.keys if key != DATA]
    counted = [{entry.folder.run_id for entry in row.entries} for row in board.rows]
    all_counted = set[str]().union(*counted)
    groups = [list(row.entries) for row in board.rows]
    # The first row with each setting of the keys; several data sets give several such rows.
    rows: dict[str, int] = {}
    for index, row in enumerate(board.rows):
        rows.setdefault(_point(row.entries[0], keys), index)
    for entry in entries:
        index = rows.get(_point(entry, keys))
        # A run that counts for another row, on other data, belongs to that row.
        if index is not None and entry.folder.run_id not in all_counted:
            groups[index].append(entry)
    listed = [
        [
            _run(entry, names[entry.folder.run_id].run, folder, entry.folder.run_id in ids, board)
            for entry in sorted(group, key=replicate_of)
        ]
        for group, ids in zip(groups[:MOST_LISTED], counted, strict=False)
    ]
    return listed + [[] for _ in groups[MOST_LISTED:]]


def run_curves(runs: Sequence[Run], folder: Path) -> RunCurves:
    """The learning curves of the first runs, thinned to DRAWN_EPOCHS epochs."""
    result: dict[str, Mapping[str, Sequence[float | None]]] = {}
    for run in runs[:DRAWN_RUNS]:
        metrics = read_metrics(folder / run.folder)
        columns = {name: metrics[name] for name in CURVES if metrics.get(name)}
        epochs = thinned(sorted({e for column in columns.values() for e in column}), DRAWN_EPOCHS)
        if epochs:
            values = {n: [_rounded(c.get(e)) for e in epochs] for n, c in columns.items()}
            result[run.run_id] = {"epoch": epochs, **values}
    return result


def _point(entry: Entry, keys: Sequence[str]) -> str:
    return value_key([entry.config.get(key) for key in keys])


def _run(entry: Entry, name: str, folder: Path, counted: bool, board: Leaderboard) -> Run:
    metrics = {n: v for n, v in numbers(entry).items() if n.startswith(("val/", "test/"))}
    record: dict[str, Any] = entry.record or {}
    is_replicate = any(key in entry.config for key in REPLICATE_KEYS)
    return Run(
        run_id=entry.folder.run_id,
        folder=relative_folder(entry, folder),
        name=name,
        seed=entry.config.get("seed"),
        replicate=board.variation.label(replicate_of(entry)) if is_replicate else None,
        state=entry.state,
        counted=counted,
        error=without_machine(entry.error, str(folder.resolve())) if entry.error else None,
        metrics=metrics,
        best_epoch=record.get("best_epoch"),
        files=[name for name in _FILES if os.path.isfile(f"{entry.folder.path}/{name}")],
        command=reproduce_command(entry, folder) if entry.state == "complete" else None,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
