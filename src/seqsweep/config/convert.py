"""Converts config values to annotated types, and checks the arguments of the Trainer."""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

from seqsweep.config.messages import REFUSED, no_such_key
from seqsweep.config.signatures import signature_of
from seqsweep.text import did_you_mean


def convert(value: Any, annotation: Any, key: str) -> Any:
    """Returns the value as the type of an annotation; refuses a value of another type.

    The conversion makes lr=1, lr=1.0 and lr=1e0 the same config. A tuple becomes a list.

    Args:
        value: a plain value of a config: None, bool, int, float, str, list or dict.
        annotation: int, float, bool, str, None, Literal, list, tuple, dict, TypedDict, a dataclass,
            or a union of these. With any other type the value stays unchanged: the constructor
            checks it.
        key: the dotted key of the value, for messages.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return _union(value, annotation, key)
    if origin is Literal:
        return _literal(value, arguments, key)
    if annotation in (list, tuple) or origin in (list, tuple):
        return _sequence(value, arguments, origin is tuple or annotation is tuple, key)
    if typing.is_typeddict(annotation) or dataclasses.is_dataclass(annotation):
        return _group(value, annotation, key)
    if annotation is None or annotation is type(None):
        return value if value is None else _refuse(key, value, "null")
    scalar = _SCALARS.get(origin or annotation)
    return value if scalar is None else scalar(value, key)


def _bool(value: Any, key: str) -> bool:
    return value if isinstance(value, bool) else _refuse(key, value, "true or false")


def _int(value: Any, key: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    # Python counts True as an integer, but `epochs=true` is a mistake.
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
        # YAML reads a bare 32 as a number, but the constructor may expect the text "32".
        if value == option or (isinstance(option, str) and str(value) == option):
            return option
    choices = [str(option) for option in allowed]
    hint = did_you_mean(str(value), choices)
    return _refuse(key, value, f"one of {', '.join(choices)}", hint)


def _group(value: Any, annotation: Any, key: str) -> dict[str, Any]:
    """Converts each key of a group; a dataclass needs all of its keys."""
    prefix, fields = f"{key}." if key else "", typing.get_type_hints(annotation)
    if not isinstance(value, dict):
        names = ", ".join(f"{prefix}{name}" for name in fields)
        return _refuse(key, value, f"a group of keys: {names}")
    refuse_unknown(value, fields, prefix)
    # A dataclass decides the order of its keys, and a TypedDict may lack some.
    names = fields if dataclasses.is_dataclass(annotation) else value
    for name in names:
        if name not in value:
            raise ValueError(f"{prefix}{name} is missing")
    return {name: convert(value[name], fields[name], f"{prefix}{name}") for name in names}


def refuse_unknown(given: Iterable[Any], known: Collection[str], prefix: str) -> None:
    """Raises a ValueError, with the nearest right name, for a name that is not known."""
    for name in given:
        if name not in known:
            raise ValueError(no_such_key(f"{prefix}{name}", known))


def _union(value: Any, annotation: Any, key: str) -> Any:
    options = typing.get_args(annotation)
    if value is None and type(None) in options:
        return None
    messages: list[str] = []
    hints: list[str] = []
    kinds = [option for option in options if option is not type(None)]
    # The value's own type is tried first, so that 1.0 stays a float in `int | float`.
    for kind in sorted(kinds, key=lambda kind: kind is not type(value)):
        try:
            return convert(value, kind, key)
        except ValueError as error:
            # An error in an item of a list or a key of a group already names its own place.
            is_inside = not str(error).startswith(f"{key}=")
            if is_inside and kinds == [kind]:
                raise
            # Only each kind's allowed values are kept, so that the message names the key once.
            allowed, semicolon, hint = str(error).split(": must be ", 1)[-1].partition(";")
            messages.append(allowed)
            hints.append(semicolon + hint)
    allowed = [*messages, "null"] if type(None) in options else messages
    return _refuse(key, value, " or ".join(allowed), "".join(hints))


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
    """Raises the ValueError of `convert`; writes null, true and false as in YAML."""
    is_word = value is None or isinstance(value, bool)
    text = {True: "true", False: "false", None: "null"}[value] if is_word else repr(value)
    raise ValueError(f"{key}={text}: must be {allowed}{hint}")


BUILD_TRAINER = "seqsweep.training.trainer.build_trainer"
_TRAINER = "lightning.pytorch.trainer.trainer.Trainer"
_NAMES = re.compile(r"(lightning(\.pytorch)?|pytorch_lightning)(\.trainer)*\.Trainer")


def with_our_target(section: Any) -> Any:
    """Returns the section `trainer` with Lightning's class replaced by `build_trainer`."""
    if isinstance(section, dict) and _NAMES.fullmatch(str(section.get("_target_"))):
        return section | {"_target_": BUILD_TRAINER}
    return section


def check_trainer_arguments(section: dict[str, Any]) -> dict[str, Any]:
    """Returns the section `trainer` without nulls and values that equal Lightning's defaults.

    A config that names these defaults then has the same run_id as a config without them. A section
    with a `_target_` of the user's own stays unchanged.

    Raises:
        ValueError: an argument is unknown, cannot be set, or has the wrong type.
    """
    if section["_target_"] != BUILD_TRAINER:
        return section
    ours, lightnings = signature_of(BUILD_TRAINER).parameters, signature_of(_TRAINER).parameters
    checked: dict[str, Any] = {}
    for name, value in section.items():
        if name in REFUSED:
            raise ValueError(f"trainer.{name}={value}: cannot be set; {REFUSED[name]}")
        if name in ("_target_", *ours):
            checked[name] = value
        elif name in lightnings:
            parameter = lightnings[name]
            # Null means Lightning's default, so it is dropped too.
            if value is not None and value != parameter.default:
                checked[name] = convert(value, parameter.annotation, f"trainer.{name}")
        else:
            refuse_unknown([name], (ours.keys() | lightnings.keys()) - REFUSED.keys(), "trainer.")
    return checked
