"""A folder of runs: which there are, how each stands, in which keys their configs differ."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.runs.files import folders_with, say_once
from seqsweep.runs.identity import WITHOUT_INFLUENCE, flatten, is_below, is_one_value
from seqsweep.runs.lock import remove_dead_lock
from seqsweep.runs.run_folder import RunFolder, State
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.suggest import did_you_mean


@dataclass(frozen=True)
class Entry:
    """One run: folder, state, flat config; the record if done, the error if there is one."""

    folder: RunFolder
    state: State
    config: dict[str, Any]
    record: dict[str, Any] | None
    error: str | None


def read_folder(folder: Path) -> list[Entry]:
    """The runs below a folder, or the one run that it is itself.

    In the order of the sweep, then what else lies there, by run_id.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no run in it.
    """
    if not folder.is_dir():
        if folder.exists():
            raise NotADirectoryError(f"{folder}: is a file, not a folder")
        near = did_you_mean(folder.name, (p.name for p in folder.parent.glob("*") if p.is_dir()))
        raise FileNotFoundError(f"{folder}: no such folder (in {Path.cwd()}){near}")
    if (folder / "config.yaml").is_file():
        return [read_run(RunFolder(folder))]
    paths = {path.name: path for path in folders_with(folder, "config.yaml")}
    if not paths:
        raise ValueError(
            f"{folder}: no runs in it (a run's folder holds a config.yaml){_below(folder)}"
        )
    sweep = SweepFile.read(folder)
    order = dict.fromkeys((*(sweep.configs if sweep else ()), *paths))
    return [read_run(RunFolder(paths[name])) for name in order if name in paths]


def _below(folder: Path) -> str:
    """Names the folders of runs that a folder without runs holds: `outputs/sweeps` is one."""
    found = sorted({path.parent.parent.name for path in folder.glob("*/*/config.yaml")})
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    folders = "folder" if len(found) == 1 else "folders"
    return f"; there are runs in its {folders} {', '.join(found[:5])}{more}" if found else ""


def read_run(folder: RunFolder) -> Entry:
    """One run, from record.json alone when it is done."""
    record = folder.record()
    state = "incomplete" if record is not None else folder.state()
    if state in ("complete", "diverged"):
        record = folder.record()  # it has ended since we looked
    if record is not None:
        remove_dead_lock(folder.path)
        return Entry(folder, record["status"], record["config"], record, record.get("error"))
    try:
        config = dict(flatten(folder.config() or {}))
    except ValueError as error:  # one run's damaged config is to hide no other run
        say_once(str(error))
        return Entry(folder, "damaged", {}, None, str(error).removeprefix(f"{folder.path}/"))
    if state == "damaged":
        return Entry(folder, state, config, None, folder.damage())
    failure = folder.failure()
    return Entry(folder, state, config, None, failure["error"] if failure else None)


def differing_keys(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The keys that decide a result and do not have one value in all configs, in their order."""
    keys: dict[str, None] = {}
    for config in configs:
        keys |= dict.fromkeys(config)
    return [
        key
        for key in keys
        if not is_below(key, WITHOUT_INFLUENCE) and not is_one_value([c.get(key) for c in configs])
    ]


_ENCODER = json.JSONEncoder(sort_keys=True)


def value_key(value: Any) -> str:
    """A text that two config values share only if they are the same: 1, 1.0 and true are not."""
    # Most values are integers and texts, and for an integer the encoder takes ten times as long.
    return repr(value) if type(value) is int else _ENCODER.encode(value)


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Each dotted key by its last part, or by as many parts as it takes to tell them apart.

    >>> short_names(["model.hidden_size", "data.source.seed", "seed"])
    {'model.hidden_size': 'hidden_size', 'data.source.seed': 'source.seed', 'seed': 'seed'}
    """
    keys = list(keys)
    return {key: _shortest(key, keys) for key in keys}


def _shortest(key: str, keys: list[str]) -> str:
    parts = key.split(".")
    for count in range(1, len(parts)):
        tail = ".".join(parts[-count:])
        if sum(other == tail or other.endswith(f".{tail}") for other in keys) == 1:
            return tail
    return key
