"""Turns the arguments of an estimator into the config of a run.

C classes.
"""

import re
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from seqsweep.command import quoted_value
from seqsweep.config.from_overrides import hydra_errors_explained, shared_composer
from seqsweep.config.messages import reworded
from seqsweep.config.schema import Config
from seqsweep.data.checks import Array, class_indices, label_names
from seqsweep.suggest import nearest_or_all

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

# Files that only a person reads cost time, and most runs of an estimator are never looked at.
_DEFAULTS = {"data.test_fraction": 0.0, "logger": "csv", "diagnostics": False}
_FIXED = ("data", "model", "experiment", "debug", "sweep", "hydra", "name", "output_dir")
"""The groups and keys that the estimator itself sets."""


def config_of(arguments: Mapping[str, Any], y: Array, path: str, folder: str) -> Config:
    """Returns the checked config of a run.

    Args:
        arguments: the parameters of the estimator; `random_state` is a number by now.
        y: (N,) the labels.
        path: the .npz file of the sequences.
        folder: where the run is written.

    Raises:
        ValueError, TypeError: an argument is refused; the message names it.
    """
    overrides = _overrides(arguments)
    values = {KEYS[name]: arguments[name] for name in KEYS}
    values["loss.class_weights"] = _class_weights(arguments["class_weight"], y)
    values = _DEFAULTS | values | overrides
    texts = (f"{key}={quoted_value(values[key])}" for key in values)
    lines = ["data=npz", "data.source.path=X", *texts]
    try:
        with hydra_errors_explained():
            config = shared_composer().checked(lines)
    except (ValueError, TypeError) as error:
        raise in_arguments(error) from error
    # A path may have characters that an override cannot hold. Configs share their sections, so none
    # is changed in place.
    source = config["data"]["source"] | {"path": path}
    return config | {"data": config["data"] | {"source": source}, "output_dir": folder}


def in_arguments(error: Exception, path: str = "") -> Exception:
    """Returns an error about a config with the names of the arguments."""
    message = str(error)
    for name, key in KEYS.items():
        message = re.sub(rf"(?<![\w.]){re.escape(key)}(?==|:)", name, message)
    if path:
        message = message.replace(f"data.source: {path}", "X, y").replace(path, "X, y")
        message = re.sub("^data: ", "X: ", message)
    message = message.replace("data.source.layout=", "layout=")
    return reworded(error, message)


def _overrides(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the further keys of a config; refuses those that an argument sets."""
    overrides = arguments["overrides"]
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        raise TypeError(
            f"overrides={overrides!r}: must be a dict of keys of a config, such as"
            " {'loss.label_smoothing': 0.1}"
        )
    # A search over an argument would have no effect if an override won over it.
    names = {key: name for name, key in KEYS.items()}
    for key in overrides:
        bare = str(key).lstrip("+~")
        if bare in names:
            raise ValueError(f"overrides: {bare} must be given as the argument {names[bare]}")
        if bare in _FIXED or bare.startswith(("data.source", "sweep.", "hydra")):
            raise ValueError(f"overrides: {bare} cannot be set here; the estimator sets it")
    return {str(key): value for key, value in overrides.items()}


def _class_weights(setting: Any, y: Array) -> Any:
    """Returns `class_weight` as a config has it: in the order of the run's classes."""
    if setting is None or isinstance(setting, str):
        return setting
    if not isinstance(setting, Mapping):
        raise ValueError(
            f"class_weight={setting!r}: must be None, 'balanced' or a dict of label: weight"
        )
    classes = np.unique(y)
    known = classes.tolist()
    # A misspelt label would otherwise keep the weight 1.
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
