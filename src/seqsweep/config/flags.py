"""Sorts Hydra's flags and overrides, and refuses wrong flags."""

from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from seqsweep.suggest import nearest_or_all

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
        own: the options of the command itself, for messages.

    Raises:
        ValueError: an unknown flag, a flag without its value, an override without a key.
    """
    parser = get_args_parser()
    known = parser._option_string_actions  # pyright: ignore[reportPrivateUsage]
    for word in arguments:
        name = word.partition("=")[0]
        if not name.lstrip("+~"):
            raise ValueError(f"{word!r}: must be KEY=VALUE")
        if name.startswith("-") and name not in known:
            names = [option for option in (*known, *own) if option.startswith("--")]
            hint = nearest_or_all(name, set(names) - set(_REFUSED))
            raise ValueError(f"{name}: no such option of seqsweep {command}{hint}")
        # A flag may have a short form, which is refused as well.
        forms = known[name].option_strings if name in known else [name.lstrip("+")]
        for refused in _REFUSED.keys() & set(forms):
            raise ValueError(f"{name}: {_REFUSED[refused]}")
    parser.error = _refuse
    overrides: list[str] = parser.parse_intermixed_args(list(arguments)).overrides
    flags = list(arguments)
    for override in overrides:
        flags.remove(override)
    return [*flags, *overrides]


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)


def takes_value(flag: str) -> bool | None:
    """Returns whether a flag needs a value; None for other words."""
    option = get_args_parser()._option_string_actions.get(flag)  # pyright: ignore[reportPrivateUsage]
    if option is None:
        return False if flag in (*OWN, "--json") else None
    return option.nargs is None
