"""The command `seqsweep data`, which describes and converts data. Imports no torch."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from seqsweep.arguments import Parser
from seqsweep.console import PlainConsole, print_notes, say
from seqsweep.data.convert import check_target, convert
from seqsweep.data.convert_stream import convert_stream
from seqsweep.data.folder_files import Meta
from seqsweep.data.info import describe
from seqsweep.data.streams import STREAMS
from seqsweep.suggest import nearest_or_all
from seqsweep.using.data_proposal import propose, too_small
from seqsweep.using.data_source import Chosen, choose, overrides_for, train_command
from seqsweep.using.info_view import print_info

_USAGE = """\
usage: seqsweep data COMMAND ...

  info SOURCE [KEY=VALUE ...]         describe data: sizes, channels, classes, duplicates
  convert SOURCE OUT [KEY=VALUE ...]  write a folder that a run reads in bounded memory

SOURCE is a file (.npz, .ts, .csv, .parquet), a folder that convert has written, the name of
bundled data such as digits, or aeon:NAME. KEY=VALUE is a key of the source or of `data`, such as
layout=time_first. `seqsweep data info --help` lists the options.
"""
_KEYS = "a key of the source or of `data`, such as layout=time_first"


def data(arguments: Sequence[str]) -> int:
    """Runs `seqsweep data info` or `seqsweep data convert`. Returns the exit code."""
    command = arguments[0] if arguments else "--help"
    if command in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0
    commands = {"info": _info, "convert": _convert}
    if command not in commands:
        raise ValueError(f"no command 'data {command}'{nearest_or_all(command, commands)}")
    return commands[command](arguments[1:])


def _info(arguments: Sequence[str]) -> int:
    parser = Parser("data info", "Describes data, and names the command that trains on them.")
    parser.add_argument("source", metavar="SOURCE", help="a file, a folder, a name or aeon:NAME")
    parser.add_argument("options", nargs="*", default=[], metavar="KEY=VALUE", help=_KEYS)
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


def _convert(arguments: Sequence[str]) -> int:
    parser = Parser("data convert", "Writes data into a folder for `data=folder`.")
    parser.add_argument("source", metavar="SOURCE", help="a file, a folder, a name or aeon:NAME")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to write")
    parser.add_argument("options", nargs="*", default=[], metavar="KEY=VALUE", help=_KEYS)
    parser.add_argument("--replace", action="store_true", help="write an existing folder again")
    options = parser.parse(_flags_first(arguments))
    out: Path = options.out.expanduser()
    # Checked before the data are read, which may take long.
    check_target(out, options.replace)
    chosen = choose(options.source, options.options)
    meta, notes = _write(chosen, out, options.replace)
    print_notes(notes, PlainConsole())
    sizes = ", ".join(f"{name} {split.sequences:,}" for name, split in meta.splits.items())
    say(f"{out}: {sizes} sequences, {meta.written[0]:,} bytes of values")
    say(train_command(overrides_for(str(options.out))))
    return 0


def _write(chosen: Chosen, out: Path, replace: bool) -> tuple[Meta, tuple[str, ...]]:
    """Writes the folder. Returns its description, and the notes on the data."""
    arguments = dict(chosen.config["source"])
    opened = STREAMS.get(arguments.pop("_target_"))
    if opened is None:
        splits = chosen.read()
        return convert(splits, out, replace), splits.notes
    # The scratch files may be as large as the data, so they are not in a folder in memory.
    parent = out.absolute().parent
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=parent) as scratch:
        stream = opened(Path(scratch), **arguments)
        return convert_stream(stream, out, replace), stream.notes


def _flags_first(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with options in front, as argparse expects them."""
    return sorted(arguments, key=lambda word: not word.startswith("-"))
