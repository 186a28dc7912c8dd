"""The command line of `seqsweep train` and `plan`: Hydra's own parser must not see that word."""

import sys
from pathlib import Path

_hidden: list[str] = []


def hide_subcommand(name: str, arguments: list[str]) -> None:
    """What Hydra parses: the program and the arguments after the subcommand."""
    _hidden[:] = [name]
    sys.argv = [sys.argv[0], *arguments]


def subcommand() -> str:
    """`train`, or what `hide_subcommand` has hidden last."""
    return _hidden[0] if _hidden else "train"


def restore_subcommand() -> None:
    """For whoever starts the program again from `sys.argv`, as Lightning's ddp does."""
    if sys.argv[1:2] != [subcommand()]:
        sys.argv.insert(1, subcommand())


def command_line() -> list[str]:
    """The command, as a person would give it again."""
    name = Path(sys.argv[0]).name
    return [*(["python", "-m", "seqsweep"] if name == "__main__.py" else [name]), *sys.argv[1:]]
