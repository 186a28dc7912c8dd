"""Hides the subcommand from Hydra's parser, and returns commands to type again."""

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PLAIN = re.compile(r"(\.{0,2}/|[A-Za-z_])[\w./-]*", re.ASCII)
"""The texts that Hydra reads as text without quotes."""


@dataclass
class Command:
    """A command that Hydra runs, and what its runs leave for its end.

    Hydra's `main` returns nothing, so its task, launchers and sweepers fill the last three.

    Attributes:
        name: the subcommand: `train`, or `plan`, which only prints what a sweep would train.
        options: the given options that Hydra does not know, without `--`.
        error: the error of a single run. Hydra would first print an extra line if it were raised.
        answer: describes for `--json` what the command trains; None before its config is accepted.
        swept: the folder in which another sweeper of Hydra has trained runs, to print at the end.
    """

    name: str = "train"
    options: Sequence[str] = ()
    error: Exception | None = None
    answer: Callable[[], Mapping[str, Any]] | None = None
    swept: Path | None = None

    @contextlib.contextmanager
    def running(self, arguments: Sequence[str], program: str | None = None) -> Generator[None]:
        """Makes this the current command in the block, with the arguments in sys.argv for Hydra.

        Args:
            program: the program that a person would type, instead of the one that runs.
        """
        before = sys.argv
        sys.argv = [program or before[0], *arguments]
        _running.append(self)
        try:
            yield
        finally:
            _running.pop()
            sys.argv = before


_running: list[Command] = []
"""The commands that run, the current one last."""


def current() -> Command:
    """Returns the command that runs; in another process of a launcher, one with no options."""
    return _running[-1] if _running else Command()


def restore_subcommand() -> None:
    """Puts the subcommand back into sys.argv, from which Lightning's ddp starts processes."""
    if _running and sys.argv[1:2] != [current().name]:
        sys.argv.insert(1, current().name)


def command_line() -> list[str]:
    """Returns the command as a person would type it again."""
    name = Path(sys.argv[0]).name
    return [*(["python", "-m", "seqsweep"] if name == "__main__.py" else [name]), *sys.argv[1:]]


def how_to_sweep() -> str:
    """Returns a hint: the command with `-m`, or the function `sweep` for a Python program."""
    if not _running:
        return "seqsweep.sweep trains it"
    restore_subcommand()
    program, rest = command_line(), sys.argv[2:]
    return f"add -m: {shlex.join([*program[: len(program) - len(rest)], '-m', *rest])}"


def with_options(options: Mapping[str, Any]) -> str:
    """Returns a hint: the command with these options of the data source.

    If a Python program calls this, or the command has no data source, the hint has only the
    options.
    """
    restore_subcommand()
    is_seqsweep = Path(sys.argv[0]).name in ("seqsweep", "__main__.py")
    command = sys.argv[1] if is_seqsweep and sys.argv[1:] else ""
    has_prefix = command not in ("data", "predict", "evaluate")
    is_known = command in ("train", "plan", "explain") or not has_prefix
    words = [*command_line(), *(f"--{name}" for name in current().options)] if is_known else []
    for key, value in options.items():
        name = f"data.source.{key}" if has_prefix and key != "data" else key
        words = [word for word in words if not word.startswith(f"{name}=")]
        words.append(f"{name}={quoted_value(value)}")
    return f"{'did you mean:' if is_known else 'set'} {shlex.join(words)}"


def quoted_value(value: Any) -> str:
    """Returns a value in the grammar of Hydra's overrides."""
    if hasattr(value, "item"):  # a number of NumPy
        value = value.item()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(quoted_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{quoted_value(each)}' for name, each in value.items())}}}"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in ("null", "true", "false", "nan", "inf"):
        return text
    # Quotes and interpolations are escaped. Backslashes before them, or at the end, are doubled.
    escaped = re.sub(r'(\\*)("|\$\{)', r"\1\1\\\2", text)
    ended = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{ended}"'


def is_first_process() -> bool:
    """Returns whether this process prints the output of its run.

    Under ddp several processes train one run, and only the first one prints.
    """
    return os.environ.get("LOCAL_RANK", "0") == "0"
