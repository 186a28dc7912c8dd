"""Checks a user's own YAML files before Hydra loads them without any bounds."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from seqsweep.config import CONF_DIR
from seqsweep.runs.config_text import TooMuch, check_size
from seqsweep.runs.files import read_bytes

_LARGEST = 2**20
_CHOICE = re.compile(r"\+{0,2}([A-Za-z][\w/]*)(?:@[\w.]+)?=(.+)")

_Option = tuple[str, str]
"""A config group (empty for the top level), and the name of an option."""


def check_config_files(folder: Path, overrides: Sequence[str]) -> None:
    """Checks the files of a `--config-dir` that overrides choose, and all that these name.

    Raises:
        ValueError: a file is not text, is nested too deeply, has aliases for too many values, or a
            defaults list that leads back to itself. The message names the file.
    """
    checked: set[_Option] = set()
    for option in [("", "train"), *_choices(overrides)]:
        _check_option(folder, option, (), checked)


def check_yaml(path: Path) -> None:
    """Checks that a YAML file can be loaded in little time and memory.

    Raises:
        ValueError: it is not a regular file, not text, too large or nested too deeply, also after
            its aliases are resolved.
    """
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path}: must be at most {_LARGEST // 2**20} MiB")
    content = read_bytes(path)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{content[error.start]:02x}"
        raise ValueError(f"{path}:{line}: must be saved as UTF-8, found {byte}") from error
    try:
        check_size(text, yaml.SafeLoader)  # the loader of Hydra; libyaml has its own limit
    except TooMuch as error:
        raise ValueError(f"{path}:{error.line}: {error}") from None
    except yaml.YAMLError:  # Hydra reports it
        return


def _choices(overrides: Sequence[str]) -> Iterator[_Option]:
    """Yields the options that overrides may choose, and those that conf/train.yaml chooses."""
    yield from _defaults(CONF_DIR / "train.yaml", "")
    for override in overrides:
        if match := _CHOICE.fullmatch(override):
            yield from ((match[1], value.strip(" '\"")) for value in match[2].split(","))


def _check_option(
    folder: Path, option: _Option, before: tuple[_Option, ...], checked: set[_Option]
) -> None:
    """Checks the file of an option and those that its defaults list names."""
    group, name = option
    for path in (folder / group / f"{name}.yaml", CONF_DIR / group / f"{name}.yaml"):
        if path.exists():
            break
    else:
        return
    # Hydra would follow such a list until Python's recursion limit.
    if option in before:
        chain = " -> ".join(f"{g}={n}" for g, n in (*before[before.index(option) :], option))
        raise ValueError(f"{path}: its defaults list leads back to itself: {chain}")
    if option in checked:
        return
    if path.is_relative_to(folder):
        check_yaml(path)
    for default in _defaults(path, group):
        _check_option(folder, default, (*before, option), checked)
    checked.add(option)


def _defaults(path: Path, group: str) -> Iterator[_Option]:
    """Yields the options that the defaults list of a file names."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return
    entries = content.get("defaults") if isinstance(content, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, str):
            yield _below(group, entry)
        elif isinstance(entry, dict):
            for key, names in entry.items():
                # The group is the last word, after `override` and `optional`.
                word = str(key).split()[-1].partition("@")[0]
                for name in names if isinstance(names, list) else [names]:
                    yield _below(group, f"{word}/{name}")


def _below(group: str, name: str) -> _Option:
    """Returns the option that an entry of a defaults list names."""
    full = name if name.startswith("/") or not group else f"{group}/{name}"
    folder, _, option = full.strip("/").rpartition("/")
    return folder, option
