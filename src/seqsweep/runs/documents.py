"""Reads and writes config.yaml, and sealed JSON files, which hold a digest of their content."""

import functools
import hashlib
import marshal
from pathlib import Path
from typing import Any

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, MappingStartEvent, SequenceStartEvent

from seqsweep.errors import Damaged
from seqsweep.runs.files import (
    DEEPEST,
    Confirm,
    JsonObject,
    json_text,
    parse_json,
    read_bytes,
    read_json,
    write_json,
)
from seqsweep.runs.identity import Config

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The classes of libyaml if PyYAML has it: five to twelve times as fast as its Python classes."""

MOST_REPEATED = 10_000
"""The most values that the aliases of one file may stand for in total."""


def to_text(config: Config) -> str:
    """Returns the YAML text of a config.

    The text equals `yaml.safe_dump(config, sort_keys=False)` to the byte, with two exceptions: keys
    longer than a line, and objects that occur twice, which are written twice without an anchor.
    Configs of a sweep share most sections, so the text of each section is made once. The text of
    the config consists of the texts of its sections.
    """
    entries = ({key: value} for key, value in config.items())
    return "".join(_section(marshal.dumps(entry, 2)) for entry in entries) or "{}\n"


def from_text(text: str) -> Any:
    """Returns the plain values of a YAML text.

    Raises:
        yaml.YAMLError: the text is not YAML, or holds more than plain values.
        ValueError: the text is nested too deeply, or its aliases stand for too many values.
    """
    # The size is checked first, because loading itself may exhaust the memory.
    check_size(text)
    return yaml.load(text, _LOADER)


def read_yaml(path: Path) -> Any:
    """Returns the plain values of a YAML file.

    Raises:
        OSError: the file does not exist, or cannot be read.
        Damaged: the file is not regular or not UTF-8, or `from_text` refuses the text. The message
            is one line and names the file.
    """
    content = read_bytes(path)
    try:
        return from_text(content.decode())
    except UnicodeDecodeError as error:
        raise Damaged(f"{path}: must be UTF-8, but is not at byte {error.start}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Damaged(f"{path}: {' '.join(str(error).split())}") from None


def check_size(text: str) -> None:
    """Refuses YAML texts with deep nesting or too many repeated values.

    An alias counts as all the values that it stands for. These values are in memory only once, but
    code that walks through the config visits them at each alias.

    Raises:
        yaml.YAMLError: the text is not YAML.
        ValueError: the text is nested more than DEEPEST levels deep, an alias lies inside an
            anchor, or aliases stand for more than MOST_REPEATED values.
    """
    sizes: dict[str, int] = {}  # the number of values of each anchor
    opened: list[str | None] = []  # the anchors of the lists and mappings around an event
    repeated = 0
    # Events are counted instead of values, because the event of an alias takes little memory.
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, AliasEvent):
            if any(opened):
                raise ValueError(f"the alias *{event.anchor} must not be inside an anchor")
            repeated += sizes.get(event.anchor, 0)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            opened.append(event.anchor)
        elif isinstance(event, CollectionEndEvent):
            opened.pop()
        for anchor in filter(None, opened):
            sizes[anchor] = sizes.get(anchor, 0) + 1
        if len(opened) > DEEPEST:
            raise ValueError(f"is nested more than {DEEPEST} levels deep")
        if repeated > MOST_REPEATED:
            raise ValueError(f"its aliases stand for more than {MOST_REPEATED:,} values")


@functools.lru_cache(maxsize=1024)
def _section(plain: bytes) -> str:
    """Returns the text of a mapping with one entry.

    Args:
        plain: the mapping in version 2 of marshal. Equal mappings have equal bytes, but 1, 1.0,
            True and "1" have different bytes, also as keys (in JSON all keys would be text).
    """
    entry = marshal.loads(plain)
    text = yaml.dump(entry, Dumper=_DUMPER, sort_keys=False)
    # libyaml breaks lines with escapes at other places, and writes the key '' differently.
    if "\\" in text or "''" in text:
        return yaml.dump(entry, Dumper=yaml.SafeDumper, sort_keys=False)
    return text


DIGEST = "digest"

_KEY = f',\n  "{DIGEST}": '.encode()
"""The beginning of the last key in the text of a sealed file."""


def sealed(content: JsonObject) -> JsonObject:
    """Returns the content with a digest of its JSON text.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    unsealed = {key: value for key, value in content.items() if key != DIGEST}
    return unsealed | {DIGEST: _digest(json_text(unsealed).encode())}


def write_sealed(
    path: Path, content: JsonObject, sync: bool = True, confirm: Confirm | None = None
) -> None:
    """Writes a content that is not empty, with its digest as the last key."""
    write_json(path, sealed(content), sync, confirm=confirm)


def unsealed(data: bytes, path: Path) -> JsonObject:
    """Returns the object in the bytes of a file that `write_sealed` wrote.

    Raises:
        Damaged: the file is not a JSON object, or its content does not match its digest.
    """
    content = parse_json(data, path)
    if not isinstance(content, dict):
        raise Damaged(f"{path}: is not a JSON object")
    if DIGEST not in content:
        raise Damaged(f"{path}: has no digest")
    if not _is_sound_text(data) and not _is_sound(content):
        raise Damaged(f"{path}: its content does not match its digest")
    return content


def _is_sound_text(data: bytes) -> bool:
    """Checks a file's text, ten times as fast as `_is_sound`; False if unsure."""
    text, key, last = data.rpartition(_KEY)
    digest = _digest(text + b"\n}")
    return bool(key) and last == f'"{digest}"\n}}\n'.encode()


def _is_sound(content: JsonObject) -> bool:
    """Returns whether the content matches its digest, however it is formatted."""
    try:
        return sealed(content)[DIGEST] == content[DIGEST]
    except ValueError:  # the content has a number that is not finite
        return False


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def read_sealed_or_none(path: Path) -> JsonObject | None:
    """Returns the object of a sealed file; None if missing or damaged (see `read_json`)."""
    return read_json(path, unsealed)
