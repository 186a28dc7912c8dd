"""Finds and deletes the files of runs that this program wrote.

Runs in use are skipped. The lock of a run is held while its files are deleted, so that no other
process starts to train the run.
"""

import contextlib
import errno
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from seqsweep.errors import RunLocked
from seqsweep.runs.documents import from_text
from seqsweep.runs.events import event_files
from seqsweep.runs.files import TEMPORARY, find_link, matching
from seqsweep.runs.held_folders import remove_folder, remove_tree, unlink
from seqsweep.runs.identity import FlatConfig, is_number
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.lock import RunLock, wait_until_certain
from seqsweep.runs.record import NO_RECORD, State
from seqsweep.runs.run_folder import OWN
from seqsweep.text import nearest_or_all

FAILED: frozenset[State] = frozenset(("failed",))
PRUNED: frozenset[State] = frozenset(("pruned",))
OTHER_VERSIONS: frozenset[State] = frozenset(("of another version",))
INCOMPLETE: frozenset[State] = frozenset(("incomplete", "interrupted", "damaged"))

# Files are deleted in this order. A run without record.json does not count as done. A folder
# without config.yaml does not count as a run, so config.yaml is deleted last.
_FILES = (
    "record.json", "failure.json", "provenance.json", "diagnostics.json", "loggers.json",
    "metrics.csv", "train.log", "fit-*.txt", "validate-*.txt", "test-*.txt", TEMPORARY,
)  # fmt: skip


@dataclass(frozen=True)
class Removal:
    """The files of one run to delete, in the order of deletion.

    `is_whole` is True if the whole run is deleted, and False if only last.ckpt is deleted.
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
    """Returns the files to delete for each run; skips runs in use and symbolic links.

    Args:
        states: whole runs in these states are deleted.
        checkpoints: whether last.ckpt of complete runs is deleted.
        wanted: config values by key; runs with other values are skipped. Without `states` and
            `checkpoints`, all remaining runs are deleted whole, in any state.

    Raises:
        ValueError: a key of `wanted` is in no run.
    """
    known = {key for entry in entries for key in entry.config}
    for key in wanted:
        # A group such as `optimizer` stands for the option that was chosen.
        if not {key, f"{key}._target_"} & known:
            raise ValueError(f"{key}: no run here has this key{nearest_or_all(key, known)}")
    removals: list[Removal] = []
    for entry in entries:
        # A symbolic link may lead to a run in another folder, which the user has not named.
        if entry.state == "running" or find_link(entry.folder.path):
            continue
        if not all(_matches(entry.config, key, text) for key, text in wanted.items()):
            continue
        if entry.state in states or not (states or checkpoints):
            removals.append(Removal(entry, True, tuple(_files_of(entry.folder.path))))
        elif checkpoints and entry.state == "complete":
            last = entry.folder.path / "checkpoints" / "last.ckpt"
            if last.is_file():
                removals.append(Removal(entry, False, (last,)))
    return removals


def delete_all(removals: Sequence[Removal]) -> list[str]:
    """Deletes the files of runs. Returns the reasons why some were skipped.

    Raises:
        OSError: a file cannot be deleted.
    """
    wait_until_certain([removal.entry.folder.path for removal in removals])
    return [reason for removal in removals if (reason := _delete(removal)) is not None]


def _delete(removal: Removal) -> str | None:
    """Deletes the files of a run, or returns why it is skipped."""
    folder = removal.entry.folder
    try:
        with RunLock(folder.path):
            # Another process may have finished the run since the list of removals was made.
            if (folder.record() or NO_RECORD).status != removal.entry.record.status:
                return f"{folder.path} has changed meanwhile"
            for path in removal.files:
                unlink(path)
            with contextlib.suppress(OSError):  # files that seqsweep did not write stay
                remove_folder(folder.path / "checkpoints")
            if removal.is_whole:
                remove_tree(folder.path / OWN)
        # The folder is removed only now, because the lock file was in it until the block ended.
        if removal.is_whole:
            folder.path.rmdir()
    except RunLocked as error:
        return str(error)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        return f"{folder.path} holds files that seqsweep did not write; they stay"
    return None


def freed(paths: Iterable[Path]) -> int:
    """Returns the bytes on disk that deleting these files would free.

    A file with another hard link elsewhere frees nothing, for example a last.ckpt that is also
    best.ckpt.
    """
    names: dict[tuple[int, int], int] = {}
    total = 0
    for path in paths:
        try:
            stat = path.lstat()
        except OSError:
            continue
        file = (stat.st_dev, stat.st_ino)
        # The space is free only when all hard links to a file are gone. Some may lie elsewhere.
        names[file] = names.get(file, 0) + 1
        if names[file] == stat.st_nlink:
            total += stat.st_blocks * 512
    return total


def _matches(config: FlatConfig, key: str, text: str) -> bool:
    """Returns whether a config has this value or option (`optimizer=sgd`)."""
    if key not in config:
        target = config.get(f"{key}._target_")  # None if the run lacks the group
        return target is not None and text in (target, str(target).rpartition(".")[2])
    value, given = config[key], _value(text)
    if is_number(value) and is_number(given):
        return value == given
    return text == value or value_key(value) == value_key(given)


def _value(text: str) -> Any:
    """Returns the config value for a text from the command line."""
    # `float` comes first: 1e-2 is a number, although YAML 1.1 reads it as text.
    for read in (float, from_text):
        try:
            return read(text)
        except (ValueError, yaml.YAMLError):
            continue
    return text


def _files_of(folder: Path) -> list[Path]:
    """Returns the files of a run that this program wrote, config.yaml last."""
    checkpoints = folder / "checkpoints"
    paths = [path for pattern in _FILES for path in matching(folder, pattern)]
    paths += event_files(folder)
    paths += matching(checkpoints, "*.ckpt", TEMPORARY)
    paths += [] if (folder / OWN).is_symlink() else (folder / OWN).rglob("*")
    files = [path for path in dict.fromkeys(paths) if path.is_file() or path.is_symlink()]
    return [*files, folder / "config.yaml"]
