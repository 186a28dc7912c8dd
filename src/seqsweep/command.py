"""The command line of `seqsweep train` and `plan`: Hydra's own parser must not see that word."""

import os
import shlex
import sys
from pathlib import Path

_hidden: list[str] = []
_options: dict[str, str] = {}


def hide_subcommand(name: str, arguments: list[str], **options: str) -> None:
    """What Hydra parses: the program and the arguments after the subcommand and its options."""
    _hidden[:] = [name]
    _options.clear()
    _options.update(options)
    sys.argv = [sys.argv[0], *arguments]


def subcommand() -> str:
    """`train`, or what `hide_subcommand` has hidden last."""
    return _hidden[0] if _hidden else "train"


def option(name: str, default: str) -> str:
    """An option of the subcommand that `hide_subcommand` has hidden."""
    return _options.get(name, default)


def restore_subcommand() -> None:
    """For whoever starts the program again from `sys.argv`, as Lightning's ddp does."""
    if sys.argv[1:2] != [subcommand()]:
        sys.argv.insert(1, subcommand())


def command_line() -> list[str]:
    """The command, as a person would give it again."""
    name = Path(sys.argv[0]).name
    return [*(["python", "-m", "seqsweep"] if name == "__main__.py" else [name]), *sys.argv[1:]]


def as_multirun() -> str:
    """The command with `-m`, as a person would give it."""
    restore_subcommand()
    program, rest = command_line(), sys.argv[2:]
    return shlex.join([*program[: len(program) - len(rest)], "-m", *rest])


def is_first_process() -> bool:
    """Returns whether this process prints for its run: the other processes of ddp do not."""
    return os.environ.get("LOCAL_RANK", "0") == "0"
