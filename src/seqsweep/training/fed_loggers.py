"""Feeds the loggers of other packages, such as W&B and MLflow, from a run's files.

A tracker often has one open run per process (`wandb.run`), and opening it takes longer than a small
network trains. So these loggers stay out of the training: they get their rows after it, one run at
a time. Imports no torch.
"""

import ast
import contextlib
import functools
import inspect
import json
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqsweep.config.instantiate import build, locate
from seqsweep.config.messages import named
from seqsweep.config.schema import Config
from seqsweep.config.signatures import signature_of
from seqsweep.console import say_error
from seqsweep.runs.eventfiles import read_names
from seqsweep.runs.files import read_object, write_json
from seqsweep.runs.lock import Locked, RunLock
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.run_folder import FINISHED, RunFolder

FED = "loggers.json"
"""The file of a run that holds for each logger how many rows it has, and the run's last status."""

_ENDS = ("finish", "end", "stop")
"""The methods that end an open run of W&B, Comet and Neptune, which `finalize` leaves open."""

_AT_ONCE = 90
"""The rows that MLflow gets at once, which takes 1,000 numbers at most."""

_given_up: set[str] = set()
"""The loggers that have raised an error; the next command tries them again."""


def forget_errors() -> None:
    """Lets loggers be fed again that have raised an error."""
    _given_up.clear()


def fed_loggers(config: Config) -> dict[str, Config]:
    """Returns the sections of the loggers that are fed from a run's files."""
    return {
        name: section
        for name, section in (config["logger"] or {}).items()
        if section is not None
        and not section["_target_"].startswith("seqsweep.")
        and why_in_trainer(section["_target_"]) is None
    }


@functools.cache
def why_in_trainer(target: str) -> str | None:
    """Returns why a logger must be a part of Lightning's Trainer, or None."""
    if target.startswith(("seqsweep.", "lightning.")):
        return None
    logger = locate(target, "logger")
    for part in getattr(logger, "__mro__", (logger,)):
        if part.__module__.startswith("lightning.") and part.__name__ == "Callback":
            return "is a callback too"
        if not part.__module__.startswith(("lightning.", "builtins")) and _reads_trainer(part):
            return "reads `trainer`"
    return None


def _reads_trainer(part: Any) -> bool:
    """Returns whether the code of a class or a function names a `trainer`."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(part)))
    except (OSError, TypeError, SyntaxError):  # it has no source
        return False
    names = (getattr(node, key, None) for node in ast.walk(tree) for key in ("id", "attr", "arg"))
    return "trainer" in names


def writes_rows(config: Config) -> bool:
    """Returns whether the loggers of a config write metrics.csv."""
    sections = (config["logger"] or {}).values()
    return any(node and node["_target_"].endswith("EpochCSVLogger") for node in sections)


def check_fed_loggers(config: Config, folder: Path) -> None:
    """Builds the fed loggers of a config once, to find mistakes before the training.

    Raises:
        ValueError, TypeError, OSError: a logger is refused, or nothing writes its rows.
    """
    for name, section in fed_loggers(config).items():
        if not writes_rows(config):
            raise ValueError(
                f"logger.{name}: gets the rows of metrics.csv, so give logger=csv or both beside it"
            )
        _build_once(name, json.dumps(section, sort_keys=True), folder.parent)


@functools.lru_cache(maxsize=64)
def _build_once(name: str, section: str, root: Path) -> None:
    node: Config = json.loads(section)
    build(node, f"logger.{name}", **open_arguments(node, save_dir=str(root)))


def open_arguments(section: Config, **values: str | None) -> dict[str, str]:
    """Returns those of the values that a target takes and its section leaves open."""
    known = signature_of(section["_target_"]).parameters
    return {
        argument: value
        for argument, value in values.items()
        if value is not None and argument in known and section.get(argument) is None
    }


def feed_done(runs: Iterable[tuple[Config, RunFolder]]) -> None:
    """Feeds the loggers of runs that are done, unless another process holds their lock."""
    for config, folder in runs:
        record = folder.record() if fed_loggers(config) else None
        if record is not None and _unfed(config, folder, record["status"]):
            try:
                with contextlib.suppress(Locked), RunLock(folder.path):
                    feed(config, folder)
            except OSError as error:  # a folder that cannot be written
                say_error(f"no logger was fed: {error}")


def feed(config: Config, folder: RunFolder) -> None:
    """Gives the loggers of a run the rows and test metrics that they lack.

    The caller holds the lock of the run. An error of a logger becomes one warning; the next
    command goes on behind the last row that the logger has taken.
    """
    if not fed_loggers(config):
        return
    record = folder.record()
    failure = folder.failure() or {"kind": "paused"}
    status: str = failure["kind"] if record is None else record["status"]
    unfed = _unfed(config, folder, status)
    rows = _rows_of(folder, record or {}) if unfed else []
    fed = read_object(folder.path / FED)
    for name, section in unfed.items():
        state = fed[name] = fed.get(name) or {}
        if (state.get("rows"), state.get("status")) == (len(rows), status):
            continue  # it has paused once more
        try:
            try:
                _feed(name, section, config, folder, rows, status, state)
            finally:
                write_json(folder.path / FED, fed, sync=False, confirm=folder.check_held)
        except (Exception, SystemExit) as error:
            _given_up.add(name)
            say_error(
                f"logger.{name}: {named(error)}; the runs are not affected, and the same command"
                " feeds this logger again"
            )


def _unfed(config: Config, folder: RunFolder, status: str) -> dict[str, Config]:
    """Returns the sections of loggers that have not got a run up to this status."""
    sections = fed_loggers(config)
    fed = read_object(folder.path / FED) if sections else {}
    return {
        name: section
        for name, section in sections.items()
        if name not in _given_up
        and not (status in FINISHED and (fed.get(name) or {}).get("status") == status)
    }


def _rows_of(folder: RunFolder, record: dict[str, Any]) -> list[tuple[dict[str, float], int]]:
    """Returns the metrics of each epoch with their step, and last the test metrics."""
    rows = [
        ({key: v for key, v in row.items() if key != "step"}, int(row["step"]))
        for row in read_rows(folder.path / "metrics.csv")
    ]
    tested = {k: v for k, v in record.get("metrics", {}).items() if k.startswith("test/")}
    if tested:
        rows.append((tested | {"epoch": record["epochs"]}, record["steps"]))
    return rows


def _feed(
    name: str,
    section: Config,
    config: Config,
    folder: RunFolder,
    rows: list[tuple[dict[str, float], int]],
    status: str,
    state: dict[str, Any],
) -> None:
    """Feeds a logger, and keeps in `state` what it has got."""
    values = {"save_dir": str(folder.path), "id": folder.run_id, "run_name": folder.run_id}
    given = open_arguments(section, **values, run_id=state.get("id"))
    if "id" in given:  # of W&B; other loggers take `name` for a folder
        readable = read_names(folder.path.parent).get(folder.run_id, folder.run_id)
        given |= open_arguments(section, name=readable)
    logger = build(section, f"logger.{name}", **given)
    is_good = status not in ("failed", "diverged")
    experiment = getattr(logger, "experiment", None)  # opens the run
    try:
        # MLflow makes ids of its own, with which a resumed run is opened again.
        if "run_id" in signature_of(section["_target_"]).parameters:
            state["id"] = logger.version
        if "rows" not in state:
            if config["trainer"].get("enable_autolog_hparams", True):
                logger.log_hyperparams(config)
            state["rows"] = 0
        size = _AT_ONCE if hasattr(experiment, "log_batch") else 1
        for start in range(state["rows"], len(rows), size):
            _log(logger, experiment, rows[start : start + size])
            state["rows"] += len(rows[start : start + size])
        logger.save()
        logger.finalize("success" if is_good else "failed")
        state["status"] = status
    finally:
        end_experiment(experiment, is_good)


def _log(logger: Any, experiment: Any, rows: list[tuple[dict[str, float], int]]) -> None:
    """Logs rows. MLflow gets them in one transaction, since each one takes 20 ms."""
    send, held = getattr(experiment, "log_batch", None), list[Any]()
    if send is not None:
        experiment.log_batch = lambda run_id, metrics, **_: held.extend(metrics)
    try:
        for metrics, step in rows:
            logger.log_metrics(metrics, step=step)
    finally:
        if send is not None:
            experiment.log_batch = send
    if send is not None:
        send(logger.version, metrics=held)


def end_experiment(experiment: Any, is_good: bool) -> None:
    """Ends the open run of a tracker, which would else take the next run too."""
    methods = [method for name in _ENDS if callable(method := getattr(experiment, name, None))]
    for method in methods[:1]:
        takes_code = "exit_code" in inspect.signature(method).parameters
        method(**{"exit_code": int(not is_good)} if takes_code else {})
