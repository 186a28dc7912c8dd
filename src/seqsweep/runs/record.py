"""The record of a run that has ended, and the reader of record.json."""

import contextlib
import functools
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

from seqsweep.errors import Damaged
from seqsweep.runs.documents import unsealed
from seqsweep.runs.files import JsonObject, parse_json, read_bytes
from seqsweep.runs.identity import SEMANTICS, Config

State = Literal[
    "complete", "diverged", "pruned", "running", "interrupted", "failed", "incomplete", "damaged",
    "of another version",
]  # fmt: skip
"""The state of a run.

`complete` and `diverged` runs are done: the same config would end in the same way again. A `pruned`
run was ended early by a search, which counts it as done; any other command resumes it. A process
holds the lock of a `running` run. A signal ended an `interrupted` run, and an error a `failed` one.
An `incomplete` run was paused or killed: no process trains it, and no file says why it ended. The
record.json of a `damaged` run has changed since it was written; the run is trained again. A run `of
another version` of this program is not done, and this version cannot resume it."""

_OBJECTS: Mapping[str, tuple[str, ...]] = {
    "complete": ("config", "metrics"),
    "diverged": ("config",),
    "pruned": ("config", "metrics", "pruned"),
}
"""The keys that must hold a JSON object in a record with this status."""

FINISHED = frozenset(_OBJECTS)
"""The states of runs that have a record."""

Direction = Literal["min", "max"]


class Pruned(NamedTuple):
    """The reason why a search has pruned a run, which means: ended it early.

    Attributes:
        epoch: the number of finished epochs after which the run was judged.
        value: the best value of its monitored metric in these epochs; None without validation.
        threshold: the worst allowed value; None if the run was compared with other runs.
    """

    epoch: int
    value: float | None
    threshold: float | None


class Split(TypedDict, total=False):
    """The values of one split in a record; the last three are of windows."""

    sequences: int
    fingerprint: str
    also_in_train: int
    recordings: int
    groups: int
    by_recording: str


@dataclass(frozen=True, slots=True)
class Record:
    """The content of a record.json; callers must not change it.

    Results are missing for a run that diverged, and an attribute is missing or empty if the value
    in the file has another type.

    Attributes:
        content: the whole object, with any keys that other programs have added.
        config: the values by dotted key.
        metrics: the metrics of the best epoch and of the test split; `metrics_in` orders them.
        directions: which direction of a metric is better, or None where it is unknown.
        epochs, steps: the number of trained epochs and of optimizer steps.
        params: the number of trained parameters.
        num_train: the number of training sequences.
        confusion: the confusion matrix of each evaluated split; the rows are true `classes`.
        by_length: the accuracy of test in ranges of lengths; empty if all are equal.
        error, epoch: why and in which epoch a run diverged.
        engine, device: what has trained the run.
        data_fingerprint: a hash of the data that the run was trained on.
        recordings: a hash of the source of the data.
        splits: what is known about each split; empty for data of a user's own module.
    """

    content: JsonObject = field(default_factory=JsonObject)
    status: State = "incomplete"
    config: Config = field(default_factory=Config)
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    directions: dict[str, Direction | None] = field(default_factory=dict[str, Direction | None])
    best_epoch: int | None = None
    epochs: int | None = None
    steps: int = 0
    params: int | None = None
    train_seconds: float | None = None
    samples_per_s: float | None = None
    num_train: int | None = None
    pruned: Pruned | None = None
    classes: list[str] = field(default_factory=list[str])
    confusion: dict[str, list[list[int]]] = field(default_factory=dict[str, list[list[int]]])
    by_length: list[JsonObject] = field(default_factory=list[JsonObject])
    error: str | None = None
    epoch: int | None = None
    engine: str | None = None
    device: str | None = None
    data_fingerprint: str | None = None
    recordings: str | None = None
    splits: dict[str, Split] = field(default_factory=dict[str, Split])
    digest: str | None = None

    @classmethod
    def of(cls, content: JsonObject) -> "Record":
        """Returns the record with the content of a record.json."""
        values = {
            name: value
            for name, value in content.items()
            if name in _TYPES and isinstance(value, _TYPES[name])
        }
        if "pruned" in values:
            values["pruned"] = Pruned(*map(values["pruned"].get, Pruned._fields))
        return cls(content, **values)


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("config", "metrics", "directions", "pruned", "confusion", "splits"), dict),
    **dict.fromkeys(("best_epoch", "epochs", "steps", "params", "num_train", "epoch"), int),
    **dict.fromkeys(("train_seconds", "samples_per_s"), (int, float)),
    **dict.fromkeys(("status", "error", "engine", "device", "data_fingerprint"), str),
    **dict.fromkeys(("recordings", "digest"), str),
    **dict.fromkeys(("classes", "by_length"), list),
}

NO_RECORD = Record()
"""The record of a run that is not done."""


class OfAnotherVersion(Exception):
    """A record has another number of SEMANTICS."""


def read_record(path: Path) -> Record:
    """Reads a record.json.

    Raises:
        OSError: the file does not exist, or cannot be read.
        Damaged: the file does not hold what `RunFolder.finish` wrote.
        OfAnotherVersion: another version has written it.
    """
    return _record_of(read_bytes(path), path)


@functools.lru_cache(maxsize=4096)
def _record_of(data: bytes, path: Path) -> Record:
    """Returns the record in a file's bytes."""
    # The end of a sweep asks for each record several times, so the last ones are kept.
    try:
        content = unsealed(data, path)
    except Damaged:
        # Another version may have written the record without a digest, or with another digest.
        with contextlib.suppress(Damaged):
            if is_of_another_version(parse_json(data, path)):
                raise OfAnotherVersion from None
        raise
    if is_of_another_version(content):
        raise OfAnotherVersion
    # A run may be copied to a folder with any name that is not the run_id of another run.
    name = path.parent.name
    if content.get("run_id", name) != name and re.fullmatch("[0-9a-f]{16}", name):
        raise Damaged(f"{path}: is the record of run {content['run_id']}")
    status = content.get("status")
    if not isinstance(status, str) or status not in _OBJECTS:
        raise Damaged(f"{path}: its status must be complete, diverged or pruned")
    for key in _OBJECTS[status]:
        if not isinstance(content.get(key), dict):
            raise Damaged(f"{path}: {key} must be a JSON object")
    # Thousands of records share most keys and texts, which would take half of the memory.
    content["config"] = {
        sys.intern(key): sys.intern(value) if type(value) is str else value
        for key, value in content["config"].items()
    }
    return Record.of(content)


def is_of_another_version(content: object) -> bool:
    """Returns whether another version wrote a record or provenance.json."""
    return isinstance(content, dict) and bool(content) and content.get("semantics") != SEMANTICS
