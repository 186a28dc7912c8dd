"""Checks composed configs before they are used.

The schema of the top level is the dataclass `TrainConfig`. The schema of a section with a
`_target_` is the signature of the constructor that it names. So YAML files hold values only.
"""

import os
from dataclasses import dataclass
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from seqsweep.config.convert import (
    check_trainer_arguments,
    convert,
    refuse_unknown,
    with_our_target,
)
from seqsweep.config.instantiate import SPECIAL
from seqsweep.config.messages import explain
from seqsweep.config.own_cell import with_cell_options
from seqsweep.config.own_module import check_data, names_module, with_mode, without_ours
from seqsweep.config.shape.options import DEFAULTS, ShapeOptions
from seqsweep.config.signatures import REQUIRED, signature_of, with_our_optimizer
from seqsweep.runs.identity import DATA_MODULE, Config, flatten

Monitor = Literal["val/acc", "val/f1", "val/loss", "train/acc", "train/f1", "train/loss"]


@dataclass
class LossConfig:
    """The section `loss`: the arguments of cross-entropy."""

    class_weights: Literal["balanced"] | list[float] | None
    label_smoothing: float


@dataclass
class SweepConfig(ShapeOptions):
    """The section `sweep`: the shape, folder, report and retries of a sweep.

    Attributes:
        name: the folder below `output_dir`/sweeps; None makes a name from the swept keys (see
            `seqsweep.config.question`).
        report: whether to write report.html and TensorBoard's HParams while the sweep runs, and
            also baselines and TensorBoard's pictures when it ends.
        on_error: what follows the failure of a member: `continue` trains the others, `stop` starts
            no further member, `retry` trains the member again.
        retries: the largest number of retries for each member.
    """

    name: str | None
    report: bool
    on_error: Literal["continue", "stop", "retry"]
    retries: int


@dataclass
class TrainConfig:
    """The top level of a config; `Any` marks sections whose schema a `_target_` decides."""

    name: str
    seed: int
    monitor: Monitor
    output_dir: str
    rerun: bool
    when_locked: Literal["wait", "skip"]
    threads: int
    engine: Literal["auto", "native", "autograd"]
    start_from: str | None
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


@dataclass
class OwnModuleConfig(TrainConfig):
    """The top level of a config whose model is a LightningModule of the user."""

    monitor: Any
    monitor_mode: Any
    loss: Any


# The run passes these arguments to the constructors, so a config may lack required ones.
_INJECTED = {
    "model": {"input_size", "num_classes", "num_embeddings", "num_targets"},
    "data": {"seed"},
    "optimizer": {"params"},
    "scheduler": {"optimizer"},
    "trainer": {"folder", "optimizes", "logger", "callbacks"},
}


def check(config: DictConfig) -> Config:
    """Returns a config as plain values of the right types.

    Raises:
        ValueError: a key is unknown, missing or cannot be set, or a value has the wrong type or is
            out of range. The constructors check the ranges of their own arguments.
    """
    target = OmegaConf.select(config, "model._target_")
    is_own = names_module(target)
    if is_own:
        config = without_ours(config, target)
    # Missing values are found first, because their interpolations would fail in OmegaConf.
    for key, value in flatten(OmegaConf.to_container(config, resolve=False)):
        if value == "???" and not key.startswith("hydra."):
            raise ValueError(f"{key} needs a value: give {key}=VALUE")
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise ValueError(explain(error)) from error
    assert isinstance(plain, dict)
    for name, path in (plain.get("paths") or {}).items():  # for interpolations of the user
        if name in ("output_dir", "log_dir") and path != plain.get("output_dir"):
            raise ValueError(f"paths.{name}={path}: must be equal to output_dir; set output_dir")
    plain = {str(k): _without_tuples(v) for k, v in plain.items() if k not in ("hydra", "paths")}
    # This comes first: what suits a module of the user looks wrong where it cannot be imported.
    check_data(dict(flatten(plain)).get("data._target_"), target)
    if isinstance(sweep := plain.get("sweep"), dict):
        plain["sweep"] = DEFAULTS | sweep
    plain.setdefault("start_from", None)  # earlier versions did not have it
    was_guessed = plain.pop("monitor_mode_guessed", False)
    if not is_own and (mode := plain.pop("monitor_mode", "auto")) != "auto":
        raise ValueError(f"monitor_mode={mode}: is only for a LightningModule of your own")
    checked = convert(plain, OwnModuleConfig if is_own else TrainConfig, "")
    if checked["start_from"] is None:
        del checked["start_from"]
    # The shape decides which runs a sweep has, but it is not a part of a run's config.
    checked["sweep"] = {k: v for k, v in checked["sweep"].items() if k not in DEFAULTS}
    # Targets are replaced first, because the target decides the schema of its section.
    checked["optimizer"] = with_our_optimizer(checked["optimizer"])
    checked["trainer"] = with_our_target(checked["trainer"])
    for section in _INJECTED:
        if not (is_own and checked[section] is None):
            checked[section] = check_section(checked[section], section)
    checked["data"] = _without_unused(checked["data"])
    # `check_section` has filled in the defaults of the project's own arguments. Here Lightning's
    # defaults are dropped.
    checked["trainer"] = check_trainer_arguments(checked["trainer"])
    for section in ("logger", "callbacks"):
        checked[section] = _named(checked[section] or {}, section)
    if is_own:
        checked = with_mode(checked, was_guessed)
    check_range("threads", checked["threads"], 1, os.cpu_count() or 1)
    check_range("sweep.retries", checked["sweep"]["retries"], 0, 100)
    if checked["trainer"].get("val_check_interval") == 0:  # Lightning would divide by zero
        raise ValueError("trainer.val_check_interval=0: must be above 0")
    return checked


_NEW_OF_TABLES = ("target", "labels", "unlabelled", "gap", "dayfirst")
"""The options of tables that earlier versions did not have."""


def _without_unused(data: Any) -> Any:
    """Returns the section `data` without unused keys that earlier versions did not have."""
    if not isinstance(data, dict) or data.get("_target_") != DATA_MODULE:
        return data
    unused = [("split_by", None), ("per_step", False)]
    given = {name: value for name, value in data.items() if (name, value) not in unused}
    source = given.get("source")
    if isinstance(source, dict) and source.get("_target_") == "seqsweep.data.tables.table":
        unused = [key for key in _NEW_OF_TABLES if source.get(key) is None]
        given["source"] = {k: v for k, v in source.items() if k not in unused}
    if isinstance(transform := given.get("transform"), dict):
        unused = [key for key in ("window", "stride") if transform.get(key) is None]
        given["transform"] = {k: v for k, v in transform.items() if k not in unused}
    return given


def check_shape(config: DictConfig) -> ShapeOptions:
    """Returns the checked shape of a sweep, from the config of the whole sweep."""
    section: Any = _without_tuples(OmegaConf.to_container(config.sweep, resolve=False))
    node = {key: section.get(key, value) for key, value in DEFAULTS.items()}
    checked = convert(node, ShapeOptions, "sweep")
    for name, least in (("sample", 1), ("ask_above", 0)):
        if checked[name] is not None:
            check_range(f"sweep.{name}", checked[name], least)
    return ShapeOptions(**checked)


def check_range(key: str, value: float, least: float, most: float | None = None) -> None:
    """Raises ValueError unless a value is within its range."""
    if value < least:
        raise ValueError(f"{key}={value}: must be at least {least}")
    if most is not None and value > most:
        cores = ", the cores of this machine" if key == "threads" else ""
        raise ValueError(f"{key}={value}: must be at most {most}{cores}")


def _without_tuples(node: Any) -> Any:
    """Returns a copy with lists instead of tuples; OmegaConf before 2.4 has no tuples."""
    if isinstance(node, dict):
        return {key: _without_tuples(value) for key, value in node.items()}
    return [_without_tuples(item) for item in node] if isinstance(node, (list, tuple)) else node


def check_section(node: Any, key: str) -> Any:
    """Checks a section with a `_target_`; returns it with the constructor's plain defaults.

    The defaults are written out, so a config that names a default has the same run_id as a config
    without it. `_partial_: true` is written out too for the optimizer and the scheduler, whose
    first argument the run passes. The scheduler may be null.
    """
    injected = _INJECTED[key]
    if node is None and key == "scheduler":
        return None
    if not isinstance(node, dict) or not _has_target(node):
        raise ValueError(f"{key}={node!r}: must be a group with a _target_")
    is_partial = key in ("optimizer", "scheduler")
    checked = _target(node | {"_partial_": False} if is_partial else node, key, injected)
    if is_partial:
        checked["_partial_"] = True
    if key == "data" and checked["_target_"] != DATA_MODULE:  # a seed of its own stays
        injected = set[str]()
    injected = injected - {"num_targets"}  # a module with a default has always had it here
    for name, parameter in signature_of(checked["_target_"]).parameters.items():
        if parameter.default is not REQUIRED and name not in injected:
            checked.setdefault(name, parameter.default)
    return with_cell_options(checked) if "cell_options" in checked else checked


def _named(group: Any, key: str) -> Config:
    """Checks the loggers or callbacks: each has a `_target_`, or is null."""
    if not isinstance(group, dict):
        raise ValueError(f"{key}={group!r}: must be a group of names, each with a _target_")
    argument = "save_dir" if key == "logger" else "dirpath"  # if null, the run sets it
    checked: Config = {str(name): None for name in group}
    for name, node in group.items():
        where = f"{key}.{name}"
        if node is None:
            continue
        if not _has_target(node):
            raise ValueError(f"{where}={node!r}: must be a group with a _target_, or null")
        section = _target(node, where, {argument})
        # Earlier versions did not have the goal of EarlyStop.
        checked[str(name)] = {k: v for k, v in section.items() if (k, v) != ("goal", None)}
        if node.get(argument) is not None and node["_target_"].startswith("seqsweep."):
            raise ValueError(f"{where}.{argument}={node[argument]}: cannot be set; the run sets it")
    return checked


def _argument(node: Any, key: str, builds: bool) -> Any:
    """Checks the value of an argument, in which targets may be nested."""
    if isinstance(node, list):
        return [_argument(item, f"{key}[{index}]", builds) for index, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if "_target_" in node:
        return _target(node, key, set(), builds)
    return {str(name): _argument(value, f"{key}.{name}", builds) for name, value in node.items()}


def _target(node: Config, key: str, injected: set[str], builds: bool = True) -> Config:
    """Checks a section against the signature that its `_target_` names.

    If the user's code builds it (`_recursive_: false` above it), that code may add arguments.
    """
    target = convert(node["_target_"], str, f"{key}._target_")
    try:
        signature = signature_of(target)
    except ValueError as error:
        raise ValueError(f"{key}.{error}") from error
    known = signature.parameters
    values = {name: value for name, value in node.items() if name not in SPECIAL}
    if not signature.open:
        refuse_unknown(values, known, f"{key}.")
    required = [name for name, parameter in known.items() if parameter.required and builds]
    if node.get("_partial_", False):
        # The caller of a partial section passes its first argument; of a nested one, any argument.
        required = required[1:] if injected else []
    required = required[len(node.get("_args_", ())) :]
    for name in required:
        if name not in values and name not in injected:
            raise ValueError(f"{key}.{name} is missing: {target} needs it")
    checked = {name: value for name, value in node.items() if name in SPECIAL}
    for name, value in values.items():
        nested = _argument(value, f"{key}.{name}", builds and node.get("_recursive_", True))
        inject_null = name in injected and value is None
        if name in known and not inject_null and not _has_target(nested):
            nested = convert(nested, known[name].annotation, f"{key}.{name}")
        checked[name] = nested
    return checked


def _has_target(node: Any) -> bool:
    return isinstance(node, dict) and "_target_" in node
