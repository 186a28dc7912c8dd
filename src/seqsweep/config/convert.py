"""A plain value made to fit an annotation, or one clear message."""

import math
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal

from seqsweep.suggest import did_you_mean


def convert(value: Any, annotation: Any, key: str) -> Any:
    """`value` as the type that `annotation` names: so lr=1, 1.0 and 1e0 are one value.

    Args:
        value: a plain value out of a config: None, bool, int, float, str, list or dict.
        annotation: int, float, bool, str, Literal, list, tuple, dict, a union of these, or Any.
            Every other type passes a value unchanged: its constructor judges it.
        key: the dotted place in the config, for the message.

    Raises:
        ValueError: the value does not fit; names the key, the value and what is allowed.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return _union(value, annotation, key)
    if origin is Literal:
        return _literal(value, arguments, key)
    if annotation in (list, tuple) or origin in (list, tuple):
        return _sequence(value, arguments, origin is tuple or annotation is tuple, key)
    if annotation is None or annotation is type(None):
        return value if value is None else _refuse(key, value, "null")
    scalar = _SCALARS.get(origin or annotation)
    return value if scalar is None else scalar(value, key)


def _bool(value: Any, key: str) -> bool:
    return value if isinstance(value, bool) else _refuse(key, value, "true or false")


def _int(value: Any, key: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return _refuse(key, value, "a whole number")
    return value


def _float(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _refuse(key, value, "a number")
    return float(value) if math.isfinite(value) else _refuse(key, value, "a finite number")


def _str(value: Any, key: str) -> str:
    if isinstance(value, (bool, list, dict)) or value is None:
        return _refuse(key, value, "text")
    return str(value)


def _dict(value: Any, key: str) -> dict[Any, Any]:
    return value if isinstance(value, dict) else _refuse(key, value, "a group of keys")


_SCALARS = {bool: _bool, int: _int, float: _float, str: _str, dict: _dict}


def _literal(value: Any, allowed: Sequence[Any], key: str) -> Any:
    for option in allowed:
        # 32 for "32": YAML reads a bare number where the constructor names a text
        if value == option or (isinstance(option, str) and str(value) == option):
            return option
    choices = [str(option) for option in allowed]
    hint = did_you_mean(str(value), choices)
    return _refuse(key, value, f"one of {', '.join(choices)}", hint)


def _union(value: Any, annotation: Any, key: str) -> Any:
    options = typing.get_args(annotation)
    if value is None and type(None) in options:
        return None
    messages: list[str] = []
    # Its own type first: 1.0 of `int | float` stays the float that it is.
    for option in sorted(options, key=lambda option: option is not type(value)):
        if option is not type(None):
            try:
                return convert(value, option, key)
            except ValueError as error:
                messages.append(str(error).split(": must be ", 1)[-1])
    allowed = [*messages, "null"] if type(None) in options else messages
    return _refuse(key, value, " or ".join(allowed))


def _sequence(value: Any, arguments: Sequence[Any], is_tuple: bool, key: str) -> Any:
    if not isinstance(value, (list, tuple)):
        return _refuse(key, value, "a list")
    values = typing.cast("Sequence[Any]", value)
    if is_tuple and arguments and Ellipsis not in arguments:
        if len(values) != len(arguments):
            return _refuse(key, value, f"a list of {len(arguments)} values")
        kinds = list(arguments)
    else:
        kinds = [arguments[0] if arguments else Any] * len(values)
    return [
        convert(item, kind, f"{key}[{index}]")
        for index, (item, kind) in enumerate(zip(values, kinds, strict=True))
    ]


def _refuse(key: str, value: Any, allowed: str, hint: str = "") -> Any:
    shown = {True: "true", False: "false", None: "null"}.get(value) if _is_word(value) else None
    raise ValueError(f"{key}={shown or repr(value)}: must be {allowed}{hint}")


def _is_word(value: Any) -> bool:
    return value is None or isinstance(value, bool)
