"""What a config will be called, found before anything is trained and without importing torch."""

import functools
import json
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.config.build import build
from seqsweep.config.schema import Config
from seqsweep.data.contents import contents
from seqsweep.data.notes import notes
from seqsweep.data.prepare import check_batch_size, prepare
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.runs.identity import flatten, run_id
from seqsweep.runs.record import RunFolder
from seqsweep.training.size import check_network_size

_DATA_MODULE = "seqsweep.data.datamodule.SequenceDataModule"
_PREPARATION = ("val_fraction", "test_fraction", "split_seed", "standardize", "missing")


STOP_FILE = ".stop"
"""In a sweep's folder: no further member is to be started."""


class RunFailed(Exception):
    """Training failed after the run's folder was begun; the cause is the error."""

    def __init__(self, folder: Path, error: BaseException | str) -> None:
        if isinstance(error, str):
            super().__init__(f"the run diverged: {error} ({folder})")
        else:
            what = f"{type(error).__name__}: {error}"
            super().__init__(f"the run failed: {what} (traceback in {folder}/failure.json)")


class Interrupted(BaseException):
    """A signal ended the training at a batch boundary. Like KeyboardInterrupt, not an Exception."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


@dataclass(frozen=True)
class Member:
    """A checked config and what follows from it."""

    config: Config
    run_id: str
    data_fingerprint: str | None
    splits: dict[str, dict[str, Any]] | None = None
    """The `contents` of each split; None for data that cannot be read beforehand."""
    notes: tuple[str, ...] = ()
    """The notes on the data for the user, a line each."""

    def record(self, status: str, result: dict[str, Any]) -> dict[str, Any]:
        """What record.json says: the result, and all that a table needs to know of the config."""
        return {
            "run_id": self.run_id,
            "status": status,
            **result,
            "data_fingerprint": self.data_fingerprint,
            **({} if self.splits is None else {"splits": self.splits}),
            "config": dict(flatten(self.config)),
        }


@dataclass(frozen=True)
class Outcome:
    """A finished run.

    `trained` is False where its folder was complete already; `signum` is a signal that came too
    late to stop this run, but means whoever has more to do.
    """

    folder: RunFolder
    record: dict[str, Any]
    trained: bool
    signum: int | None = None


def finished(member: Member, root: Path) -> Outcome | None:
    """The run as it stands in `root`/run_id, if it is complete and `rerun` does not ask again."""
    folder = RunFolder(root / member.run_id)
    record = None if member.config["rerun"] else folder.record()
    return None if record is None else Outcome(folder, record, trained=False)


def monitored(record: dict[str, Any]) -> float | None:
    """The run's result in one number, for sweepers that read it."""
    return record.get("metrics", {}).get(record["config"]["monitor"])


def stop_if_asked(member: Member, root: Path) -> None:
    """A run has failed: no further one is started, if the sweep wants that."""
    if member.config["sweep"]["on_error"] == "stop":
        (root / STOP_FILE).touch()


@contextmanager
def out_of_memory_is_said() -> Generator[None]:
    """Turns numpy's and torch's errors for want of memory into an OSError of one line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise OSError(f"out of memory: {str(error).splitlines()[0]}") from error


@out_of_memory_is_said()
def plan(config: Config) -> Member:
    """Identifies a run and refuses data that it could not train on.

    Raises:
        ValueError, TypeError, OSError: what the source, `prepare` or `check_batch_size` refuse.
    """
    fingerprint = data_fingerprint(config)
    if fingerprint is None:
        return Member(config, run_id(config, None), None)
    splits = prepared(config)
    check_network_size(config, splits)
    held, lines = _described(splits)
    return Member(config, run_id(config, fingerprint), fingerprint, held, lines)


def data_fingerprint(config: Config) -> str | None:
    """The fingerprint of the sequences; None for a data module of the user's own.

    Raises:
        ValueError, TypeError, OSError: what the source refuses.
    """
    data = config["data"]
    if data.get("_target_") != _DATA_MODULE:
        return None
    if not isinstance(data.get("source"), dict):
        raise ValueError(f"data.source={data.get('source')}: must be a group with a _target_")
    return fingerprint_of(load_source(data["source"]))


def prepared(config: Config) -> Splits:
    """The splits that a run of ours trains on; made once for the runs of a sweep that share them.

    Raises:
        ValueError, TypeError, OSError: as `plan`.
    """
    data = config["data"]
    options = {key: data[key] for key in (*_PREPARATION, "batch_size") if key in data}
    return _prepared(load_source(data["source"]), json.dumps(options, sort_keys=True))


def load_source(source: Config) -> Splits:
    """The sequences of `data.source`; read once for the runs of a sweep that share them."""
    return _load_source(json.dumps(source, sort_keys=True), _state_of_files(source))


@functools.lru_cache(maxsize=8)
def fingerprint_of(source: Splits) -> str:
    """Returns `source.fingerprint()`, made once for the runs of a sweep that share the source."""
    return source.fingerprint()


def _state_of_files(source: Config) -> tuple[tuple[str, int, int], ...]:
    """Path, time and size of each file that the source names: a changed one is read again."""
    found = [(path, os.stat(path)) for path in _files(source).values()]
    return tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in found)


def data_files(data: Config) -> dict[str, str]:
    """The absolute paths of the files that a data section's source names, by the source's keys."""
    source = data.get("source")
    return _files(source) if isinstance(source, dict) else {}


def _files(source: Config) -> dict[str, str]:
    texts = {k: v for k, v in source.items() if isinstance(v, str) and k != "_target_"}
    paths = {key: Path(text).expanduser() for key, text in texts.items()}
    return {key: str(path.absolute()) for key, path in paths.items() if path.is_file()}


@functools.lru_cache(maxsize=8)
def _load_source(source: str, files: tuple[tuple[str, int, int], ...]) -> Splits:
    loaded = build(json.loads(source), "data.source")
    if isinstance(loaded, Sequences):
        return Splits(loaded)
    if not isinstance(loaded, Splits):
        raise TypeError(
            f"data.source: {json.loads(source)['_target_']} returned {type(loaded).__name__}; "
            "a source returns seqsweep.data.sequences.Splits or Sequences"
        )
    return loaded


@functools.lru_cache(maxsize=8)
def _prepared(source: Splits, arguments: str) -> Splits:
    """`Splits` are compared by identity."""
    options = json.loads(arguments)
    batch_size = options.pop("batch_size")
    splits = prepare(source, **options)
    check_batch_size(batch_size, splits)
    return splits


@functools.lru_cache(maxsize=8)
def _described(splits: Splits) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Contents and notes of prepared splits."""
    held = contents(splits)
    return held, notes(splits, held)
