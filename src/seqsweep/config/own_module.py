"""The config of a run whose model is a LightningModule of the user.

Such a module has its own loss, optimizers, schedulers and metrics. So the sections `loss`,
`optimizer` and `scheduler` are null, and the defaults for our networks do not hold.
"""

import copy
import functools
import re
from typing import Any, Literal

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict

from seqsweep.config import CONF_DIR
from seqsweep.config.convert import convert
from seqsweep.config.instantiate import locate
from seqsweep.config.signatures import signature_of
from seqsweep.runs.identity import MODULE_DATA, Config, flatten
from seqsweep.runs.metrics import LOWER, proposed_direction

_MONITORING = ("seqsweep.training.callbacks.EarlyStop", "seqsweep.training.schedulers.plateau")


def imported(target: Any, section: str) -> Any:
    """Returns what a `_target_` of the user names; None for ours."""
    is_own = isinstance(target, str) and "." in target and not target.startswith("seqsweep.")
    return locate(target, f"{section}._target_") if is_own else None


def names_module(target: Any) -> bool:
    """Returns whether a `_target_` is a LightningModule class of the user."""
    kind = imported(target, "model")
    # By name, because a config is checked without torch.
    return any(base.__name__ == "LightningModule" for base in getattr(kind, "__mro__", ()))


def has_loader(kind: Any, split: str) -> bool:
    """Returns whether a class of Lightning has a dataloader of its own for a split."""
    hook = f"{split}_dataloader"
    return getattr(getattr(kind, hook, None), "__qualname__", None) != f"DataHooks.{hook}"


def without_ours(config: DictConfig, target: str) -> DictConfig:
    """Returns a copy of a config without what only our networks have.

    In conf, `${ours:VALUE}` marks the values that only our networks have. A value without the mark
    was typed, or written in a file or in Python.

    Raises:
        ValueError: a value is given for a section that the module replaces, or the module needs
            data, an optimizer or a monitor that are not given.
    """
    leaves = flatten(OmegaConf.to_container(config, resolve=False))
    marked = {key for key, value in leaves if str(value).startswith("${ours:")}
    replaced = _replaced(target)
    allowed = [(group, None) for group in replaced]
    if "data._target_" in marked:
        check_data(MODULE_DATA, target)
        replaced.append("data")
        allowed += [(f"data.{key}", value) for key, value in _default_data().items()]
    # The function comes first, because it is the option that was chosen.
    for key, value in sorted(leaves, key=lambda leaf: not leaf[0].endswith("._target_")):
        is_given = key not in marked and (key, value) not in allowed
        if is_given and key.partition(".")[0] in replaced:
            raise _refusal(key, value, target)
    optimizer = {key for key, _ in leaves if key.startswith("optimizer.")}
    if "optimizer" not in replaced and optimizer and optimizer <= marked:
        raise ValueError(f"model._target_={target}: has no optimizer; give one: optimizer=adam")
    result = copy.deepcopy(config)
    with open_dict(result):
        for key in marked - optimizer:
            OmegaConf.update(result, key, None)
        result.update(dict.fromkeys(replaced))
        if "data" in replaced:
            result.data = {"_target_": MODULE_DATA, "module": target}
    parts = {f"callbacks.{name}": node for name, node in (result.get("callbacks") or {}).items()}
    for name, node in (parts | {"scheduler": result.get("scheduler")}).items():
        if node and node.get("_target_") in _MONITORING and node.get("monitor") is None:
            raise ValueError(f"{name}.monitor=null: give monitor=NAME, a logged metric")
    return result


def check_data(data: Any, model: Any) -> None:
    """Refuses data that cannot be imported, or that the model should have and lacks."""
    imported(data, "data")
    has_own = names_module(model) and has_loader(imported(model, "model"), "train")
    if data == MODULE_DATA and not has_own:
        example = "choose its data, as in data=temporal_order"
        raise ValueError(f"data: {model} has no train_dataloader of its own; {example}")


def with_mode(config: Config, was_guessed: bool) -> Config:
    """Returns a checked config with `monitor_mode` decided; a guess is marked.

    Raises:
        ValueError: a mode has no metric, or the name of the metric tells no direction.
    """
    monitor = convert(config["monitor"], str | None, "monitor")
    mode = convert(config["monitor_mode"], Literal["auto", "min", "max"] | None, "monitor_mode")
    if monitor is None and mode in ("min", "max"):
        raise ValueError(f"monitor_mode={mode}: needs monitor=NAME, a metric that the model logs")
    if monitor is None:
        return config | {"monitor": None, "monitor_mode": None}
    proposed = proposed_direction(monitor)
    is_guess = mode not in ("min", "max") or (was_guessed and mode == proposed)
    if is_guess and proposed is None:
        once = "min" if LOWER & set(re.split("[^a-z0-9]+", monitor.lower())) else "max"
        give = f"give monitor_mode=max or min (earlier versions took {once}, which keeps run_ids)"
        raise ValueError(f"monitor={monitor}: the name does not tell what is better; {give}")
    decided = config | {"monitor": monitor, "monitor_mode": proposed if is_guess else mode}
    return decided | ({"monitor_mode_guessed": True} if is_guess else {})


def _replaced(target: str) -> list[str]:
    """Returns the sections that a module replaces.

    A module without `configure_optimizers` replaces `loss` alone.
    """
    kind = locate(target, "model")
    is_own = kind.configure_optimizers.__qualname__ != "LightningModule.configure_optimizers"
    return ["loss", "optimizer", "scheduler"] if is_own else ["loss"]


@functools.cache
def _default_data(option: str = "_default") -> dict[str, Any]:
    """Returns the values of the default data, or of an option, by dotted keys."""
    given = yaml.safe_load((CONF_DIR / f"data/{option}.yaml").read_text(encoding="utf-8"))
    included, *_ = given.pop("defaults", ["_self_"])
    return ({} if included == "_self_" else _default_data(included)) | dict(flatten(given))


def _refusal(key: str, value: Any, target: str) -> ValueError:
    """Returns the error for a value that has no effect."""
    group, _, argument = key.partition(".")
    if argument == "_target_" and str(value).startswith("seqsweep."):  # is called as the option
        key, value = group, value.rpartition(".")[2]
    known = signature_of(target).parameters
    rate = ("lr", "learning_rate") if key in ("optimizer", "optimizer.lr") else ()
    names = (key.rpartition(".")[2], group, *rate)
    keys = [f"model.{name}" for name in names if name in known]
    where = keys[0] if keys else "an argument of the model"
    return ValueError(
        f"{key}={value}: has no effect, because {target} is a LightningModule, which has its own"
        f" {group}; set {where} instead"
    )
