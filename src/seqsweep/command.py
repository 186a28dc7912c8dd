"""Hides the subcommand and its options from Hydra, whose parser does not know them."""

import os
import shlex
import sys
from pathlib import Path

_hidden: list[str] = []
_options: dict[str, str] = {}


def hide_subcommand(name: str, arguments: list[str], **options: str) -> None:
    """Sets sys.argv to what Hydra parses: the program and the arguments of the subcommand."""
    _hidden[:] = [name]
    _options.clear()
    _options.update(options)
    sys.argv = [sys.argv[0], *arguments]


def subcommand() -> str:
    """Returns the subcommand that `hide_subcommand` hid last, or `train`."""
    return _hidden[0] if _hidden else "train"


def option(name: str, default: str) -> str:
    """Returns an option of the subcommand that `hide_subcommand` hid, or the default."""
    return _options.get(name, default)


def restore_subcommand() -> None:
    """Puts the subcommand back into sys.argv, from which Lightning's ddp starts processes."""
    if sys.argv[1:2] != [subcommand()]:
        sys.argv.insert(1, subcommand())


def command_line() -> list[str]:
    """Returns the command as a person would type it again."""
    name = Path(sys.argv[0]).name
    return [*(["python", "-m", "seqsweep"] if name == "__main__.py" else [name]), *sys.argv[1:]]


def as_multirun() -> str:
    """Returns the command with `-m`, as a person would type it."""
    restore_subcommand()
    program, rest = command_line(), sys.argv[2:]
    return shlex.join([*program[: len(program) - len(rest)], "-m", *rest])


def is_first_process() -> bool:
    """Returns whether this process prints for its run; the other processes of ddp do not."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
