"""The command line of `seqsweep train`: Hydra's own parser must not see the word `train`."""

import sys
from pathlib import Path


def hide_subcommand(arguments: list[str]) -> None:
    """What Hydra parses: the program and the arguments after `train`."""
    sys.argv = [sys.argv[0], *arguments]


def restore_subcommand() -> None:
    """For whoever starts the program again from `sys.argv`, as Lightning's ddp does."""
    if sys.argv[1:2] != ["train"]:
        sys.argv.insert(1, "train")


def command_line() -> list[str]:
    """The command, as a person would give it again."""
    name = Path(sys.argv[0]).name
    return [*(["python", "-m", "seqsweep"] if name == "__main__.py" else [name]), *sys.argv[1:]]
