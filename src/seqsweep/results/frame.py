"""A folder of runs as tables of pandas, which is imported when one is asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqsweep.results.formatting import column_values, key_names
from seqsweep.runs.ledger import Entry, differing_keys, read_folder
from seqsweep.runs.metrics_csv import read_columns
from seqsweep.runs.sweepfile import SweepFile

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_COUNTS = ("best_epoch", "epochs", "params")
_SPEEDS = ("train_seconds", "samples_per_s")
_TAKEN = ("run_id", "state", *_COUNTS, *_SPEEDS, "error", "folder", "epoch", "step")
"""Columns of one of the two tables: a key of that name is called by its whole one in both."""


def load_sweep(folder: Path | str) -> "DataFrame":
    """One row a run: what was set, how it ended, what came out.

    Runs are in the order of the sweep, those that have not started with them; then others that
    lie in the folder. What a run does not have is missing: NaN, or NA among integers and booleans.

    Args:
        folder: a sweep's, or any folder of runs.

    Returns:
        Columns: `run_id`, `seed` and the keys that differ by their short names (`optimizer` for
        `optimizer._target_`), `state`, the metrics of the best epoch as in record.json
        (`val/acc`, `test/acc`, ...), `best_epoch`, `epochs`, `params`, `train_seconds`,
        `samples_per_s`, `error`, `folder` (the run's, as a path from the current folder or from
        the root, as `folder` was given). Lists are tuples.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no run in it.
        ImportError: pandas is not installed.
    """
    _pandas()
    return _runs(Path(folder))


def load_curves(folder: Path | str) -> "DataFrame":
    """One row an epoch of a run: metrics.csv of all runs, in the order of `load_sweep`.

    Returns:
        Columns: `run_id` and the keys as in `load_sweep`, then those of metrics.csv: `epoch` from
        0, `step`, `train/loss`, ... Validation is NaN in an epoch without it. The learning rate is
        `train/lr`, since `lr` may be a key.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `load_sweep`.
    """
    pd = _pandas()
    folder = Path(folder)
    runs = _runs(folder)
    keys = list(runs.columns[: list(runs.columns).index("state")])
    paths = {entry.folder.run_id: entry.folder.path for entry in read_folder(folder)}
    curves = [
        curve.assign(run_id=run_id)
        for run_id in runs["run_id"]
        if run_id in paths and (curve := _curve(paths[run_id] / "metrics.csv")) is not None
    ]
    if not curves:
        return runs[keys].iloc[:0].assign(epoch=pd.Series(dtype=int), step=pd.Series(dtype=int))
    return runs[keys].merge(pd.concat(curves), on="run_id", how="inner")


def _pandas() -> Any:
    try:
        import pandas as pd  # half a second, and an extra: only for who wants tables
    except ImportError as error:
        raise ImportError(
            "load_sweep and load_curves need pandas: pip install 'seqsweep[pandas]'"
        ) from error
    return pd


def _runs(folder: Path) -> "DataFrame":
    rows = _ordered(folder)
    configs = [config for _, config, _ in rows]
    columns: dict[str, Any] = {"run_id": _column([run_id for run_id, _, _ in rows])}
    for key, name in _names(configs).items():
        columns[name] = _column(column_values(key, [config.get(key) for config in configs]))
    entries = [entry for _, _, entry in rows]
    columns["state"] = _column([entry.state if entry else "not started" for entry in entries])
    records: list[dict[str, Any]] = [(entry and entry.record) or {} for entry in entries]
    metrics = [record.get("metrics") or {} for record in records]
    for name in dict.fromkeys(name for found in metrics for name in found if "/" in name):
        columns[name] = _column([found.get(name) for found in metrics], "float64")
    for name in (*_COUNTS, *_SPEEDS):
        empty = "Int64" if name in _COUNTS else "float64"
        columns[name] = _column([record.get(name) for record in records], empty)
    columns["error"] = _column([entry.error if entry else None for entry in entries])
    columns["folder"] = _column([str(entry.folder.path) if entry else None for entry in entries])
    return _pandas().DataFrame(columns)


def _ordered(folder: Path) -> list[tuple[str, dict[str, Any], Entry | None]]:
    """run_id, config and, where the run has a folder, what is in it."""
    entries = {entry.folder.run_id: entry for entry in read_folder(folder)}
    sweep = SweepFile.read(folder)
    planned = sweep.configs if sweep else {}
    return [
        (run_id, entries[run_id].config, entries[run_id])
        if run_id in entries
        else (run_id, dict(planned[run_id]), None)
        for run_id in dict.fromkeys((*planned, *entries))
    ]


def _names(configs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The columns of keys: the seed, always, and what differs."""
    keys = differing_keys(configs)
    if "seed" not in keys and any("seed" in config for config in configs):
        keys.insert(0, "seed")
    names = key_names(keys)
    return {
        key: name if name not in _TAKEN else key if key not in _TAKEN else f"config.{key}"
        for key, name in names.items()
    }


def _column(values: Sequence[Any], empty: str = "object") -> "Series":
    """A column of the narrowest type that holds the values as they are.

    Args:
        empty: the type where there is no value at all.
    """
    pd = _pandas()
    types = {type(value) for value in values if value is not None}
    missing = None in values
    if not types:
        dtype = empty
    elif types == {bool}:
        dtype = "boolean" if missing else "bool"
    elif types == {int} and max(abs(value or 0) for value in values) < 2**63:
        dtype = "Int64" if missing else "int64"
    elif types <= {int, float}:
        dtype = "float64"
    else:  # pandas 3 has a type of its own for texts
        dtype = None if types == {str} else "object"
    return pd.Series([_cell(value) for value in values], dtype=dtype)


def _cell(value: Any) -> Any:
    """Rows are grouped by keys, which lists cannot be."""
    return tuple(value) if isinstance(value, list) else value


def _curve(path: Path) -> "DataFrame | None":
    """The whole lines of a metrics.csv; None without one."""
    columns = read_columns(path)
    if not columns.get("epoch"):
        return None
    whole = [name for name in ("epoch", "step") if name in columns]
    table = _pandas().DataFrame(columns).dropna(subset=whole).astype(dict.fromkeys(whole, "int64"))
    return table.rename(columns={"lr": "train/lr"})
