"""The shape of a whole config, and the check that every composed config passes before it is used.

The top level is the dataclass below; each section with a `_target_` has the schema of the
constructor that it names. Values stand in the YAML files, types at the constructors.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config.convert import convert
from seqsweep.config.signatures import signature_of
from seqsweep.suggest import nearest_or_all

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

    `continue`: the others go on. `stop`: no further member is started. `retry`: it is tried again,
    `retries` times at the most.
    """

    name: str
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
    "logger": {"save_dir"},
    "trainer": {"folder", "logger", "callbacks"},
}  # arguments that a run fills in itself; a config need not name them


def check(config: DictConfig) -> Config:
    """The composed config, with or without its node `hydra`, as plain values of the right types.

    Raises:
        ValueError: an unknown key, a value of the wrong type, a value that is missing; names the
            key, the value, what is allowed and the nearest right name.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        reason = str(error.msg or error).splitlines()[0]
        raise ValueError(f"{error.full_key or 'config'}: {reason}") from error
    assert isinstance(plain, dict)
    plain = {str(key): value for key, value in plain.items() if key != "hydra"}
    _require_values(plain, "")
    checked = _dataclass(plain, TrainConfig, "")
    for section in ("model", "data", "optimizer", "scheduler", "trainer", "logger", "callbacks"):
        injected = _INJECTED.get(section, set())
        checked[section] = _section(checked[section], section, injected)
    if checked["threads"] < 1:
        raise ValueError(f"threads={checked['threads']}: must be at least 1")
    return checked


def _require_values(node: Any, key: str) -> None:
    if isinstance(node, str) and node == "???":
        raise ValueError(f"{key} needs a value: give {key}=VALUE")
    items = node.items() if isinstance(node, dict) else enumerate(node) if _is_list(node) else ()
    for name, value in items:  # pyright: ignore[reportUnknownVariableType]
        _require_values(value, f"{key}.{name}" if key else str(name))  # pyright: ignore


def _is_list(node: Any) -> bool:
    return isinstance(node, list)


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
    """A section: null, one `_target_`, or (loggers, callbacks) a group of named ones."""
    if isinstance(node, list):
        return [_section(item, f"{key}[{index}]", set()) for index, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if "_target_" in node:
        return _target(node, key, injected)
    return {str(name): _section(value, f"{key}.{name}", injected) for name, value in node.items()}


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
    if not node.get("_partial_", False):
        for name, parameter in known.items():
            if parameter.required and name not in values and name not in injected:
                raise ValueError(f"{key}.{name} is missing: {target} needs it")
    checked = {name: value for name, value in node.items() if _is_special(name)}
    for name, value in values.items():
        nested = _section(value, f"{key}.{name}", set())
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
                f"{prefix}{name}: no such key in {where}{nearest_or_all(str(name), known)}"
            )
