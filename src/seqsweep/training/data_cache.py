"""The data of planned runs, loaded once. Imports no torch."""

import functools
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqsweep.config.instantiate import build
from seqsweep.config.schema import Config
from seqsweep.config.signatures import signature_of
from seqsweep.data.prepare import check_batch_size, prepare
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms.of_splits import check_augmentation
from seqsweep.data.transforms.options import shaping_options, transform_of

DATA_MODULE = "seqsweep.data.datamodule.SequenceDataModule"
_PREPARATION = (
    "val_fraction",
    "test_fraction",
    "split_seed",
    "folds",
    "fold",
    "standardize",
    "missing",
)

_SMALL = 2**22
"""The bytes of a source whose prepared splits are kept in large numbers."""


@contextmanager
def translate_memory_errors() -> Generator[None]:
    """Turns numpy's and torch's out-of-memory errors into an OSError of one line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # torch raises a RuntimeError if memory runs out; any other one is passed on.
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise OSError(f"out of memory: {str(error).splitlines()[0]}") from error


def source_fingerprint(data: Config) -> str:
    """Returns the fingerprint of the sequences of a source.

    Raises:
        ValueError, TypeError, OSError: the source refuses its arguments or files.
    """
    if not isinstance(data.get("source"), dict):
        raise ValueError(f"data.source={data.get('source')}: must be a group with a _target_")
    return fingerprint_of(load_source(data["source"]))


def build_data(config: Config) -> Any:
    """Builds the DataModule; runs of one process share its source."""
    section = config["data"]
    injected: dict[str, Any] = {}
    if "source" in section:
        injected["source"] = load_source(section["source"])
    if "seed" in signature_of(section["_target_"]).parameters and section.get("seed") is None:
        injected["seed"] = config["seed"]
    return build(section, "data", **injected)


def prepared(config: Config) -> Splits:
    """Returns the prepared splits of a run, made once.

    Raises:
        ValueError, TypeError, OSError: see `plan`.
    """
    data = config["data"]
    options = {key: data[key] for key in _PREPARATION if key in data}
    # Runs that differ only in what training does to the sequences share the prepared splits.
    options["transform"] = shaping_options(data.get("transform"))
    source = load_source(data["source"])
    size = sum(part.x.nbytes for part in source.parts.values())
    cached = _prepared_of_small if size <= _SMALL else _prepared
    splits = cached(source, json.dumps(options, sort_keys=True))
    check_augmentation(transform_of(data.get("transform")), splits.train)
    if data["batch_size"] != "auto":
        check_batch_size(data["batch_size"], splits)
    return splits


def load_source(source: Config) -> Splits:
    """Returns the sequences of `data.source`, read once."""
    return _load_source(json.dumps(source, sort_keys=True), state_of_files(source))


@functools.lru_cache(maxsize=8)
def fingerprint_of(source: Splits) -> str:
    """Returns `source.fingerprint()`, computed once for each source."""
    return source.fingerprint()


def forget_sources() -> None:
    """Frees the data of all sources."""
    for cached in (_load_source, fingerprint_of, _prepared, _prepared_of_small):
        cached.cache_clear()


def state_of_files(source: Config) -> tuple[tuple[str, int, int], ...]:
    """Returns path, time and size of each file that a section names.

    They are part of a cache's key, so that a changed file is read again.
    """
    files = [(path, os.stat(path)) for path in _files(source).values()]
    return tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in files)


def data_files(data: Config) -> dict[str, str]:
    """Returns the absolute paths of a source's files, by its keys."""
    source = data.get("source")
    return _files(source) if isinstance(source, dict) else {}


def _files(source: Config) -> dict[str, str]:
    # Any text that is the path of a file counts: a user's own source may name its arguments freely.
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


def _prepare(source: Splits, arguments: str) -> Splits:
    """Prepares splits; `Splits` are compared by identity, so a cache holds each source once."""
    return prepare(source, **json.loads(arguments))


_prepared = functools.lru_cache(maxsize=8)(_prepare)
# The members of a cross-validation have many splits of one source in turn.
_prepared_of_small = functools.lru_cache(maxsize=128)(_prepare)
