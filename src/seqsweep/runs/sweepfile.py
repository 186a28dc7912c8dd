"""Reads and writes sweep.json, and locks the folder of a sweep.

The folder of a run shows the state of that run. sweep.json lists the runs of a sweep, the time when
it began, and its command. A sweep writes the file when it starts and when it ends. Workers, tables
and `seqsweep watch` read the file.
"""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from seqsweep.errors import RunLocked
from seqsweep.runs.documents import read_sealed_or_none
from seqsweep.runs.files import JsonObject, read_json, remove_temporary, say_once, write_json
from seqsweep.runs.identity import SEMANTICS, FlatConfig, is_one_value
from seqsweep.runs.lock import RunLock, is_locked
from seqsweep.runs.lock_files import STALE_SECONDS, host_name, take_posix_lock, time_in

NAME = "sweep.json"
SEARCH = "search.json"
"""The file with the choices of a search, which `extras.search` writes."""

_LOCK = ".changing"


@dataclass(frozen=True)
class SweepFile:
    """The runs planned in a folder, and the last command.

    Args:
        command: the last command, as a person would type it.
        started: when the command was started, in seconds since 1970.
        configs: the flat config of each run by run_id, in the order in which they were planned.
        done_before: the run_ids that were done when the command started.
        ended: when the command ended, in seconds since 1970; None if it runs or was killed.
        earlier: the run_ids that were planned only by commands that have ended.
        costs: the estimated seconds of an epoch by run_id; only their ratios matter.
        failures: how often each run had failed before the sweep, by run_id; 0 if it is missing.
        directory: the folder in which the command was started; relative config paths begin there.
        limits: the limits of a search's runs by run_id, as from `training.limits.Limits.plain`.
        open: whether a search may still add runs; workers wait for them.
    """

    command: Sequence[str]
    started: float
    configs: Mapping[str, FlatConfig]
    done_before: frozenset[str] = frozenset()
    ended: float | None = None
    earlier: frozenset[str] = frozenset()
    costs: Mapping[str, float] = field(default_factory=dict[str, float])
    failures: Mapping[str, int] = field(default_factory=dict[str, int])
    directory: str = ""
    limits: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    open: bool = False

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Reads sweep.json; returns None if it is missing or damaged.

        A file of another version counts as missing: this version does not train its runs.
        """
        content = read_json(folder / NAME)
        if content is None:
            return None
        try:
            if content.get("semantics") != SEMANTICS:
                return None
            "".join(content["command"])  # raises a TypeError unless all words are strings
            return cls(
                content["command"],
                float(content["started"]),
                {name: content["common"] | rest for name, rest in content["members"].items()},
                frozenset(content["done_before"]),
                None if content["ended"] is None else float(content["ended"]),
                frozenset(content["earlier"]),
                {name: float(cost) for name, cost in content["costs"].items()},
                {name: int(count) for name, count in content["failures"].items()},
                str(content["directory"]),
                {name: _limits(each) for name, each in content.get("limits", {}).items()},
                bool(content.get("open", False)),
            )
        except (TypeError, KeyError, AttributeError, ValueError):
            say_once(f"{folder / NAME}: is not what a sweep writes; it counts as missing")
            return None

    def write(self, folder: Path) -> None:
        """Writes sweep.json, with the values that all configs share only once."""
        common = _common(list(self.configs.values()))
        content = {
            "semantics": SEMANTICS,
            "command": list(self.command),
            "started": self.started,
            "ended": self.ended,
            "done_before": sorted(self.done_before),
            "earlier": sorted(self.earlier),
            "costs": dict(self.costs),
            "failures": dict(self.failures),
            "directory": self.directory,
            **({"limits": dict(self.limits)} if self.limits else {}),
            **({"open": True} if self.open else {}),
            "common": common,
            "members": {
                name: {key: config[key] for key in config if key not in common}
                for name, config in self.configs.items()
            },
        }
        write_json(folder / NAME, content, sync=False, levels=2)

    @staticmethod
    def changing(folder: Path) -> RunLock:
        """Returns a lock to hold while sweep.json is read, changed and written.

        Without the lock, two processes that change the file at once would lose one of the changes.
        """
        return RunLock(folder, _LOCK, waits=True)

    def end(self, folder: Path, when: float) -> None:
        """Marks the folder's sweep.json as ended, unless another sweep still trains there.

        A sweep calls this after it has released its lock, so that the last sweep to end finds no
        other sweep.
        """
        if not is_sweep_running(folder):
            with self.changing(folder):
                # The file belongs to the sweep that started last.
                replace(SweepFile.read(folder) or self, ended=when, open=False).write(folder)

    def joined(self, other: Self) -> Self:
        """Returns a copy with the runs of another sweep that trains in the same folder."""
        done = self.done_before | other.done_before
        earlier = other.earlier - self.configs.keys()
        joined = replace(self, done_before=done, earlier=earlier, open=self.open or other.open)
        return joined._with_runs_of(other)

    def after(self, other: Self) -> Self:
        """Returns a copy with the runs of commands that have ended in the same folder."""
        earlier = frozenset(other.configs.keys() - self.configs.keys())
        return replace(self, earlier=earlier)._with_runs_of(other)

    def _with_runs_of(self, other: Self) -> Self:
        """Returns a copy with another sweep's runs, costs, failures and limits."""
        # The other sweep comes first, because it planned its runs before this one.
        configs = {**other.configs, **self.configs}
        costs, failures = {**other.costs, **self.costs}, {**other.failures, **self.failures}
        # A run that this sweep has planned without limits trains to its last epoch.
        theirs = {name: each for name, each in other.limits.items() if name not in self.configs}
        limits = {**theirs, **self.limits}
        return replace(self, configs=configs, costs=costs, failures=failures, limits=limits)

    def current(self) -> Self:
        """Returns a copy without the runs planned only by commands that have ended."""
        configs = {name: self.configs[name] for name in self.configs if name not in self.earlier}
        return replace(self, configs=configs, earlier=frozenset())


def chosen_runs(folders: Iterable[Path]) -> set[str]:
    """Returns the run_ids of all trials of the searches in these folders."""
    searches = [read_sealed_or_none(folder / SEARCH) for folder in folders]
    trials = [trial for search in searches if search for trial in search["trials"]]
    return {run_id for trial in trials for run_id in trial["run_ids"]}


def _limits(content: JsonObject) -> JsonObject:
    """Returns the limits of a run, with checked types."""
    thresholds = {str(int(epoch)): float(v) for epoch, v in content["thresholds"].items()}
    epochs = {name: content.get(name) for name in ("until", "ends_at")}
    whole = {name: None if epoch is None else int(epoch) for name, epoch in epochs.items()}
    return {"thresholds": thresholds, **whole}


def _common(configs: Sequence[FlatConfig]) -> JsonObject:
    """Returns the values that all configs share, by key."""
    if not configs:
        return {}
    shared = set(configs[0]).intersection(*configs)
    return {
        key: value
        for key, value in configs[0].items()
        if key in shared and is_one_value([config[key] for config in configs])
    }


def sweep_lock(folder: Path) -> RunLock:
    """Returns the lock of this process's sweep; other processes have other locks."""
    return RunLock(folder, sweep_lock_name())


def sweep_lock_name() -> str:
    """Returns the name of the lock of this process's sweep."""
    return f".running-{host_name()}-{os.getpid()}"


def lock_names(names: Iterable[str]) -> dict[str, str]:
    """Returns the sweep locks among these names, with their hosts.

    >>> lock_names([".running-n1-47", "sweep.json"])
    {'.running-n1-47': 'n1'}
    """
    # Later generations of a lock, such as `.running-n1-47.2`, are left out; `runs.lock` finds them.
    found = [re.fullmatch(r"\.running-(.+)-\d+", name) for name in names]
    return {match[0]: match[1] for match in found if match}


def _names_in(folder: Path) -> dict[str, str]:
    return lock_names(path.name for path in folder.glob(".running-*"))


def is_sweep_running(folder: Path) -> bool:
    """Returns whether a process is training in this folder, on any host."""
    return any(is_locked(folder, name) for name in _names_in(folder))


def remove_leftovers(folder: Path) -> None:
    """Removes the lock files and temporary files that killed processes have left."""
    for name in _names_in(folder):
        with contextlib.suppress(RunLocked, OSError), RunLock(folder, name):
            pass  # releasing the lock removes the files
    # Otherwise a process on another host, whose number means nothing here, may write these files.
    if not is_sweep_running(folder):
        remove_temporary(folder)


def lock_notes(folder: Path) -> list[str]:
    """Returns warnings about the clock and the locks of a folder's file system."""
    notes: list[str] = []
    seconds = time_in(folder) - time.time()
    if abs(seconds) > STALE_SECONDS:
        difference = f"{abs(seconds) / 60:.0f} min {'ahead of' if seconds > 0 else 'behind'}"
        what = "the runs are not affected, but times in logs differ"
        notes.append(f"{folder}: its clock is {difference} the clock of this host; {what}")
    # An error is not reported here, because the next write in the folder reports it.
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        if not take_posix_lock(file.fileno()):
            what = "the runs of a killed process are free after a minute instead of at once"
            notes.append(f"{folder}: its file system has no POSIX locks; {what}")
    return notes
