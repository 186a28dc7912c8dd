"""The command `seqsweep data info`: describes data, and proposes a command for them.

Imports no torch.
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seqsweep.arguments import Parser
from seqsweep.config.from_overrides import compose
from seqsweep.console import PlainConsole, say
from seqsweep.data.info import Info, describe
from seqsweep.data.sequences import Splits
from seqsweep.suggest import nearest_or_all
from seqsweep.training.planned_run import plan
from seqsweep.using.data_source import Chosen, choose, train_command
from seqsweep.using.info_view import print_info

_USAGE = """\
usage: seqsweep data info SOURCE [KEY=VALUE ...]

Describes data: sizes, channels, classes, duplicates. SOURCE is a file (.npz, .ts, .csv, .parquet),
the name of bundled data such as digits, or aeon:NAME. KEY=VALUE is a key of the source or of
`data`, such as layout=time_first. `seqsweep data info --help` lists the options.
"""


class Proposal(NamedTuple):
    """The overrides of a run on a data set.

    Attributes:
        notes: what a run would say of the data.
        problem: why even this run cannot train, or None.
    """

    overrides: list[str]
    notes: tuple[str, ...]
    problem: str | None


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


def propose(chosen: Chosen, splits: Splits, info: Info) -> Proposal:
    """Returns the overrides that read a data set, and as few others as it needs."""
    problem = None
    for added in _candidates(chosen, splits, info):
        overrides = [*chosen.overrides, *added]
        try:
            return Proposal(overrides, plan(compose(overrides)).notes, None)
        except (ValueError, TypeError) as error:
            problem = str(error)
    return Proposal(chosen.overrides, splits.notes, problem)


def _candidates(chosen: Chosen, splits: Splits, info: Info) -> Iterator[list[str]]:
    """Yields the overrides to try, the first that works being the answer."""
    others = _for_its_size(chosen, splits, info)
    if chosen.config["missing"] != "error" or not any(of.missing for of in info.channels):
        yield others
        return
    # A channel without a value in train has no mean.
    for missing in ("mean", "zero"):
        yield [f"data.missing={missing}", *others]


def _for_its_size(chosen: Chosen, splits: Splits, info: Info) -> list[str]:
    """Returns the overrides for data with few sequences."""
    config, given = chosen.config, len(splits.train)
    classes = sum(of.sequences["train"] > 0 for of in info.classes)
    left, overrides = given, list[str]()
    for split in ("test", "val"):
        if split in splits.parts or not config[f"{split}_fraction"]:
            continue
        size = round(config[f"{split}_fraction"] * given)
        # A cut takes a sequence or more, and leaves one of each class.
        if 1 <= size <= left - classes:
            left -= size
        else:
            overrides.append(f"data.{split}_fraction=0")
    return [*overrides, *([f"data.batch_size={left}"] if config["batch_size"] > left else [])]


def too_small(chosen: Chosen, splits: Splits, info: Info, overrides: Sequence[str]) -> list[str]:
    """Returns a line on classes that are too small for every cut."""
    cuts = [
        split
        for split in ("val", "test")
        if split not in splits.parts
        and chosen.config[f"{split}_fraction"]
        and f"data.{split}_fraction=0" not in overrides
    ]
    least = 1 + len(cuts)
    few = [of for of in info.classes if of.sequences["train"] < least]
    if not cuts or not few:
        return []
    names = ", ".join(f"{of.name!r} ({of.sequences['train']})" for of in few[:10])
    more = f" and {len(few) - 10} more" if len(few) > 10 else ""
    return [
        f"too few sequences to be in train, {' and '.join(cuts)} ({least} needed): {names}{more}"
    ]
