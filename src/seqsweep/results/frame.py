"""Loads the runs of a folder as pandas tables, and its leaderboard."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqsweep.console import PlainConsole
from seqsweep.errors import FolderError, raised_as
from seqsweep.results.by import compare_values
from seqsweep.results.folder_tables import boards_of, print_folder
from seqsweep.results.formatting import column_values, key_names
from seqsweep.results.words import Finding
from seqsweep.runs.identity import FlatConfig
from seqsweep.runs.ledger import differing_keys, of_this_version, read_folder
from seqsweep.runs.metrics_csv import read_columns
from seqsweep.runs.record import NO_RECORD, Record
from seqsweep.runs.sweepfile import SweepFile

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_COUNTS = ("best_epoch", "epochs", "params")
_SPEEDS = ("train_seconds", "samples_per_s")
_TAKEN = ("run_id", "state", *_COUNTS, *_SPEEDS, "error", "folder", "epoch", "step")
"""The names of other columns. A key with such a name gets its full name, or a prefix."""

_INTERVAL = {"mean": "difference", "low": "low", "high": "high"}
"""The columns of an interval of `compare_by`, by the names in an estimate."""


@raised_as(FolderError)
def load_sweep(folder: Path | str) -> "DataFrame":
    """Returns one row per run: its keys, its state, its results.

    The runs are in the order of the sweep, including runs that have not started. Other runs in the
    folder follow. A missing value is NaN, NA (in columns of integers or booleans) or None.

    Returns:
        Columns: `run_id`, `seed` and the differing keys under their short names (`optimizer` for
        `optimizer._target_`), `state`, the metrics of the best epoch as in record.json
        (`val/acc`, `test/acc`, ...), `best_epoch`, `epochs`, `params`, `train_seconds`,
        `samples_per_s`, `error`, `folder` (the run's folder; the path is relative if the argument
        `folder` is relative). Lists are tuples.

    Raises:
        FileNotFoundError: The folder does not exist.
        FolderError: The folder contains no run of this version.
        ImportError: pandas is not installed.
    """
    _pandas()
    return _runs(Path(folder))


@raised_as(FolderError)
def load_curves(folder: Path | str) -> "DataFrame":
    """Returns one row per epoch of each run, in the order of `load_sweep`.

    Returns:
        Columns: `run_id` and the keys as in `load_sweep`, then the columns of metrics.csv: `epoch`
        from 0, `step`, `train/loss`, ... Validation metrics are NaN in an epoch without validation.
        The learning rate is `train/lr`, because `lr` may be a key.

    Raises:
        FileNotFoundError, FolderError, ImportError: As in `load_sweep`.
    """
    pd = _pandas()
    folder = Path(folder)
    runs = _runs(folder)
    # The columns before `state` are the run_id and the keys.
    keys = list(runs.columns[: list(runs.columns).index("state")])
    paths = {entry.folder.run_id: entry.folder.path for entry in read_folder(folder)}
    curves = [
        curve.assign(run_id=run_id)
        for run_id in runs["run_id"]
        if run_id in paths and (curve := _curve(paths[run_id] / "metrics.csv")) is not None
    ]
    if not curves:
        # An empty table has these columns too, so that code that reads it does not fail.
        return runs[keys].iloc[:0].assign(epoch=pd.Series(dtype=int), step=pd.Series(dtype=int))
    return runs[keys].merge(pd.concat(curves), on="run_id", how="inner")


@dataclass(frozen=True)
class Board:
    """A leaderboard; `text` is what `seqsweep leaderboard` prints."""

    answer: Finding
    text: str = field(repr=False)

    def _repr_html_(self) -> str:
        answer, _, table = map(escape, self.text.partition("\n"))
        return f'<p><strong>{answer}</strong></p><pre tabindex="0">{table}</pre>'


@raised_as(FolderError)
def load_board(folder: Path | str) -> Board:
    """Returns a folder's leaderboard; it raises FileNotFoundError or FolderError."""
    folder, printed = Path(folder), io.StringIO()
    entries = read_folder(folder, of_all_versions=True)
    nothing = Finding("none", "no run is complete")
    answer = boards_of(folder, of_this_version(entries), None).get("answer", nothing)
    print_folder(PlainConsole(printed), folder, entries)
    return Board(answer, printed.getvalue())


@raised_as(FolderError)
def compare_by(folder: Path | str, key: str) -> "DataFrame":
    """Compares the values of a key in pairs, all else equal; one row per pair.

    Args:
        key: The whole name of a key, or the short name that tables show.

    Returns:
        Columns: `data`, `score`, `unit` (what the test counts), `first` (the better value),
        `second`, `difference`, its interval `low` and `high`, and the rest of `results.by.Pair`.

    Raises:
        FileNotFoundError, FolderError, ImportError: As in `load_sweep`, and for a wrong key.
    """
    pd, entries = _pandas(), read_folder(Path(folder))
    rows: list[dict[str, Any]] = []
    for block in compare_values(entries, key, Path(folder)):
        for pair in block.pairs:
            row = {"data": block.data, "score": str(block.score), "unit": block.unit}
            row |= dict(zip(("first", "second"), pair.values, strict=True)) | vars(pair)
            interval = vars(pair.difference) if pair.difference else {}
            rows.append(row | {to: interval.get(name) for name, to in _INTERVAL.items()})
    floats = dict.fromkeys((*_INTERVAL.values(), "p", "adjusted"), "float64")
    return pd.DataFrame(rows).drop(columns="values").astype(floats)


def _pandas() -> Any:
    try:
        import pandas as pd  # takes half a second and is an optional dependency
    except ImportError as error:
        raise ImportError(
            "load_sweep, load_curves and compare_by need pandas: pip install 'seqsweep[pandas]'"
        ) from error
    return pd


def _runs(folder: Path) -> "DataFrame":
    known = {entry.folder.run_id: entry for entry in read_folder(folder)}
    sweep = SweepFile.read(folder)
    planned = dict(sweep.configs) if sweep else {}
    configs = planned | {run_id: entry.config for run_id, entry in known.items()}
    entries = [known.get(run_id) for run_id in configs]
    columns = {"run_id": _column(list(configs))} | _key_columns(list(configs.values()))
    columns["state"] = _column([entry.state if entry else "not started" for entry in entries])
    columns |= _record_columns([entry.record if entry else NO_RECORD for entry in entries])
    columns["error"] = _column([entry and entry.error for entry in entries])
    columns["folder"] = _column([entry and str(entry.folder.path) for entry in entries])
    return _pandas().DataFrame(columns)


def _key_columns(configs: Sequence[FlatConfig]) -> dict[str, "Series"]:
    """Returns the columns of the seed and of the keys that differ."""
    keys = differing_keys([config for config in configs if config])  # a damaged one is empty
    if "seed" not in keys and any("seed" in config for config in configs):
        keys.insert(0, "seed")
    columns: dict[str, Series] = {}
    for key, name in key_names(keys).items():
        if name in _TAKEN:
            name = key if key not in _TAKEN else f"config.{key}"
        columns[name] = _column(column_values(key, [config.get(key) for config in configs]))
    return columns


def _record_columns(records: Sequence[Record]) -> dict[str, "Series"]:
    """Returns the columns of metrics, counts and speeds in the runs' records."""
    metrics = [record.metrics for record in records]
    own = {name for record in records for name in record.directions}
    names = dict.fromkeys(n for values in metrics for n in values if "/" in n or n in own)
    columns = {name: _column([values.get(name) for values in metrics], "float64") for name in names}
    for name in (*_COUNTS, *_SPEEDS):
        empty = "Int64" if name in _COUNTS else "float64"
        columns[name] = _column([getattr(record, name) for record in records], empty)
    return columns


def _column(values: Sequence[Any], empty: str = "object") -> "Series":
    """Returns a column of the narrowest type for its values.

    Args:
        empty: The type of a column without any value.
    """
    types = {type(value) for value in values if value is not None}
    has_missing = None in values
    dtype = "object"
    if not types:
        dtype = empty
    elif types == {bool}:
        dtype = "boolean" if has_missing else "bool"
    elif types == {int} and max(abs(value or 0) for value in values) < 2**63:
        dtype = "Int64" if has_missing else "int64"
    elif types <= {int, float}:
        dtype = "float64"
    # Lists become tuples, because rows cannot be grouped by lists.
    cells = [tuple(value) if isinstance(value, list) else value for value in values]
    # pandas chooses the type of texts, because pandas 3 has its own type for them.
    return _pandas().Series(cells, dtype=None if types == {str} else dtype)


def _curve(path: Path) -> "DataFrame | None":
    """Returns a metrics.csv as a table; None if it has no complete line."""
    columns = read_columns(path)
    if not columns.get("epoch"):
        return None
    whole = [name for name in ("epoch", "step") if name in columns]
    table = _pandas().DataFrame(columns).dropna(subset=whole).astype(dict.fromkeys(whole, "int64"))
    return table.rename(columns={"lr": "train/lr"})
