"""Writes configs as the text of config.yaml, and reads YAML within bounds."""

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
"""The classes of libyaml, if PyYAML has it: five to twelve times as fast as those in Python."""

MOST_REPEATED = 10_000
"""The most values that the aliases of one file may stand for in total."""


def to_text(config: dict[str, Any]) -> str:
    """Returns the YAML text of a config.

    The text equals `yaml.safe_dump(config, sort_keys=False)` to the byte, except for keys longer
    than a line, and for objects that occur twice: they are written twice, without an anchor. The
    text of a mapping is that of its entries one after another. Configs of a sweep share most
    sections, so the text of each section is made once.
    """
    entries = ({key: value} for key, value in config.items())
    return "".join(_section(marshal.dumps(entry, 2)) for entry in entries) or "{}\n"


def from_text(text: str) -> Any:
    """Returns the plain values of a YAML text.

    Raises:
        yaml.YAMLError: the text is not YAML, or holds more than plain values.
        ValueError: it is nested too deeply, or its aliases stand for too many values.
    """
    # The size is checked first, because loading itself may exhaust the memory.
    check_size(text)
    return yaml.load(text, _LOADER)


def read_yaml(path: Path) -> Any:
    """Returns the plain values of a YAML file.

    Raises:
        OSError: the file does not exist, or cannot be read.
        Damaged: it is not a regular file, not UTF-8, or `from_text` refuses it. The message is one
            line and names the file.
    """
    try:
        return from_text(read_bytes(path).decode())
    except Damaged:
        raise
    except UnicodeDecodeError as error:
        raise Damaged(f"{path}: must be UTF-8, but is not at byte {error.start}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Damaged(f"{path}: {' '.join(str(error).split())}") from None


class TooMuch(ValueError):
    """A short YAML text stands for too many values, or is nested too deeply.

    Args:
        line: the line of the text, counted from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def check_size(text: str, loader: Any = _LOADER) -> None:
    """Refuses YAML texts that stand for too many values: deep nesting, aliases of aliases.

    An alias counts as all the values that it stands for: it is in memory once, but a walk through
    the values meets it each time.

    Args:
        loader: its parser reads the text.

    Raises:
        yaml.YAMLError: the text is not YAML.
        TooMuch: it is nested more than DEEPEST levels deep, an alias has no complete anchor before
            it, or aliases stand for more than MOST_REPEATED values.
    """
    sizes: dict[str, tuple[int, int]] = {}  # for each anchor its number of values and of levels
    opened: list[_Node] = []
    repeated = 0
    # Events are counted instead of values: they take no memory for what an alias stands for.
    for event in yaml.parse(text, loader):
        line = event.start_mark.line + 1
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            opened.append(_Node(event.anchor))
            if len(opened) > DEEPEST:
                raise TooMuch(f"is nested more than {DEEPEST} levels deep", line)
            continue
        if isinstance(event, AliasEvent):
            if event.anchor not in sizes:
                raise TooMuch(f"the alias *{event.anchor} has no complete anchor before it", line)
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
        # An alias brings the depth of its anchor with it, so nesting can be too deep without a
        # bracket.
        if len(opened) + depth > DEEPEST:
            raise TooMuch(f"is nested more than {DEEPEST} levels deep", line)
        if repeated > MOST_REPEATED:
            raise TooMuch(f"its aliases stand for more than {MOST_REPEATED:,} values", line)
        if opened:
            opened[-1].size += size
            opened[-1].depth = max(opened[-1].depth, depth)


@dataclass
class _Node:
    """A list or mapping that the parser has entered and not yet left."""

    anchor: str | None
    size: int = 1
    depth: int = 0


@functools.lru_cache(maxsize=1024)
def _section(plain: bytes) -> str:
    """Returns the text of a mapping with one entry.

    Args:
        plain: the mapping, by marshal in its version 2. Equal values have equal bytes, while 1,
            1.0, True and "1" have different ones, also as keys (which are always text in JSON).
    """
    entry = marshal.loads(plain)
    text = yaml.dump(entry, Dumper=_DUMPER, sort_keys=False)
    # libyaml breaks lines with escapes at other places, and writes the key '' differently.
    if "\\" in text or "''" in text:
        return yaml.dump(entry, Dumper=yaml.SafeDumper, sort_keys=False)
    return text
