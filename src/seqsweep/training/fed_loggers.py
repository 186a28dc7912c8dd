"""Feeds the loggers of other packages, such as W&B and MLflow, from a run's files.

A tracker often has one open run per process (`wandb.run`), and opening it takes longer than a small
network trains. So these loggers stay out of the training: they are fed, which means that they get
the rows of a run, after the training, one run at a time. Imports no torch (which is slow).
"""

import contextlib
import functools
import inspect
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from seqsweep.config.instantiate import build, locate
from seqsweep.config.messages import named
from seqsweep.config.schema import Config
from seqsweep.config.signatures import signature_of
from seqsweep.console import say_error
from seqsweep.errors import RunLocked
from seqsweep.runs.files import JsonObject, read_object, write_json
from seqsweep.runs.lock import RunLock
from seqsweep.runs.metrics import as_metric
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.record import FINISHED, NO_RECORD, Record
from seqsweep.runs.run_folder import RunFolder

FED = "loggers.json"
"""The file that says how many rows of a run each logger has received.

It also holds the run's status at that time, and MLflow's id of the run."""

_CSV = "seqsweep.training.loggers.EpochCSVLogger"

_AT_ONCE = 90
"""The number of rows that MLflow gets at once; it accepts at most 1,000 numbers."""

_given_up: set[str] = set()
"""The loggers that have raised an error and get no more rows until the next command."""

Rows = Sequence[tuple[dict[str, float], int]]
"""The metrics and the step of each epoch; after a test, the last item has its metrics."""


def forget_errors() -> None:
    """Lets loggers that have raised an error be fed again."""
    _given_up.clear()


def fed_loggers(config: Config) -> dict[str, Config]:
    """Returns the sections of the loggers that are fed after the training, by name."""
    sections = {name: node for name, node in (config["logger"] or {}).items() if node is not None}
    theirs = {name: n for name, n in sections.items() if not n["_target_"].startswith("seqsweep.")}
    return {name: node for name, node in theirs.items() if not why_in_trainer(node["_target_"])}


@functools.cache
def why_in_trainer(target: str) -> str | None:
    """Returns why a logger must be in the Trainer and cannot be fed, or None."""
    if target.startswith(("seqsweep.", "lightning.")):
        return None
    logger = locate(target, "logger")
    parts = getattr(logger, "__mro__", (logger,))
    if any(part.__name__ == "Callback" for part in parts):
        return "is a callback too"
    with contextlib.suppress(OSError, TypeError):  # a logger may have no source
        own = [part for part in parts if not part.__module__.startswith(("lightning.", "builtins"))]
        if re.search(r"\.trainer\b|\btrainer\.\w", "".join(map(inspect.getsource, own))):
            return "reads `trainer`"
    return None


def writes_rows(config: Config) -> bool:
    """Returns whether the loggers of a config write metrics.csv, from which others are fed."""
    sections = (config["logger"] or {}).values()
    has_csv = any(node and node["_target_"] == _CSV for node in sections)
    return has_csv or bool(fed_loggers(config))


def build_loggers(config: Config, folder: Path) -> list[Any]:
    """Builds a run's loggers, except loggers that are fed after training."""
    fed = fed_loggers(config)
    # A fed logger is built once before the training too, to find mistakes.
    for name, section in fed.items():
        _build_once(name, json.dumps(section, sort_keys=True), folder.parent)
    sections = {name: each for name, each in (config["logger"] or {}).items() if name not in fed}
    if fed and not any(each and each["_target_"] == _CSV for each in sections.values()):
        sections["metrics.csv"] = {"_target_": _CSV}
    return [
        build(section, f"logger.{name}", **open_arguments(section, save_dir=str(folder)))
        for name, section in sections.items()
        if section is not None
    ]


@functools.lru_cache(maxsize=64)
def _build_once(name: str, section: str, root: Path) -> None:
    node: Config = json.loads(section)
    build(node, f"logger.{name}", **open_arguments(node, save_dir=str(root)))


def open_arguments(section: Config, **values: Any) -> dict[str, Any]:
    """Returns the values that the section's target takes and the section does not set."""
    known = signature_of(section["_target_"]).parameters
    return {key: v for key, v in values.items() if key in known and section.get(key) is None}


def feed_done(runs: Iterable[tuple[Config, RunFolder]]) -> None:
    """Feeds the loggers of runs that are done and not locked."""
    for config, folder in runs:
        record = folder.record() if fed_loggers(config) else None
        if record is None or not _unfed(config, read_object(folder.path / FED), record.status):
            continue
        try:
            with contextlib.suppress(RunLocked), RunLock(folder.path):
                # Another process may have begun to train the run again before it was locked.
                if (record := folder.record()) is not None:
                    feed(config, folder, record)
        except OSError as error:  # a folder that cannot be written
            say_error(f"no logger was fed: {error}")


def feed(config: Config, folder: RunFolder, record: Record | None) -> None:
    """Gives the fed loggers of a run the rows and test metrics that they lack.

    The caller holds the lock of the run. An error of a logger becomes one warning; the next command
    continues after the last row that the logger has taken.

    Args:
        record: the record of the run; NO_RECORD if it has paused, None if it has failed.
    """
    if not fed_loggers(config):
        return
    rows = _rows_of(folder, record or NO_RECORD)
    if record is not None and record.status in FINISHED:
        status = record.status
    else:
        status = f"{'failed' if record is None else 'paused'} after {len(rows)} epochs"
    fed = read_object(folder.path / FED)
    for name, section in _unfed(config, fed, status).items():
        state = fed[name] = fed.get(name) or {}
        try:
            try:
                _feed(name, section, config, folder, rows, status, state)
            finally:
                write_json(folder.path / FED, fed, sync=False, confirm=folder.check_held)
        except (Exception, SystemExit) as error:
            _given_up.add(name)
            reason = "the runs are not affected, and the same command feeds this logger again"
            say_error(f"logger.{name}: {named(error)}; {reason}")


def _unfed(config: Config, fed: JsonObject, status: str) -> dict[str, Config]:
    """Returns the fed loggers that have not received the run with this status."""
    return {
        name: section
        for name, section in fed_loggers(config).items()
        if name not in _given_up and (fed.get(name) or {}).get("status") != status
    }


def _rows_of(folder: RunFolder, record: Record) -> Rows:
    table = read_rows(folder.path / "metrics.csv")
    rows = [({k: v for k, v in row.items() if k != "step"}, int(row["step"])) for row in table]
    tested = {k: v for k, v in record.metrics.items() if as_metric(k).split_name == "test"}
    if tested:
        rows.append((tested | {"epoch": record.epochs or 0}, record.steps))
    return rows


def _feed(
    name: str, section: Config, config: Config, folder: RunFolder, rows: Rows, status: str,
    state: dict[str, Any],
) -> None:  # fmt: skip
    """Feeds a logger, and records its progress in `state`."""
    # MLflow makes its own ids. A run that MLflow knows already is opened by its MLflow id.
    ids = {"id": folder.run_id, "run_name": folder.run_id, "run_id": state.get("id")}
    given = open_arguments(section, save_dir=str(folder.path), **ids)
    logger = build(section, f"logger.{name}", **given)
    # Lightning gives W&B `anonymous`, also when it is not set, and W&B would warn at each command.
    if not section.get("anonymous"):
        getattr(logger, "_wandb_init", {}).pop("anonymous", None)
    is_good = not status.startswith(("failed", "diverged"))
    experiment = getattr(logger, "experiment", None)  # opens the run
    try:
        if "run_id" in given:
            state["id"] = logger.version
        if "rows" not in state:
            if config["trainer"].get("enable_autolog_hparams", True):
                logger.log_hyperparams(config)
            state["rows"] = 0
        size = _AT_ONCE if hasattr(experiment, "log_batch") else 1
        for start in range(state["rows"], len(rows), size):
            _log(logger, experiment, rows[start : start + size])
            state["rows"] = min(start + size, len(rows))
        if section.get("log_model") and status in FINISHED and is_good:
            kept = SimpleNamespace(best_model_score=None, save_top_k=1)
            kept.best_model_path = str(folder.path / "checkpoints/best.ckpt")
            logger.after_save_checkpoint(kept)  # is sent by `finalize`
        logger.save()
        logger.finalize("success" if is_good else "failed")
        state["status"] = status
    finally:
        end_experiment(experiment, is_good)


def _log(logger: Any, experiment: Any, rows: Rows) -> None:
    """Logs rows, to MLflow in one transaction, because a transaction takes 20 ms."""
    held: list[Any] = []
    if send := getattr(experiment, "log_batch", None):
        experiment.log_batch = lambda run_id, metrics, **_: held.extend(metrics)
    try:
        for metrics, step in rows:
            logger.log_metrics(metrics, step=step)
    finally:
        if send:
            experiment.log_batch = send
    if send:
        send(logger.version, metrics=held)


def end_experiment(experiment: Any, is_good: bool) -> None:
    """Ends the open run of W&B, Comet or Neptune."""
    ends = (getattr(experiment, name, None) for name in ("finish", "end", "stop"))
    if (end := next(filter(callable, ends), None)) is not None:
        takes_code = "exit_code" in inspect.signature(end).parameters
        end(**{"exit_code": int(not is_good)} if takes_code else {})
