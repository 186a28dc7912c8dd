"""Describes what `train --json` has trained, from the files of the run or the sweep."""

from collections.abc import Callable
from pathlib import Path

from seqsweep.console import print_json
from seqsweep.results.folder_tables import boards_of
from seqsweep.runs.files import JsonObject, read_object
from seqsweep.runs.ledger import of_this_version, read_folder, read_run
from seqsweep.runs.metrics import metrics_in, monitor_of_config
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.planned_run import PlannedRun

answers: list[Callable[[], JsonObject]] = []
"""The function that describes what the command trains; empty before its config is accepted."""


def print_answer() -> None:
    """Prints the JSON of what the command has trained, if it has begun."""
    for describe in answers:
        print_json(describe())


def describe_run(run: PlannedRun, path: Path) -> JsonObject:
    """Returns the state and the result of a single run."""
    entry = read_run(RunFolder(path))
    record = entry.record
    content: JsonObject = {"run_id": run.run_id, "folder": str(path)}
    content["state"] = entry.state if path.is_dir() else "not started"
    content |= {"metrics": metrics_in(record), "monitor": monitor_of_config(run.config)}
    content |= {"best_epoch": record.best_epoch, "epochs": record.epochs}
    content["seconds"] = record.train_seconds
    content["engine"] = read_object(path / "provenance.json").get("engine")
    return content | {"error": entry.error}


def describe_sweep(folder: Path) -> JsonObject:
    """Returns the folder of a sweep, with what `leaderboard --json` says about it."""
    # The folder has no run if workers are to train all of them.
    has_runs = any(folder.glob("*/config.yaml"))
    entries = read_folder(folder, of_all_versions=True) if has_runs else []
    return {"folder": str(folder)} | boards_of(folder, of_this_version(entries), None)
