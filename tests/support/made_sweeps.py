"""Sweeps of chosen configs, seeds and metrics, made without training."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqsweep.runs.ledger import Entry
from seqsweep.runs.record import Record
from seqsweep.runs.run_folder import RunFolder

Config = dict[str, Any]
Configs = Mapping[str, Any] | Sequence[Config]
COSTS = {"best_epoch": 1, "params": 1200, "train_seconds": 0.5}


def sweep_of(
    folder: Path,
    configs: Configs,
    seeds: int | Iterable[int] | None = None,
    metrics: Any = None,
    rows: Callable[[Config], tuple[str, Iterable[Iterable[Any]]]] | None = None,
    **record: Any,
) -> Path:
    """Writes a run for each config and each seed, after the runs of the folder; returns the folder.

    Args:
        configs: values by dotted key, where a key with a slash is a metric. Of a mapping of axes,
            all combinations.
        seeds: the number of seeds or the seeds; None for configs that have theirs.
        metrics: the metrics by name, the accuracy on validation and test, or a function of the
            config that returns either, or None for a run that has not ended.
        rows: returns the header and the rows of metrics.csv.
        record: what else the records hold; a function is called with the config. `about` is a
            function that returns several entries.
    """
    first = len(list(folder.glob("*/config.yaml")))
    for number, run in enumerate(runs_of(configs, seeds), first):
        path, values = folder / id_of(number), metrics(run) if callable(metrics) else metrics
        if callable(metrics) and values is None:
            start_run(path, run)
        else:
            finish_run(path, run, values, **record)
        if rows is not None:
            write_rows(path, *rows(run))
    return folder


def entries_of(configs: Configs, seeds: Any, metrics: Any, **record: Any) -> list[Entry]:
    """Returns the complete runs of `sweep_of` as they are read, without files."""
    entries: list[Entry] = []
    for number, run in enumerate(runs_of(configs, seeds)):
        content = record_of(run, metrics(run), record) | {"status": "complete"}
        folder = RunFolder(Path("sweep") / id_of(number))
        entries.append(Entry(folder, "complete", config_of(run), Record.of(content), None))
    return entries


def id_of(number: int) -> str:
    return f"{number:016x}"


def runs_of(configs: Configs, seeds: int | Iterable[int] | None) -> list[Config]:
    """Returns the configs with each of the seeds, in their order."""
    found = grid_of(configs) if isinstance(configs, Mapping) else [*configs]
    if seeds is None:
        return found
    each = range(seeds) if isinstance(seeds, int) else [*seeds]
    return [config | {"seed": seed} for config in found for seed in each]


def grid_of(axes: Mapping[str, Any]) -> list[Config]:
    points = itertools.product(*axes.values())
    return [dict(zip(axes, point, strict=True)) for point in points]


def start_run(path: Path, run: Config, provenance: Config | None = None) -> RunFolder:
    """Writes a run that has not ended."""
    made = RunFolder(path)
    made.start(config_of(run), provenance or {"command": ["seqsweep", "train"]}, sync=False)
    return made


def finish_run(path: Path, run: Config, metrics: Any = None, **record: Any) -> Path:
    """Writes a finished run; the other arguments are those of `sweep_of`."""
    made = start_run(path, run, record.pop("provenance", None))
    made.finish(record_of(run, metrics, record), synced=True)
    return path


def config_of(run: Config) -> Config:
    return {"monitor": "val/acc"} | {key: value for key, value in run.items() if "/" not in key}


def record_of(run: Config, metrics: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content of record.json."""
    if not isinstance(metrics, Mapping):
        scores = {} if metrics is None else dict.fromkeys(("val/acc", "test/acc"), metrics)
        metrics = {"train/loss": 1.0, **scores} | {k: v for k, v in run.items() if "/" in k}
    more: dict[str, Any] = {
        key: value(run) if callable(value) else value for key, value in record.items()
    }
    about = more.pop("about", {})
    return {"config": config_of(run), "metrics": metrics, **COSTS, **about, **more}


def on_data(name: str, part: object = "", tested: int = 40, trained: int = 160) -> dict[str, Any]:
    """Returns what records say of a data set; another part of it has other sequences."""
    splits = {
        split: {"sequences": tested, "fingerprint": f"{name} {part} {split}"}
        for split in ("val", "test")
    }
    return {"data_fingerprint": name, "recordings": name, "splits": splits, "num_train": trained}


def write_rows(folder: Path, header: str, rows: Iterable[Iterable[Any]]) -> None:
    """Writes the metrics.csv of a run."""
    folder.mkdir(exist_ok=True)
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    (folder / "metrics.csv").write_text("\n".join([*lines, ""]))
