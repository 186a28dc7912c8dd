"""A config as the text of config.yaml, and back. A member's text is mostly that of the others."""

import functools
import marshal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from seqsweep.runs.files import DEEPEST, Damaged, read_bytes

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: five to twelve times as fast as the ones in Python."""

MOST_REPEATED = 10_000
"""Values that the aliases of one file may stand for together."""


def to_text(config: dict[str, Any]) -> str:
    """`yaml.safe_dump(config, sort_keys=False)`, to the byte (keys longer than a line aside).

    A mapping in block style is its entries one after another, so each section is made once for all
    the configs that have it. One difference is meant: an object that occurs twice is written twice,
    without an anchor.
    """
    entries = ({key: value} for key, value in config.items())
    return "".join(_section(marshal.dumps(entry, 2)) for entry in entries) or "{}\n"


def from_text(text: str) -> Any:
    """Returns the plain values of a YAML text.

    Raises:
        yaml.YAMLError: it is not YAML, or holds more than plain values.
        ValueError: it is nested too deep, or its aliases make too much of it.
    """
    check_size(text)
    return yaml.load(text, _LOADER)


def read_yaml(path: Path) -> Any:
    """Returns the plain values of a YAML file.

    Raises:
        OSError: there is no such file, or it cannot be read.
        Damaged: it is not a regular file, not UTF-8, or what `from_text` refuses. The message is
            one line and names the file.
    """
    try:
        return from_text(read_bytes(path).decode())
    except Damaged:
        raise
    except UnicodeDecodeError as error:
        raise Damaged(f"{path}: must be UTF-8, and is not at byte {error.start}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Damaged(f"{path}: {' '.join(str(error).split())}") from None


class TooMuch(ValueError):
    """A YAML text of which little makes much.

    Args:
        line: where it does, counted from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def check_size(text: str, loader: Any = _LOADER) -> None:
    """Refuses a YAML text of which little makes much: nesting without end, aliases of aliases.

    An alias counts as all that it stands for: who walks through the values meets it again each
    time, although it is in memory once.

    Args:
        loader: whose parser reads the text.

    Raises:
        yaml.YAMLError: it is not YAML.
        TooMuch: it is nested more than DEEPEST levels deep, an alias has no whole anchor before
            it, or aliases stand for more than MOST_REPEATED values.
    """
    sizes: dict[str, tuple[int, int]] = {}  # of each anchor the values in it, and its levels
    opened: list[_Node] = []
    repeated = 0
    for event in yaml.parse(text, loader):
        line = event.start_mark.line + 1
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            opened.append(_Node(event.anchor))
            if len(opened) > DEEPEST:
                raise TooMuch(f"is nested more than {DEEPEST} levels deep", line)
            continue
        if isinstance(event, AliasEvent):
            if event.anchor not in sizes:
                raise TooMuch(f"the alias *{event.anchor} has no whole anchor before it", line)
            size, depth = sizes[event.anchor]
            repeated += size
        elif isinstance(event, CollectionEndEvent):
            node = opened.pop()
            size, depth = node.size, node.depth + 1
            if node.anchor is not None:
                sizes[node.anchor] = size, depth
        elif isinstance(event, ScalarEvent):
            size, depth = 1, 0
            if event.anchor is not None:
                sizes[event.anchor] = size, depth
        else:
            continue
        if len(opened) + depth > DEEPEST:
            raise TooMuch(f"is nested more than {DEEPEST} levels deep", line)
        if repeated > MOST_REPEATED:
            raise TooMuch(f"its aliases stand for more than {MOST_REPEATED:,} values", line)
        if opened:
            opened[-1].size += size
            opened[-1].depth = max(opened[-1].depth, depth)


@dataclass
class _Node:
    """A list or mapping that is being read: its anchor, how many values, how many levels so far."""

    anchor: str | None
    size: int = 1
    depth: int = 0


@functools.lru_cache(maxsize=1024)
def _section(plain: bytes) -> str:
    """Of a mapping of one entry, in marshal's version 2: the same bytes for the same values, and
    others for 1, 1.0, True and "1", as keys too (JSON knows text only)."""
    entry = marshal.loads(plain)
    text = yaml.dump(entry, Dumper=_DUMPER, sort_keys=False)
    if "\\" in text or "''" in text:  # libyaml folds what is escaped elsewhere, and knows '' as key
        return yaml.dump(entry, Dumper=yaml.SafeDumper, sort_keys=False)
    return text
