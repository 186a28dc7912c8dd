"""Reads the runs of a folder, and finds the keys that differ."""

import json
import math
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.runs.documents import to_text
from seqsweep.runs.events import PREFIX, event_files
from seqsweep.runs.files import folders_with, read_bytes, read_object, say_once, stat_of
from seqsweep.runs.identity import (
    Config,
    FlatConfig,
    decisive,
    flatten,
    is_below,
    is_one_value,
    nested,
    without_influence,
)
from seqsweep.runs.lock import remove_lock_of_finished_run
from seqsweep.runs.record import FINISHED, NO_RECORD, Record, State
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.text import count, did_you_mean, listed

OF_ANOTHER_VERSION: State = "of another version"


@dataclass(frozen=True)
class Entry:
    """One run of a folder.

    Attributes:
        config: the values by dotted key; empty if config.yaml is damaged.
        record: the content of record.json; empty while the run is not done.
        error: why the run failed, diverged, was interrupted or is damaged, or the other version.
    """

    folder: RunFolder
    state: State
    config: Config
    record: Record
    error: str | None


def read_folder(folder: Path, of_all_versions: bool = False) -> list[Entry]:
    """Reads the runs below a folder, or the folder of one run.

    The runs of the sweep come first, in the sweep's order. All other runs follow, by run_id.

    Args:
        folder: the folder of a sweep, any folder of runs, or the folder of one run.
        of_all_versions: whether to return the runs of other versions, too.

    Raises:
        FileNotFoundError, NotADirectoryError: the folder does not exist, or is a file.
        ValueError: the folder has no run, or no run of this version.
    """
    check_folder(folder)
    if (folder / "config.yaml").is_file():
        entries = [read_run(RunFolder(folder))]
    else:
        paths = {path.name: path for path in folders_with(folder, "config.yaml")}
        if not paths:
            holds = "no runs in it (a run's folder holds a config.yaml)"
            raise ValueError(f"{folder}: {holds}{_below(folder)}")
        sweep = SweepFile.read(folder)
        order = dict.fromkeys((*(sweep.configs if sweep else ()), *paths))
        entries = [read_run(RunFolder(paths[name])) for name in order if name in paths]
    current = entries if of_all_versions else of_this_version(entries)
    if not current:
        raise ValueError(f"{folder}: has no run of this version; {other_versions(entries)}")
    return current


def check_folder(folder: Path) -> None:
    """Raises FileNotFoundError or NotADirectoryError unless the folder exists."""
    if not folder.is_dir():
        if folder.exists():
            raise NotADirectoryError(f"{folder}: expected a folder, got a file")
        near = did_you_mean(folder.name, (p.name for p in folder.parent.glob("*") if p.is_dir()))
        raise FileNotFoundError(f"{folder}: no such folder (in {Path.cwd()}){near}")


def of_this_version(entries: Iterable[Entry]) -> list[Entry]:
    """Leaves out the runs of other versions."""
    return [entry for entry in entries if entry.state != OF_ANOTHER_VERSION]


def other_versions(entries: Iterable[Entry]) -> str:
    """Returns a count such as `4 runs of another version (seqsweep 0.1.0)`.

    The text is empty if all runs are of this version.
    """
    writers = [str(entry.error) for entry in entries if entry.state == OF_ANOTHER_VERSION]
    of = f"of another version ({', '.join(sorted(set(writers)))})"
    return f"{count(len(writers), 'run')} {of}" if writers else ""


def _below(folder: Path) -> str:
    """Returns the end of a message: which subfolders have runs."""
    configs = [path for depth in ("*/*", "*/*/*") for path in folder.glob(f"{depth}/config.yaml")]
    names = sorted({path.parent.parent.relative_to(folder).as_posix() for path in configs})
    folders = "folder" if len(names) == 1 else "folders"
    return f"; there are runs in its {folders} {listed(names)}" if names else ""


def read_run(folder: RunFolder) -> Entry:
    """Reads one run; if the run is done, reads only record.json."""
    record = folder.record()
    state = "incomplete" if record is not None else folder.state()
    if state in FINISHED:
        record = folder.record()  # the run has ended since the first look
    if record is not None:
        # A process killed between writing the record and releasing the lock leaves the lock file.
        remove_lock_of_finished_run(folder.path)
        return Entry(folder, record.status, record.config, record, record.error)
    try:
        config = dict(flatten(folder.config() or {}))
    except ValueError as error:  # a damaged config must not hide other runs
        say_once(str(error))
        return Entry(folder, "damaged", {}, NO_RECORD, str(error).removeprefix(f"{folder.path}/"))
    if state in (OF_ANOTHER_VERSION, "damaged"):
        _, what = folder.problem() or (state, None)
        return Entry(folder, state, config, NO_RECORD, what)
    failure = folder.failure()
    return Entry(folder, state, config, NO_RECORD, failure["error"] if failure else None)


_WRITERS = {"metrics.csv": "EpochCSVLogger", "checkpoints/best.ckpt": "BestAndLast"}
"""The files of a complete run, and the class in its config that writes each of them."""


def find_faults(entry: Entry) -> list[str]:
    """Returns what is wrong with a complete run's files, such as `metrics.csv is empty`."""
    run, config = entry.folder.path, entry.config
    classes = {str(v).rpartition(".")[2] for key, v in config.items() if key.endswith("_target_")}
    if config.get("trainer.fast_dev_run"):  # Lightning then saves and logs nothing
        classes.clear()
    names = [name for name, writer in _WRITERS.items() if writer in classes]
    if "RunTensorBoardLogger" in classes:
        names += [os.path.relpath(path, run) for path in event_files(run)] or [f"{PREFIX}*"]
    # `clean` may have deleted last.ckpt, and autograd cannot diagnose every network.
    if config.get("diagnostics") and read_object(run / "provenance.json").get("engine") == "native":
        names.append("diagnostics.json")
    names += [n for n in ("checkpoints/last.ckpt", "diagnostics.json") if os.path.lexists(run / n)]
    faults = [_fault(run, "config.yaml") or _config_fault(entry), *(_fault(run, n) for n in names)]
    return list(dict.fromkeys(filter(None, faults)))


def _fault(run: Path, name: str) -> str | None:
    """Returns why a file is not a regular file with content, or None."""
    status = stat_of(f"{run}/{name}")
    if status is None:
        return f"{name} is missing"
    if not stat.S_ISREG(status.st_mode):
        return f"{name} is not a regular file"
    return None if status.st_size else f"{name} is empty"


def _config_fault(entry: Entry) -> str | None:
    """Returns a text if config.yaml and the record disagree on what decides the result."""
    try:
        # Comparing texts takes a tenth of the time of parsing YAML.
        text = to_text(nested(entry.config)).encode()
        if read_bytes(entry.folder.path / "config.yaml") == text:
            return None
        config = entry.folder.config() or {}
    except (OSError, ValueError) as error:
        return str(error).removeprefix(f"{entry.folder.path}/")
    fingerprint = entry.record.data_fingerprint
    # The run may have been begun by a command with other values that decide nothing.
    if decisive(config, fingerprint) == decisive(entry.config, fingerprint):
        return None
    return "config.yaml is not the config of record.json"


def not_begun(
    planned: Mapping[str, FlatConfig], entries: Iterable[Entry]
) -> list[Mapping[str, Any]]:
    """Returns the configs planned by run_id that no run of the folder has."""
    begun = {entry.folder.run_id: entry.config for entry in entries}
    # Runs with the same run_id may have different configs: for example, the data were moved.
    return [config for run_id, config in planned.items() if begun.get(run_id) != config]


def differing_keys(configs: Sequence[FlatConfig]) -> list[str]:
    """Returns the keys that can change a result and differ between configs."""
    # Configs with the same keys in the same order are transposed, ten times as fast as `get`.
    layouts: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for config in configs:
        layouts.setdefault(tuple(config), []).append(config)
    columns: dict[str, tuple[Any, ...]] = {}
    for layout, group in layouts.items():
        for key, column in zip(layout, zip(*(c.values() for c in group), strict=True), strict=True):
            columns[key] = columns[key] + column if key in columns else column
    # A key that some configs lack is null in them.
    columns = {k: c if len(c) == len(configs) else (*c, None) for k, c in columns.items()}
    # A key that can change the result of one of the configs counts for all.
    ignored = min((without_influence(config) for config in configs), key=len, default=())
    return [
        key
        for key, column in columns.items()
        if not is_below(key, ignored) and not is_one_value(column)
        # data.seed=${seed} says the same as the seed.
        if not (key == "data.seed" and column == columns["seed"])
    ]


_ENCODER = json.JSONEncoder(sort_keys=True)


def value_key(value: Any) -> str:
    """Returns a text for a config value; 1, 1.0 and true differ."""
    # Most values are numbers and strings, and the encoder takes ten times as long for a number.
    is_plain = type(value) is int or (type(value) is float and math.isfinite(value))
    return repr(value) if is_plain else _ENCODER.encode(value)


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Shortens each dotted key to the fewest last parts that differ.

    >>> short_names(["model.hidden_size", "data.source.seed", "seed"])
    {'model.hidden_size': 'hidden_size', 'data.source.seed': 'source.seed', 'seed': 'seed'}
    """
    keys = list(keys)
    return {key: _shortest(key, keys) for key in keys}


def _shortest(key: str, keys: list[str]) -> str:
    """Returns the shortest end of a key that no other key has."""
    parts = key.split(".")
    for length in range(1, len(parts)):
        tail = ".".join(parts[-length:])
        if sum(f".{other}".endswith(f".{tail}") for other in keys) == 1:
            return tail
    return key
