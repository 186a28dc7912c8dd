"""Refuses wrong options of a command, in one line that names the nearest right one."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from seqsweep.console import say_error
from seqsweep.suggest import nearest_or_all


class Parser(argparse.ArgumentParser):
    """argparse's parser, with one line for an error: what is wrong and what is right.

    Args:
        command: the word after `seqsweep`.
        text: what the command does, for its help.
        usage: in place of the usage that argparse makes from the options.
    """

    def __init__(self, command: str, text: str, usage: str | None = None) -> None:
        super().__init__(
            prog=f"seqsweep {command}", description=text, usage=usage, allow_abbrev=False
        )

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Returns the options; exits with code 2 where an argument is wrong."""
        options, unknown = self.parse_known_args(list(arguments))
        for word in unknown[:1]:
            if word.startswith("-"):
                name = word.partition("=")[0]
                hint = nearest_or_all(name, self._long_options()) or f"; {self._usage_line()}"
                self.error(f"{name}: no such option of {self.prog}{hint}")
            self.error(f"{word}: one argument too many; {self._usage_line()}")
        return options

    def error(self, message: str) -> NoReturn:
        missing = re.match(r"the following arguments are required: (.*)", message)
        named = re.match(r"argument ([^\s/]+)\S*: (.*)", message)
        if missing:
            message = f"{missing[1]} is missing; {self._usage_line()}"
        elif named:
            message = f"{named[1]}{'' if named[2].startswith('=') else ': '}{named[2]}"
        say_error(message)
        sys.exit(2)

    def _long_options(self) -> list[str]:
        names = [name for name in self._option_string_actions if name.startswith("--")]
        return [name for name in names if name != "--help"]  # near to every short name

    def _usage_line(self) -> str:
        return " ".join(self.format_usage().split())


def whole_number(least: int) -> Callable[[str], int]:
    """The type of an option whose value is a whole number of at least `least`."""

    def convert(text: str) -> Any:
        if not re.fullmatch(r"-?\d+", text):
            raise argparse.ArgumentTypeError(f"={text}: must be a whole number")
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"={text}: must be at least {least}")
        return int(text)

    return convert
