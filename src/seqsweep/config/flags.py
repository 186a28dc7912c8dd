"""Sorts Hydra's flags and overrides, and refuses wrong flags."""

import argparse
from collections import deque
from collections.abc import Sequence

from hydra._internal.utils import get_args_parser

from seqsweep.suggest import did_you_mean, nearest_or_all

OWN = ("--plan-only", "--detach", "--start", "--yes")
"""Options that `seqsweep train` takes from a command line before Hydra."""

_REFUSED = {
    "--experimental-rerun": "loads a pickle, which runs its code; not supported",
    "hydra.verbose": "has no effect; HYDRA_FULL_ERROR=1 shows the traceback of an error",
    "--config-path": "the folder of the configs is fixed; --config-dir FOLDER adds one of your own",
}


def flags_first(arguments: Sequence[str], command: str, own: Sequence[str] = ()) -> list[str]:
    """Returns arguments with the flags first, as Hydra needs them.

    Hydra uses argparse, which expects all overrides in a row: in `data=digits -m seed=0,1` it does
    not accept the second one.

    Args:
        arguments: the words of the command line after the command.
        command: the word after `seqsweep`, for messages.
        own: the options of the command itself, for messages.

    Raises:
        ValueError: an unknown flag, a flag without its value, an override without a key.
    """
    known = get_args_parser()._option_string_actions  # pyright: ignore[reportPrivateUsage]
    flags: list[str] = []
    overrides: list[str] = []
    rest = deque(arguments)
    while rest:
        word = rest.popleft()
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            if not name.lstrip("+~"):
                raise ValueError(f"{word!r}: must be KEY=VALUE")
            if name.lstrip("+") in _REFUSED:
                raise ValueError(f"{word}: {_REFUSED[name.lstrip('+')]}")
            overrides.append(word)
            continue
        if name not in known:
            names = [option for option in (*known, *own) if option.startswith("--")]
            hint = nearest_or_all(name, set(names) - set(_REFUSED))
            raise ValueError(f"{name}: no such option of seqsweep {command}{hint}")
        flags += _with_value(name, value if equals else None, known[name], rest)
    return [*flags, *overrides]


def takes_value(flag: str) -> bool | None:
    """Returns whether a flag needs a value; None for other words."""
    option = get_args_parser()._option_string_actions.get(flag)  # pyright: ignore[reportPrivateUsage]
    if option is None:
        return False if flag in (*OWN, "--json") else None
    return option.nargs is None


def _with_value(
    name: str, value: str | None, option: argparse.Action, rest: deque[str]
) -> list[str]:
    """Returns the flag with its value, perhaps the next of `rest`."""
    # A flag may have a short form, which is refused as well.
    for refused in _REFUSED.keys() & set(option.option_strings):
        raise ValueError(f"{name}: {_REFUSED[refused]}")
    if option.nargs == 0:
        if value is not None:
            raise ValueError(f"{name}={value}: {name} takes no value")
        return [name]
    choices = list(option.choices or ())
    # An optional value is taken only if it is one of the choices: the next word may be an override.
    is_next = bool(rest) and (option.nargs is None or rest[0] in choices)
    if value is None and is_next:
        value = rest.popleft()
    if value is None:
        if option.nargs == "?":
            return [name]
        allowed = f"one of {', '.join(choices)}" if choices else "a value"
        raise ValueError(f"{name}: needs {allowed}")
    if choices and value not in choices:
        hint = did_you_mean(value, choices)
        raise ValueError(f"{name}={value}: must be one of {', '.join(choices)}{hint}")
    return [name, value]
