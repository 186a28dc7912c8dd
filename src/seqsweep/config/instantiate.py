"""Builds objects from a checked config.

`build` does what `hydra.utils.instantiate` does. There are three differences: arguments from code
are passed unchanged (Hydra converts dataclasses to configs), an error names the key, and a mapping
becomes what the annotation of its argument names.
"""

import functools
import inspect
import re
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from hydra._internal.utils import _locate  # pyright: ignore[reportPrivateUsage]
from omegaconf import OmegaConf

from seqsweep.config.messages import named, reworded
from seqsweep.importing import OTHER_LIGHTNING, place_in_user_code, prepare_import
from seqsweep.text import nearest_or_all

SPECIAL = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")
"""The keys of a section that `build` reads; all others are arguments."""

_EXTRAS = {"WandbLogger": "wandb", "MLFlowLogger": "mlflow"}
"""The extra of `pip install seqsweep[EXTRA]` for each logger that needs a further package."""


def build(node: Any, key: str, **injected: Any) -> Any:
    """Returns the object that a section with a `_target_` describes.

    Items of lists and of other sections are built one by one. Any other value stays unchanged.

    Args:
        node: a section, a list, or another plain value.
        key: the dotted key of the section, for messages.
        injected: arguments from the caller, which replace arguments of the config.

    Raises:
        ValueError, TypeError, OSError: the constructor has raised this error; the message begins
            with the key. Other errors become a ValueError, except a lack of memory.
    """
    if isinstance(node, list):
        return [build(item, f"{key}[{index}]") for index, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if "_target_" not in node:
        return {name: build(value, f"{key}.{name}") for name, value in node.items()}
    target = locate(node["_target_"], f"{key}._target_")
    given = {name: v for name, v in node.items() if name not in (*SPECIAL, *injected)}
    values = list(node.get("_args_", ()))
    # Mappings from which no object is built become what the code expects, also in lists.
    builds = node.get("_recursive_", True)
    plain = [n for n, v in given.items() if isinstance(v, (dict, list))]
    plain = [name for name in plain if not (builds and "_target_" in given[name])]
    if builds:
        given = {name: build(value, f"{key}.{name}") for name, value in given.items()}
        values = build(values, f"{key}._args_")
    if node.get("_convert_", "none") == "none" and not node["_target_"].startswith("seqsweep."):
        given |= {name: _as_annotated(target, name, given[name]) for name in plain}
    # A partial call is wrapped as well, so that errors of a later call name the key too.
    call = functools.partial(_call, target, key, node)
    if node.get("_partial_", False):
        return functools.partial(call, *values, **given, **injected)
    return call(*values, **given, **injected)


def _as_annotated(target: Any, name: str, value: dict[str, Any] | list[Any]) -> Any:
    """Returns a mapping or a list as the type that the argument asks for.

    A `DictConfig` or a `Namespace` is made where the annotation names it. Without an annotation,
    the code may read `cfg.lr` or `cfg["lr"]`, so it gets Lightning's dict with attributes.
    """
    try:
        known = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return value
    annotation = str(known[name].annotation) if name in known else "_empty"
    if "DictConfig" in annotation:
        return OmegaConf.create(value, flags={"allow_objects": True})
    if "Namespace" in annotation:
        return _nested(value, lambda node: Namespace(**node))
    if "_empty" not in annotation:
        return value
    from lightning.fabric.utilities.data import AttributeDict  # users' code imports Lightning too

    return _nested(value, AttributeDict)


def _nested(value: Any, make: Callable[[dict[str, Any]], Any]) -> Any:
    """Returns a value whose mappings, at each depth, `make` has replaced."""
    if isinstance(value, list):
        return [_nested(item, make) for item in value]
    if isinstance(value, dict):
        return make({name: _nested(item, make) for name, item in value.items()})
    return value


def _call(target: Any, key: str, node: dict[str, Any], /, *values: Any, **arguments: Any) -> Any:
    """Calls a target; the messages of its errors name the key."""
    try:
        return target(*values, **arguments)
    except ImportError as error:  # the package of a logger may not be installed
        extra = _EXTRAS.get(node["_target_"].rpartition(".")[2])
        reason = f"pip install 'seqsweep[{extra}]'" if extra else " ".join(str(error).split())
        raise ValueError(f"{key}: {node['_target_']} lacks a package: {reason}") from error
    except (ValueError, TypeError, OSError) as error:
        raise reworded(error, _with_key(str(error), key, node)) from error
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # a user's code may raise anything, and call sys.exit
        # If memory runs out, torch raises a RuntimeError. `translate_memory_errors` turns this
        # error into a message.
        if isinstance(error, RuntimeError) and "memory" in str(error):
            raise
        raise ValueError(f"{key}._target_={node['_target_']}: {named(error)}") from error


def locate(target: str, key: str) -> Any:
    """Returns the class or function that the value of a key names."""
    prepare_import(target)
    try:
        found = _locate(target)
    except (Exception, SystemExit) as error:  # importing a user's module may raise anything
        cause = error.__cause__ or error  # Hydra's words around it say less
        module, _, name = target.rpartition(".")
        reason = f"importing {module or target!r} fails: {named(cause)}{place_in_user_code(cause)}"
        if getattr(cause, "name", None) == target and module in sys.modules:
            known = [each for each in dir(sys.modules[module]) if each[0] != "_"]
            reason = f"no {name!r} in {module}{nearest_or_all(name, known)}"
        raise ValueError(f"{key}={target}: {reason}") from cause
    bases = {base.__module__.partition(".")[0] for base in getattr(found, "__mro__", ())}
    if package := next((name for name in OTHER_LIGHTNING if name in bases), None):
        raise ValueError(
            f"{key}={target}: is a class of {package}, because the program imported "
            f"{' or '.join(OTHER_LIGHTNING)} before it called seqsweep; import "
            f"{' or '.join(OTHER_LIGHTNING.values())} there instead"
        )
    return found


def _with_key(message: str, key: str, node: dict[str, Any]) -> str:
    """Completes the key of a message: `hidden_size=0: ...` to `model.hidden_size=0: ...`."""
    # A constructor names its argument, but only the caller knows the section of the argument.
    name = re.match(r"(\w+)(=|\[)", message)
    if name and name[1] in node:
        return f"{key}.{message}"
    return message if message.startswith(f"{key.partition('.')[0]}.") else f"{key}: {message}"
