"""Parses the options of a command, and suggests corrections for wrong ones."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from seqsweep.console import say_error
from seqsweep.text import did_you_mean


class Parser(argparse.ArgumentParser):
    """A parser that prints each error as one line, with a suggestion.

    Args:
        usage: replaces the usage that argparse makes from the options.
    """

    def __init__(self, command: str, text: str, usage: str | None = None) -> None:
        super().__init__(
            prog=f"seqsweep {command}", description=text, usage=usage, allow_abbrev=False
        )

    def parse(self, arguments: Sequence[str], intermixed: bool = False) -> argparse.Namespace:
        """Returns the options, or exits with code 2. `intermixed` options stand anywhere."""
        parse = self.parse_known_intermixed_args if intermixed else self.parse_known_args
        options, unknown = parse(list(arguments))
        for word in unknown[:1]:
            if word.startswith("-"):
                name = word.partition("=")[0]
                # `--help` resembles every short name, so it would often be suggested by mistake.
                known = [each for each in self._option_string_actions if each.startswith("--")]
                known.remove("--help")
                hint = did_you_mean(name, known) or f"; {self._usage_line()}"
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

    def _usage_line(self) -> str:
        return " ".join(self.format_usage().split())


def whole_number(least: int, most: int = 2**63 - 1) -> Callable[[str], int]:
    """Returns a function for argparse that reads whole numbers from `least` to `most`."""

    def convert(text: str) -> Any:
        if not re.fullmatch(r"-?\d+", text):
            raise argparse.ArgumentTypeError(f"={text}: must be a whole number")
        # Python refuses to read a number of thousands of digits.
        number = int(text) if len(text) <= 20 else most + 1
        if not least <= number <= most:
            limit = f"least {least}" if number < least else f"most {most}"
            raise argparse.ArgumentTypeError(f"={text}: must be at {limit}")
        return number

    return convert


def folder_parser(
    command: str, text: str, words: str = "a sweep's folder, or any folder of runs"
) -> Parser:
    """Returns the parser of a command whose first argument is a folder."""
    parser = Parser(command, text)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help=words)
    return parser


def add_use_of_run(parser: Parser, needs_data: bool = True) -> None:
    """Adds the arguments of a command that uses a trained run."""
    words = "a run's folder, a sweep's (its best run by validation), a checkpoint or a bundle"
    parser.add_argument("run", type=Path, metavar="RUN", help=words)
    words = "a file of sequences: .npz, .ts, .csv, .tsv, .txt, .parquet, or aeon:NAME"
    count = None if needs_data else "?"
    parser.add_argument("data", metavar="DATA", nargs=count, help=words)
    words = "options to read DATA, such as layout=channels_first"
    parser.add_argument("options", nargs="*", default=[], metavar="KEY=VALUE", help=words)
    words = "which split of DATA (its only one, or test)"
    parser.add_argument("--split", metavar="NAME", help=words)
    words = "best or last: which weights of the run (best)"
    parser.add_argument("--checkpoint", metavar="NAME", help=words)
    words = "sequences that are computed at once (512)"
    number = whole_number(1)
    parser.add_argument("--batch-size", type=number, default=512, metavar="N", help=words)
    add_allow(parser)


def add_ensemble(parser: Parser) -> None:
    """Adds the options `--ensemble` and `--config` of commands that classify."""
    words = "classify by the mean of the probabilities of a config's runs with different seeds"
    parser.add_argument("--ensemble", action="store_true", help=words)
    words = "the rank of that config on the leaderboard (1)"
    parser.add_argument("--config", type=whole_number(1), metavar="RANK", help=words)


def add_allow(parser: Parser) -> None:
    """Adds the option `--allow` of commands that build a saved config."""
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="TARGET",
        help="a class of your own that a saved config may build, such as my_package.Net",
    )


def add_out(parser: Parser, ending: str, words: str, required: bool = False) -> None:
    """Adds the option `--out FILE`.

    Args:
        ending: the ending that the file must have, such as `.html`; empty for any.
    """
    given: list[Path] = []

    def convert(text: str) -> Path:
        if given:
            raise argparse.ArgumentTypeError(f"={text}: must be given once")
        given.append(Path(text))
        try:
            check_output(given[0], ending)
        except (OSError, ValueError) as error:
            raise argparse.ArgumentTypeError(f"={error}") from None
        return given[0]

    metavar = f"FILE{ending}"
    parser.add_argument("--out", type=convert, required=required, metavar=metavar, help=words)


def check_output(path: Path, ending: str = "") -> None:
    """Refuses the path of a file that cannot be written.

    Raises:
        ValueError: the path is a folder, or has another ending.
        OSError: its folder does not exist, or cannot be written.
    """
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; expected a file such as {path / f'NAME{ending}'}")
    if ending and path.suffix.lower() != ending:
        raise ValueError(f"{path}: must end with {ending}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent} (in {Path.cwd()})")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path}: the folder {path.parent} cannot be written")


def add_json(parser: Parser) -> None:
    """Adds the option `--json`; docs/schema.json describes the JSON."""
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def add_by(parser: Parser) -> None:
    """Adds the option `--by`; `results.by` compares the values of the key."""
    words = "also compare the values of this key in pairs, all else equal"
    parser.add_argument("--by", default="", metavar="KEY", help=words)
