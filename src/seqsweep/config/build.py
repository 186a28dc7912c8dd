"""Objects from a checked config.

`hydra.utils.instantiate` for plain values: `_target_` and `_partial_`, nested. It differs in that
an argument given from code is handed over as it is (Hydra makes dataclasses into configs) and that
an error names the key.
"""

import functools
import re
from typing import Any

from hydra.utils import get_object

from seqsweep.config.reword import reworded


def build(node: Any, key: str, **injected: Any) -> Any:
    """The object that a section describes; other values are returned as they are.

    Args:
        node: a section with `_target_`, or a plain value.
        key: its place in the config, for messages.
        injected: arguments that the caller fills in; they win over the config's.

    Raises:
        ValueError, TypeError, OSError: as the constructor raises them, the message led by the key;
            ValueError too for what else it raises, but for RuntimeError.
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
    target = _locate(node["_target_"], key)
    if node.get("_partial_", False):
        return functools.partial(target, **arguments, **injected)
    try:
        return target(**arguments, **injected)
    except (ValueError, TypeError, OSError) as error:
        raise reworded(error, _with_key(str(error), key, node)) from error
    except (RuntimeError, MemoryError):  # torch's want of memory, which the callers translate
        raise
    except Exception as error:  # of other people's code: a package that is missing, say
        reason = " ".join(str(error).split())
        kind = type(error).__name__
        raise ValueError(f"{key}: {node['_target_']} cannot be built: {kind}: {reason}") from error


def _locate(target: str, key: str) -> Any:
    try:
        return get_object(target)
    except Exception as error:  # importing a user's module may raise anything
        raise ValueError(f"{key}._target_={target}: {error}") from error


def _with_key(message: str, key: str, node: dict[str, Any]) -> str:
    """`hidden_size=0: ...` becomes `model.hidden_size=0: ...`; others say where they arose."""
    name = re.match(r"(\w+)(=|\[)", message)
    if name and name[1] in node:
        return f"{key}.{message}"
    return message if message.startswith(f"{key.partition('.')[0]}.") else f"{key}: {message}"
