"""Objects from a checked config.

`hydra.utils.instantiate` for plain values: `_target_` and `_partial_`, nested. It differs in that
an argument given from code is handed over as it is (Hydra makes dataclasses into configs) and that
an error names the key.
"""

import functools
import re
from typing import Any

from hydra.utils import get_object

from seqsweep.config.reword import named, reworded


def build(node: Any, key: str, **injected: Any) -> Any:
    """The object that a section describes; other values are returned as they are.

    Args:
        node: a section with `_target_`, or a plain value.
        key: its place in the config, for messages.
        injected: arguments that the caller fills in; they win over the config's.

    Raises:
        ValueError, TypeError, OSError: as the constructor raises them, the message led by the key;
            ValueError too for a package that is not installed.
    """
    if isinstance(node, list):
        return [build(item, f"{key}[{index}]") for index, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    arguments = {
        name: build(value, f"{key}.{name}")
        for name, value in node.items()
        if name not in ("_target_", "_partial_", *injected)
    }
    if "_target_" not in node:
        return arguments
    call = functools.partial(_call, _locate(node["_target_"], key), key, node)
    if node.get("_partial_", False):
        return functools.partial(call, **arguments, **injected)
    return call(**arguments, **injected)


def _call(target: Any, key: str, node: dict[str, Any], /, *values: Any, **arguments: Any) -> Any:
    """Calls a target; an error of its code names the key, or the target where it is unforeseen."""
    try:
        return target(*values, **arguments)
    except ImportError as error:  # as a logger raises it whose package is not there
        reason = " ".join(str(error).split())
        raise ValueError(f"{key}: {node['_target_']} lacks a package: {reason}") from error
    except (ValueError, TypeError, OSError) as error:
        raise reworded(error, _with_key(str(error), key, node)) from error
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # a user's code may raise anything, and call sys.exit
        if isinstance(error, RuntimeError) and "memory" in str(error):
            raise
        raise ValueError(f"{key}._target_={node['_target_']}: {named(error)}") from error


def _locate(target: str, key: str) -> Any:
    try:
        return get_object(target)
    except (Exception, SystemExit) as error:  # importing a user's module may raise anything
        words = named(error) if isinstance(error, SystemExit) else " ".join(str(error).split())
        raise ValueError(f"{key}._target_={target}: {words}") from error


def _with_key(message: str, key: str, node: dict[str, Any]) -> str:
    """`hidden_size=0: ...` becomes `model.hidden_size=0: ...`; others say where they arose."""
    name = re.match(r"(\w+)(=|\[)", message)
    if name and name[1] in node:
        return f"{key}.{message}"
    return message if message.startswith(f"{key.partition('.')[0]}.") else f"{key}: {message}"
