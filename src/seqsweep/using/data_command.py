"""The command `data`: describes data, and proposes a command. Imports no torch."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.arguments import Parser, add_json
from seqsweep.command import quoted_value
from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import compose
from seqsweep.console import PlainConsole, print_json, print_lines, print_notes, say
from seqsweep.data.files import ARCHIVE, config_of, existing_file, source_of
from seqsweep.data.info import ChannelInfo, Info, describe
from seqsweep.terminal_table import print_table
from seqsweep.text import count, did_you_mean, nearest_or_all
from seqsweep.training.proposed_run import propose
from seqsweep.training.run_data import translate_memory_errors
from seqsweep.using.data_doubts import doubts
from seqsweep.using.data_example import example

_MOST_ROWS = 20
"""The most channels or classes that are listed; --json lists all."""

_NAME = 20
"""The most characters of a name in a table."""


def data(arguments: Sequence[str]) -> int:
    """Runs `seqsweep data info` or `data example`. Returns the exit code."""
    command, *words = arguments or ["--help"]
    if command == "example":
        return example(words)
    if command in ("-h", "--help", "help"):
        words = ["--help"]
    elif command != "info":
        known = nearest_or_all(command, ["info", "example"])
        raise ValueError(f"no command 'data {command}'{known}")
    text = "Describes data: sizes, channels, classes, duplicates; proposes a command to train."
    parser = Parser("data info", text)
    text = "a file (.npz, .ts, .csv, .tsv, .txt, .parquet), a folder, digits or aeon:NAME"
    parser.add_argument("source", metavar="SOURCE", help=text)
    text = "a key of the source or of `data`, such as layout=time_first"
    parser.add_argument("options", nargs="*", default=[], metavar="KEY=VALUE", help=text)
    add_json(parser)
    options = parser.parse(words, intermixed=True)
    given = list(map(_override, options.options))
    overrides = [*_overrides_for(options.source), *given]
    if any(word.startswith("data=") for word in given):
        del overrides[0]  # this is the `data=` for SOURCE, which the user's choice replaces
    with translate_memory_errors():
        splits, proposed, notes, problem = propose(overrides)
        info = describe(splits)
        found = doubts(splits, info, compose(proposed)["data"].get("source") or {})
        doubted = [
            {"reason": doubt.reason, "other_reading": _other_reading(proposed, doubt.options)}
            for doubt in found
        ]
    command = shlex.join(["seqsweep", "train", *proposed])
    if options.json:
        content = {"source": options.source, **vars(info), "notes": notes, "doubts": doubted}
        print_json({**content, "problem": problem, "command": command})
        return 0
    console = PlainConsole()
    for doubt in doubted:
        print_lines(console, f"doubtful: {doubt['reason']}", style="yellow")
        if doubt["other_reading"]:
            print_lines(console, f"  {doubt['other_reading']}")
    _print_info(options.source, info, notes, console)
    if problem is not None:
        say(f"no run can train on these data: {problem}")
    elif not any(doubt.is_grave for doubt in found):
        say(f"\n{command}")
    return 0


def _other_reading(overrides: Sequence[str], options: Mapping[str, Any]) -> str:
    """Returns the command that reads the data with further options; empty if none does."""
    words = {word.partition("=")[0]: word for word in overrides}
    for key, value in options.items():
        words[f"data.source.{key}"] = f"data.source.{key}={quoted_value(value)}"
    try:
        _, proposed, _, problem = propose([*words.values()])
    except (ValueError, TypeError, OSError):
        return ""
    return "" if problem or not options else shlex.join(["seqsweep", "train", *proposed])


def _overrides_for(source: str) -> list[str]:
    """Returns the overrides that name a source.

    Raises:
        ValueError, FileNotFoundError: no file and no bundled data set has this name.
    """
    if source.startswith(ARCHIVE):
        return ["data=aeon", f"data.source.name={quoted_value(source.removeprefix(ARCHIVE))}"]
    path, group = Path(source).expanduser(), config_of(source)
    if not path.exists():
        # These are the options of `data` that need no file.
        names = {file.stem for file in (CONF_DIR / "data").glob("[!_]*.yaml")}
        bundled = sorted(names - {"aeon", "csv", "npz", "parquet", "text", "ts"})
        if source in bundled:
            return [f"data={source}"]
        if not path.suffix and (hint := did_you_mean(source, bundled)):
            hint += f" A file is given with its ending, as in {source}.csv"
            raise ValueError(f"{source}: is neither a file nor the name of bundled data{hint}")
    if not (group and path.is_dir()):
        existing_file(source)
        source_of(source)
    return [f"data={group}", f"data.source.path={quoted_value(source)}"]


def _override(option: str) -> str:
    """Returns an option as an override; its key may lack `data.source.`."""
    key, equals, value = option.partition("=")
    if not equals or not key:
        raise ValueError(f"{option}: must be KEY=VALUE, as in layout=time_first")
    if key == "data" or key.startswith("data."):
        return option
    # These are the keys that all options of `data` share, such as `missing`.
    shared = yaml.safe_load((CONF_DIR / "data" / "_loading.yaml").read_text(encoding="utf-8"))
    section = "data" if key in shared else "data.source"
    return f"{section}.{key}={value}"


def _print_info(title: str, info: Info, notes: Sequence[str], console: Console) -> None:
    """Prints sizes, channels, classes, duplicates and notes."""
    total = sum(split.sequences for split in info.splits)
    channels = count(len(info.channels), "channel")
    words = ("target",) if info.targets else ("class", "classes")
    classes = count(len(info.targets or info.classes), *words)
    print_lines(console, f"{title}: {count(total, 'sequence')}, {channels}, {classes}")
    last = _channels("target", info.targets) if info.targets else _classes(info)
    for table in (_splits(info), _channels("channel", info.channels), last):
        print_lines(console, "")
        print_table(console, table)
    print_lines(console, "")
    if max(len(info.channels), len(info.classes)) > _MOST_ROWS:
        print_lines(console, f"listed: {_MOST_ROWS} channels and classes (--json lists all)")
    print_lines(console, *_duplicates(info))
    print_notes(notes, console)


def _table(first: str, numbers: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Returns a table of names and their numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, max_width=_NAME, no_wrap=True, overflow="ellipsis")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name, *cells in rows:
        table.add_row(escape(name), *cells)
    return table


def _splits(info: Info) -> Table:
    sizes = ("sequences", "steps", "shortest", "median", "longest")
    rows = [
        [split.name, *(f"{getattr(split, size):,.15g}" for size in sizes)] for split in info.splits
    ]
    return _table("split", sizes, rows)


def _channels(name: str, channels: Sequence[ChannelInfo]) -> Table:
    rows = list[list[str]]()
    for of in channels[:_MOST_ROWS]:
        numbers = (of.min, of.max, of.mean, of.std)
        texts = ("-" if number is None else f"{number:.4g}" for number in numbers)
        rows.append([of.name, *texts, f"{of.missing:,}"])
    return _table(name, ("min", "max", "mean", "deviation", "missing"), rows)


def _classes(info: Info) -> Table:
    total = sum(of.total for of in info.classes)
    rows = [
        [of.name, *(f"{number:,}" for number in of.sequences.values()), f"{of.total / total:.1%}"]
        for of in info.classes[:_MOST_ROWS]
    ]
    return _table("class", [*(split.name for split in info.splits), "share"], rows)


def _duplicates(info: Info) -> list[str]:
    """Returns the lines that report repeated sequences."""
    repeated: list[str] = []
    for split in info.splits:
        if split.repeated:
            repeated.append(f"{split.repeated:,} within {split.name}")
        if split.also_in_train:
            repeated.append(f"{split.also_in_train:,} of {split.name} also in train")
    lines = [f"duplicates: {'; '.join(repeated) if repeated else 'none'}"]
    if info.contradictions:
        lines.append(f"equal values with different labels: {info.contradictions:,} sequences")
    return lines
