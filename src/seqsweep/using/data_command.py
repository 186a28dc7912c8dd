"""The command `seqsweep data info`, which describes data. Imports no torch."""

import json
from collections.abc import Sequence

from seqsweep.arguments import Parser
from seqsweep.console import PlainConsole, say
from seqsweep.data.info import describe
from seqsweep.suggest import nearest_or_all
from seqsweep.using.data_proposal import propose, too_small
from seqsweep.using.data_source import choose, train_command
from seqsweep.using.info_view import print_info

_USAGE = """\
usage: seqsweep data info SOURCE [KEY=VALUE ...]

Describes data: sizes, channels, classes, duplicates. SOURCE is a file (.npz, .ts, .csv, .parquet),
the name of bundled data such as digits, or aeon:NAME. KEY=VALUE is a key of the source or of
`data`, such as layout=time_first. `seqsweep data info --help` lists the options.
"""


def data(arguments: Sequence[str]) -> int:
    """Runs `seqsweep data info`. Returns the exit code."""
    command = arguments[0] if arguments else "--help"
    if command in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0
    if command != "info":
        raise ValueError(f"no command 'data {command}'{nearest_or_all(command, ['info'])}")
    return _info(arguments[1:])


def _info(arguments: Sequence[str]) -> int:
    parser = Parser("data info", "Describes data, and names the command that trains on them.")
    parser.add_argument("source", metavar="SOURCE", help="a file, a name or aeon:NAME")
    words = "a key of the source or of `data`, such as layout=time_first"
    parser.add_argument("options", nargs="*", default=[], metavar="KEY=VALUE", help=words)
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    options = parser.parse(_flags_first(arguments))
    chosen = choose(options.source, options.options)
    splits = chosen.read()
    info = describe(splits)
    proposal = propose(chosen, splits, info)
    notes = [*too_small(chosen, splits, info, proposal.overrides), *proposal.notes]
    command = train_command(proposal.overrides)
    if options.json:
        content = {"source": options.source, **info.plain(), "notes": notes}
        say(json.dumps({**content, "problem": proposal.problem, "command": command}, indent=2))
        return 0
    print_info(options.source, info, notes, PlainConsole())
    if proposal.problem is not None:
        say(f"no run can train on these data: {proposal.problem}")
    else:
        say(f"\n{command}")
    return 0


def _flags_first(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with options in front, as argparse expects them."""
    return sorted(arguments, key=lambda word: not word.startswith("-"))
