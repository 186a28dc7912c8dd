"""The shape of a whole config, and the check that every composed config passes before it is used.

The top level is the dataclass below; each section with a `_target_` has the schema of the
constructor that it names. Values stand in the YAML files, types at the constructors.
"""

import dataclasses
import os
from dataclasses import dataclass
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config.convert import convert
from seqsweep.config.messages import hint_for_key
from seqsweep.config.signatures import REQUIRED, signature_of
from seqsweep.config.torch_names import with_our_optimizer
from seqsweep.config.trainer_arguments import check_trainer_arguments, with_our_target
from seqsweep.runs.identity import flatten

Config = dict[str, Any]


Monitor = Literal["val/acc", "val/f1", "val/loss", "train/acc", "train/f1", "train/loss"]


@dataclass
class LossConfig:
    """Cross-entropy."""

    class_weights: Literal["balanced"] | list[float] | None
    label_smoothing: float


@dataclass
class SweepConfig:
    """A sweep's folder below `output_dir`/sweeps, and what a failing member means.

    `name`: of the folder; null makes it from what is swept (seqsweep.config.question).

    `continue`: the others go on. `stop`: no further member is started. `retry`: it is tried again,
    `retries` times at the most. `report`: report.html, baselines and what TensorBoard shows beside
    curves are written when it ends, and renewed while it runs.
    """

    name: str | None
    report: bool
    on_error: Literal["continue", "stop", "retry"]
    retries: int


@dataclass
class TrainConfig:
    """The top level of conf/train.yaml. `Any` marks a section that names its own `_target_`."""

    name: str
    seed: int
    monitor: Monitor
    output_dir: str
    rerun: bool
    locked: Literal["wait", "skip"]
    threads: int
    engine: Literal["auto", "native", "stacked", "autograd"]
    diagnostics: bool
    loss: LossConfig
    sweep: SweepConfig
    model: Any
    data: Any
    optimizer: Any
    scheduler: Any
    trainer: Any
    logger: Any
    callbacks: Any


_INJECTED = {
    "model": {"input_size", "num_classes"},
    "data": {"seed"},
    "optimizer": {"params"},
    "scheduler": {"optimizer"},
    "trainer": {"folder", "logger", "callbacks"},
}  # arguments that a run fills in itself; a config need not name them


def check(config: DictConfig) -> Config:
    """The composed config, with or without its node `hydra`, as plain values of the right types.

    Raises:
        ValueError: an unknown key, a value of the wrong type, a value that is missing; names the
            key, the value, what is allowed and the nearest right name.
    """
    for key, value in flatten(OmegaConf.to_container(config, resolve=False)):
        if value == "???" and not key.startswith("hydra."):
            raise ValueError(f"{key} needs a value: give {key}=VALUE")
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        reason = str(error.msg or error).splitlines()[0]
        raise ValueError(f"{error.full_key or 'config'}: {reason}") from error
    assert isinstance(plain, dict)
    plain = {str(key): _without_tuples(value) for key, value in plain.items() if key != "hydra"}
    checked = _dataclass(plain, TrainConfig, "")
    checked["optimizer"] = with_our_optimizer(checked["optimizer"])
    checked["trainer"] = with_our_target(checked["trainer"])
    for section, injected in _INJECTED.items():
        checked[section] = _section(checked[section], section, injected)
    checked["trainer"] = check_trainer_arguments(checked["trainer"])
    for section in ("logger", "callbacks"):
        checked[section] = _named(checked[section] or {}, section)
    _check_range("threads", checked["threads"], 1, os.cpu_count() or 1)
    _check_range("sweep.retries", checked["sweep"]["retries"], 0)
    return checked


def _check_range(key: str, value: int, least: int, most: int | None = None) -> None:
    if value < least:
        raise ValueError(f"{key}={value}: must be at least {least}")
    if most is not None and value > most:
        raise ValueError(f"{key}={value}: must be at most {most}, the cores of this machine")


def _without_tuples(node: Any) -> Any:
    """A copy in which tuples, which OmegaConf 2.4 keeps and YAML does not know, are lists."""
    if isinstance(node, dict):
        return {key: _without_tuples(value) for key, value in node.items()}
    return [_without_tuples(item) for item in node] if isinstance(node, (list, tuple)) else node


def _dataclass(node: Any, kind: Any, key: str) -> Config:
    prefix = f"{key}." if key else ""
    if not isinstance(node, dict):
        raise ValueError(f"{key}={node!r}: must be a group of keys")
    fields = {field.name: field.type for field in dataclasses.fields(kind)}
    _refuse_unknown(node, fields, prefix)
    for name in fields:
        if name not in node:
            raise ValueError(f"{prefix}{name} is missing")
    return {
        name: _dataclass(node[name], annotation, prefix + name)
        if dataclasses.is_dataclass(annotation)
        else convert(node[name], annotation, prefix + name)
        for name, annotation in fields.items()
    }


def _section(node: Any, key: str, injected: set[str]) -> Any:
    """One `_target_` with every argument that has a plain default; or null for the scheduler.

    Defaults are written in, so that a config is one run whether it names them or not, and so is
    `_partial_` where the run fills in the first argument.
    """
    if node is None and key == "scheduler":
        return None
    if not isinstance(node, dict) or not _has_target(node):
        raise ValueError(f"{key}={node!r}: must be a group with a _target_")
    is_partial = key in ("optimizer", "scheduler")
    checked = _target(node | {"_partial_": False} if is_partial else node, key, injected)
    if is_partial:
        checked["_partial_"] = True
    for name, parameter in signature_of(checked["_target_"]).parameters.items():
        if parameter.default is not REQUIRED and name not in injected:
            checked.setdefault(name, parameter.default)
    return checked


def _named(group: Any, key: str) -> Config:
    """Loggers or callbacks: a name and a `_target_` for each, or null for one that is left out."""
    if not isinstance(group, dict):
        raise ValueError(f"{key}={group!r}: must be a group of named ones, each with a _target_")
    for name, node in group.items():
        if node is not None and not _has_target(node):
            raise ValueError(f"{key}.{name}={node!r}: must be a group with a _target_, or null")
    injected = {"save_dir"} if key == "logger" else {"dirpath"}  # filled in where they are null
    return {
        str(name): _target(node, f"{key}.{name}", injected) if isinstance(node, dict) else None
        for name, node in group.items()
    }


def _argument(node: Any, key: str) -> Any:
    """The value of an argument, in which targets may be nested."""
    if isinstance(node, list):
        return [_argument(item, f"{key}[{index}]") for index, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if "_target_" in node:
        return _target(node, key, set())
    return {str(name): _argument(value, f"{key}.{name}") for name, value in node.items()}


def _target(node: Config, key: str, injected: set[str]) -> Config:
    target = convert(node["_target_"], str, f"{key}._target_")
    try:
        signature = signature_of(target)
    except ValueError as error:
        raise ValueError(f"{key}.{error}") from error
    known = signature.parameters
    values = {name: value for name, value in node.items() if not _is_special(name)}
    if not signature.open:
        _refuse_unknown(values, known, f"{key}.")
    required = [name for name, parameter in known.items() if parameter.required]
    if node.get("_partial_", False):
        # What a section's code fills in later comes first: the parameters of an optimizer.
        required = required[1:] if injected else []
    for name in required:
        if name not in values and name not in injected:
            raise ValueError(f"{key}.{name} is missing: {target} needs it")
    checked = {name: value for name, value in node.items() if _is_special(name)}
    for name, value in values.items():
        nested = _argument(value, f"{key}.{name}")
        inject_null = name in injected and value is None
        if name in known and not inject_null and not _has_target(nested):
            nested = convert(nested, known[name].annotation, f"{key}.{name}")
        checked[name] = nested
    return checked


def _has_target(node: Any) -> bool:
    return isinstance(node, dict) and "_target_" in node


def _is_special(name: str) -> bool:
    """The words that `build` reads."""
    return name in ("_target_", "_partial_")


def _refuse_unknown(node: Any, known: Any, prefix: str) -> None:
    for name in node:
        if name not in known:
            where = prefix.rstrip(".") or "the config"
            raise ValueError(
                f"{prefix}{name}: no such key in {where}{hint_for_key(str(name), known, where)}"
            )
