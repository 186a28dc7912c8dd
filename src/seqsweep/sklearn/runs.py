"""Makes an estimator's config and data file, and trains the run."""

import contextlib
import hashlib
import io
import re
import tempfile
import threading
from collections.abc import Generator, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from seqsweep.command import quoted_value
from seqsweep.config.from_overrides import hydra_errors_explained, shared_composer
from seqsweep.config.messages import reworded
from seqsweep.config.schema import Config
from seqsweep.console import PlainConsole
from seqsweep.data.checks import Array, class_indices, label_names
from seqsweep.data.padding import padded
from seqsweep.errors import RunFailed
from seqsweep.models.cells import cell_name
from seqsweep.runs.files import write_bytes
from seqsweep.sklearn.arrays import Rows
from seqsweep.sweeping.api import train_in
from seqsweep.text import nearest_or_all
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.description import DESCRIPTION
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.resume import forget_finished_runs
from seqsweep.training.run_data import forget_data

KEYS = {
    "hidden_size": "model.hidden_size",
    "cell": "model.cell",
    "nonlinearity": "model.nonlinearity",
    "num_layers": "model.num_layers",
    "bidirectional": "model.bidirectional",
    "dropout": "model.dropout",
    "pooling": "model.pooling",
    "max_epochs": "trainer.max_epochs",
    "batch_size": "data.batch_size",
    "lr": "optimizer.lr",
    "weight_decay": "optimizer.weight_decay",
    "class_weight": "loss.class_weights",
    "standardize": "data.standardize",
    "missing": "data.missing",
    "val_fraction": "data.val_fraction",
    "random_state": "seed",
    "engine": "engine",
    "threads": "threads",
}
"""The arguments of the estimator, and the key of a config that each of them sets."""

# X and y need no test split. Files for human readers cost time, and are seldom read here.
_DEFAULTS = {"data.test_fraction": 0.0, "logger": "csv", "diagnostics": False}
_FIXED = ("data", "model", "experiment", "debug", "sweep", "hydra", "name", "output_dir")
"""The groups and keys that `overrides` must not set.

An estimator trains a single run on X and y, with the network that its arguments describe."""


def config_of(arguments: Mapping[str, Any], y: Array, path: str, folder: str) -> Config:
    """Returns the checked config of a run.

    Args:
        arguments: the parameters of the estimator; `random_state` must be a number.
        y: the labels, whose classes get the weights of `class_weight`.
        path: the file of X and y.
        folder: the folder of the runs.

    Raises:
        ValueError, TypeError: an argument is refused; the message names it.
    """
    overrides = _overrides(arguments)
    values = {KEYS[name]: arguments[name] for name in KEYS}
    if isinstance(cell := arguments["cell"], type):
        values["model.cell"] = cell_name(cell)
    values["loss.class_weights"] = _class_weights(arguments["class_weight"], y)
    values = _DEFAULTS | values | overrides
    texts = (f"{key}={quoted_value(values[key])}" for key in values)
    lines = ["data=npz", "data.source.path=X", *texts]
    try:
        with hydra_errors_explained():
            config = shared_composer().checked(lines)
    except (ValueError, TypeError) as error:
        raise in_arguments(error) from error
    # The path is set here, because an override cannot hold all characters. Configs share their
    # sections, so the section is copied and not changed in place.
    source = config["data"]["source"] | {"path": path}
    return config | {"data": config["data"] | {"source": source}, "output_dir": folder}


def in_arguments(error: Exception, path: str = "") -> Exception:
    """Returns an error about a config, reworded with the estimator's argument names."""
    message = str(error)
    for name, key in KEYS.items():
        message = re.sub(rf"(?<![\w.]){re.escape(key)}(?==|:)", name, message)
    if path:
        message = message.replace(f"data.source: {path}", "X, y").replace(path, "X, y")
        message = re.sub("^data: ", "X: ", message)
    message = message.replace("data.source.layout=", "layout=")
    return reworded(error, message)


def _overrides(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `overrides` as a dict; refuses keys that the estimator sets."""
    overrides = arguments["overrides"]
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        raise TypeError(
            f"overrides={overrides!r}: must be a dict of keys of a config, such as"
            " {'loss.label_smoothing': 0.1}"
        )
    # A search over an argument would have no effect if an override replaced its values.
    names = {key: name for name, key in KEYS.items()}
    for key in overrides:
        bare = str(key).lstrip("+~")
        if bare in names:
            raise ValueError(f"overrides: {bare} must be given as the argument {names[bare]}")
        if bare in _FIXED or bare.startswith(("data.source", "sweep.", "hydra")):
            raise ValueError(f"overrides: {bare} cannot be set here; the estimator sets it")
    return {str(key): value for key, value in overrides.items()}


def _class_weights(setting: Any, y: Array) -> Any:
    """Returns `class_weight` for a config, in the order of the run's classes."""
    if setting is None or isinstance(setting, str):
        return setting
    if not isinstance(setting, Mapping):
        raise ValueError(
            f"class_weight={setting!r}: must be None, 'balanced' or a dict of label: weight"
        )
    classes = np.unique(y)
    known = classes.tolist()
    # Without this check, the class of a misspelt label would keep the weight 1.
    for label in setting:
        if label not in known:
            hint = nearest_or_all(str(label), map(str, known))
            raise ValueError(f"class_weight: label {label!r} is not in y{hint}")
    for label, weight in setting.items():
        if not isinstance(weight, Real):
            raise TypeError(f"class_weight: {weight!r} of label {label!r}: must be a number")
    weights = np.array([setting.get(label, 1.0) for label in known])
    ordered = np.empty(len(classes))
    ordered[class_indices(classes, label_names(y), "y")] = weights
    return ordered.tolist()


one_at_a_time = threading.RLock()
"""The lock that protects the global state of torch and Hydra during a fit or a prediction."""


@contextlib.contextmanager
def folder_of_runs(folder: str | Path | None) -> Generator[Path]:
    """Yields the folder of the runs, and makes it; None gives a temporary folder."""
    if folder is not None:
        path = Path(folder).expanduser().absolute()
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="seqsweep-") as temporary:
        try:
            yield Path(temporary)
        finally:
            # The data of a temporary folder are never used again, but would stay in memory.
            forget_data()


def store(x: Rows, y: Array, root: Path) -> Path:
    """Writes X and y to a file in `root`/data; returns its path."""
    is_array = isinstance(x, np.ndarray)
    values, lengths = padded(x, None)
    arrays: dict[str, Array] = {"X": values, "y": y} | ({} if is_array else {"lengths": lengths})
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    # The name is a hash of the content, so that all fits on the same data share one file.
    path = root / "data" / f"{digest.hexdigest()[:16]}.npz"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        save: Any = np.savez  # the types of NumPy 2 allow no arrays by keyword
        save(buffer, **arrays)
        write_bytes(path, buffer.getvalue(), sync=False)
    return path


def train_one(planned: PlannedRun, root: Path, verbose: bool) -> Outcome:
    """Trains a run in `root`, unless it is complete already.

    Raises:
        ValueError: the run diverged.
        RuntimeError: the training failed.
    """
    # A console that is not a terminal shows no progress bar. In a notebook rich would ignore the
    # file without `force_jupyter=False`.
    console = PlainConsole() if verbose else Console(file=io.StringIO(), force_jupyter=False)
    try:
        outcome = train_in(planned, root, console)
    except RunFailed as error:
        # The original message names the run's folder, which may be temporary.
        raise RuntimeError(f"the training failed: {error.__cause__}") from error
    # A fit with more epochs may continue this run, so the next fit reads the finished runs again.
    forget_finished_runs()
    if outcome.record.status == "diverged":
        raise ValueError(f"the training diverged: {outcome.record.error}; lower lr")
    return outcome


def kept_content(path: Path) -> dict[str, Any]:
    """Returns the part of a checkpoint that a trained network needs."""
    content = load_sealed(path)
    kept = {name: content[name] for name in (*DESCRIPTION, "state_dict", "epoch")}
    # The weights are views of one vector, and a pickle would hold that vector once for each view.
    kept["state_dict"] = {name: weight.clone() for name, weight in content["state_dict"].items()}
    return kept
