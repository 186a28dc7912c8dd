"""The command `seqsweep data info`: describes data, and proposes a command for them.

Imports no torch.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsweep.arguments import Parser, add_json
from seqsweep.command import quoted_value
from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import compose
from seqsweep.config.schema import Config
from seqsweep.console import PlainConsole, print_json, say
from seqsweep.data.files import ENDINGS, config_of, existing_file
from seqsweep.data.info import Info, describe
from seqsweep.data.sequences import Splits
from seqsweep.suggest import did_you_mean, listed, nearest_or_all
from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import data_of, translate_memory_errors
from seqsweep.using.info_view import print_info

_USAGE = """\
usage: seqsweep data info SOURCE [KEY=VALUE ...]

Describes data: sizes, channels, classes, duplicates. SOURCE is a file (.npz, .ts, .csv, .tsv,
.txt, .parquet), the name of bundled data such as digits, or aeon:NAME. KEY=VALUE is a key of the
source or of `data`, such as layout=time_first. `seqsweep data info --help` lists the options.
"""

_ARCHIVE = "aeon:"


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
    add_json(parser)
    options = parser.parse(arguments, intermixed=True)
    given = list(map(_override, options.options))
    overrides = [*_overrides_for(options.source), *given]
    if any(word.startswith("data=") for word in given):
        del overrides[0]  # another option of `data` than that of the file's ending
    config = compose(overrides)["data"]
    with translate_memory_errors():
        splits = data_of(config).source
    info = describe(splits)
    proposed, notes_of_run, problem = _propose(overrides, config, splits, info)
    notes = [*_too_small(config, splits, info, proposed), *notes_of_run]
    command = " ".join(["seqsweep", "train", *map(shlex.quote, proposed)])
    if options.json:
        content = {"source": options.source, **vars(info), "notes": notes}
        print_json({**content, "problem": problem, "command": command})
        return 0
    print_info(options.source, info, notes, PlainConsole())
    if problem is not None:
        say(f"no run can train on these data: {problem}")
    else:
        say(f"\n{command}")
    return 0


def _overrides_for(source: str) -> list[str]:
    """Returns the overrides that name a source.

    Raises:
        ValueError, FileNotFoundError: nothing has this name.
    """
    if source.startswith(_ARCHIVE):
        return ["data=aeon", f"data.source.name={quoted_value(source.removeprefix(_ARCHIVE))}"]
    path = Path(source).expanduser()
    if not path.exists() and source in _bundled():
        return [f"data={source}"]
    if group := config_of(source):
        existing_file(source)
        return [f"data={group}", f"data.source.path={quoted_value(source)}"]
    if path.is_file():
        raise ValueError(f"{source}: unknown ending; expected {listed(ENDINGS)}")
    hint = did_you_mean(source, _bundled())
    if hint and not path.suffix:
        hint += f" A file is given with its ending, as in {source}.csv"
        raise ValueError(f"{source}: is neither a file nor the name of bundled data{hint}")
    existing_file(source)
    raise ValueError(f"{source}: is not a regular file")


def _bundled() -> list[str]:
    """Returns the options of `data` that need no file."""
    names = (path.stem for path in (CONF_DIR / "data").glob("[!_]*.yaml"))
    return sorted(set(names) - {"aeon", "csv", "npz", "parquet", "text", "ts"})


def _override(option: str) -> str:
    """Returns the override of an option, whose key may leave out `data.source.`."""
    key, equals, value = option.partition("=")
    if not equals or not key:
        raise ValueError(f"{option}: must be KEY=VALUE, as in layout=time_first")
    if key == "data" or key.startswith("data."):
        return option
    lines = (CONF_DIR / "data" / "_loading.yaml").read_text(encoding="utf-8").splitlines()
    # The keys that all options of `data` share, such as `missing`.
    shared = {line.partition(":")[0] for line in lines if re.match(r"[a-z]\w*:", line)}
    section = "data" if key in shared else "data.source"
    return f"{section}.{key}={value}"


def _propose(
    overrides: list[str], config: Config, splits: Splits, info: Info
) -> tuple[list[str], tuple[str, ...], str | None]:
    """Returns the overrides that read a data set, and as few others as it needs.

    Returns too what a run would say of the data, and why even this run cannot train, if so.

    Args:
        config: the checked section `data`.
    """
    problem = None
    for added in _candidates(config, splits, info):
        proposed = [*overrides, *added]
        try:
            return proposed, plan(compose(proposed)).notes, None
        except (ValueError, TypeError) as error:
            problem = str(error)
    return overrides, splits.notes, problem


def _candidates(config: Config, splits: Splits, info: Info) -> Iterator[list[str]]:
    """Yields the overrides to try, the first that works being the answer."""
    others = _for_its_size(config, splits, info)
    if config["missing"] != "error" or not any(of.missing for of in info.channels):
        yield others
        return
    # A channel without a value in train has no mean.
    for missing in ("mean", "zero"):
        yield [f"data.missing={missing}", *others]


def _for_its_size(config: Config, splits: Splits, info: Info) -> list[str]:
    """Returns the overrides for data with few sequences."""
    given = len(splits.train)
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
    return overrides


def _too_small(config: Config, splits: Splits, info: Info, overrides: Sequence[str]) -> list[str]:
    """Returns a line on classes that are too small for every cut."""
    cuts = [
        split
        for split in ("val", "test")
        if split not in splits.parts
        and config[f"{split}_fraction"]
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
