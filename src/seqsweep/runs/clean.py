"""Finds and deletes files of runs. Only files that this program wrote are touched.

A run in use is left alone: its lock is taken while its files are deleted, so that nobody begins to
train it meanwhile.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from seqsweep.runs.config_text import from_text
from seqsweep.runs.eventfiles import event_files, made_files, remove_empty
from seqsweep.runs.files import TEMPORARY, matching, read_json, remove
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.lock import Locked, RunLock
from seqsweep.runs.run_folder import State
from seqsweep.suggest import nearest_or_all

FAILED: frozenset[State] = frozenset(("failed",))
INCOMPLETE: frozenset[State] = frozenset(("incomplete", "interrupted", "damaged"))

# In the order of their deletion: without record.json a run is not done, and without config.yaml
# its folder is not a run's.
_FILES = (
    "record.json", "failure.json", "provenance.json", "diagnostics.json", "metrics.csv",
    "train.log", "fit-*.txt", TEMPORARY,
)  # fmt: skip
_CHECKPOINTS = ("*.ckpt", TEMPORARY)
_LAST = "last.ckpt"
_CONFIG = "config.yaml"
_STACKS = ".stacks"
_TARGET = "_target_"


@dataclass(frozen=True)
class Removal:
    """The files of one run that are to be deleted.

    Args:
        is_whole: the whole run, not only its last checkpoint.
        files: in the order of their deletion.
    """

    entry: Entry
    is_whole: bool
    files: tuple[Path, ...]


def find_removals(
    entries: Sequence[Entry],
    states: Collection[State],
    checkpoints: bool,
    wanted: Mapping[str, str],
) -> list[Removal]:
    """Returns the files of these runs that are to be deleted; runs in use are left out.

    Args:
        states: whole runs in these states go.
        checkpoints: last.ckpt of complete runs goes.
        wanted: values by key that a run must have. Alone they choose whole runs in any state.

    Raises:
        ValueError: no run has such a key.
    """
    _refuse_unknown(wanted, entries)
    found: list[Removal] = []
    for entry in entries:
        if entry.state == "running" or entry.folder.path.is_symlink():
            continue
        if not all(_matches(entry.config, key, text) for key, text in wanted.items()):
            continue
        if entry.state in states or not (states or checkpoints):
            found.append(Removal(entry, True, tuple(_files_of(entry.folder.path))))
        elif checkpoints and entry.state == "complete":
            last = entry.folder.path / "checkpoints" / _LAST
            if last.is_file():
                found.append(Removal(entry, False, (last,)))
    return found


def delete(removal: Removal) -> str | None:
    """Deletes the files of a run; returns why it was left alone, if it was.

    Raises:
        OSError: a file cannot be deleted.
    """
    folder = removal.entry.folder
    try:
        with RunLock(folder.path):
            if (folder.record() is None) != (removal.entry.record is None):
                return "it has changed meanwhile"
            for path in removal.files:
                path.unlink(missing_ok=True)
            remove_empty({path.parent for path in removal.files} - {folder.path})
    except Locked as error:
        return str(error)
    return _remove_folders(removal) if removal.is_whole else None


def forget_stacks(folder: Path) -> None:
    """Removes what belongs to stacks of which no run is left to be trained on.

    A stack that a run was deleted from is not formed again: what names its runs goes too.
    """
    for path in matching(folder / _STACKS, "*.json"):
        runs = _runs_of(path)
        if not any((run / _CONFIG).exists() and not _is_done(run) for run in runs):
            remove(path.parent, f"{path.stem}.*", f".{path.stem}.*")
    for path in matching(folder / _STACKS, "*.company"):
        runs = _runs_of(path)
        if all(map(_is_done, runs)) or not all(run.is_dir() for run in runs):
            path.unlink(missing_ok=True)


def _is_done(run: Path) -> bool:
    return (run / "record.json").exists()


def _runs_of(path: Path) -> list[Path]:
    """The folders of the runs that a file in .stacks names, as a list or as keys."""
    names = read_json(path)
    found = names if isinstance(names, (list, dict)) else ()
    return [path.parents[1] / str(name) for name in found]


def freed(paths: Iterable[Path]) -> int:
    """The bytes on disk that the deletion of these files gives back.

    A file with another name elsewhere, as best.ckpt often is for last.ckpt, gives nothing back.
    """
    names: dict[tuple[int, int], int] = {}
    total = 0
    for path in paths:
        try:
            stat = path.lstat()
        except OSError:
            continue
        file = (stat.st_dev, stat.st_ino)
        names[file] = names.get(file, 0) + 1
        if names[file] == stat.st_nlink:
            total += stat.st_blocks * 512
    return total


def _refuse_unknown(wanted: Mapping[str, str], entries: Sequence[Entry]) -> None:
    known = {key for entry in entries for key in entry.config}
    choices = {key.removesuffix(f".{_TARGET}") for key in known if key.endswith(f".{_TARGET}")}
    for key in wanted:
        if key not in known | choices:
            raise ValueError(f"{key}: no run here has this key{nearest_or_all(key, known)}")


def _matches(config: Mapping[str, Any], key: str, text: str) -> bool:
    """Returns whether a config has this value, or this option of a group (`optimizer=sgd`)."""
    if key not in config:
        target = config.get(f"{key}.{_TARGET}")  # None: this run has neither the key nor the group
        return target is not None and text in (target, str(target).rpartition(".")[2])
    value, given = config[key], _value(text)
    if _is_number(value) and _is_number(given):
        return value == given
    return text == value or value_key(value) == value_key(given)


def _value(text: str) -> Any:
    """The value that a config has for this text; 1e-2 is a number, which YAML 1.1 does not know."""
    for read in (float, json.loads, from_text):
        try:
            return read(text)
        except (ValueError, yaml.YAMLError):
            continue
    return text


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _files_of(folder: Path) -> list[Path]:
    """The files of a run that we have written, config.yaml last."""
    checkpoints = folder / "checkpoints"
    found = [path for pattern in _FILES for path in matching(folder, pattern)]
    found += [*event_files(folder), *made_files(folder)]
    if not checkpoints.is_symlink():
        found += matching(checkpoints, *_CHECKPOINTS)
    files = [path for path in dict.fromkeys(found) if path.is_file() or path.is_symlink()]
    return [*files, folder / _CONFIG]


def _remove_folders(removal: Removal) -> str | None:
    """Removes the run's folders, if nothing is in them that somebody else has put there."""
    folder = removal.entry.folder.path
    inner = {path.parent for path in removal.files} | {folder / "checkpoints"}
    remove_empty(inner - {folder})
    try:
        folder.rmdir()
    except FileNotFoundError:
        return None
    except OSError:
        return f"{folder} holds files that seqsweep did not write; they stay"
    return None
