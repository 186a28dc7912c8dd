"""Loads the data of runs, once for equal data. Imports no torch (which is slow)."""

import functools
import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from seqsweep.config.instantiate import build
from seqsweep.config.own_module import has_loader, imported, names_module
from seqsweep.config.schema import Config
from seqsweep.config.signatures import signature_of
from seqsweep.data.folders import state
from seqsweep.data.info import contents, notes
from seqsweep.data.prepare import prepare
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms import shaping_options
from seqsweep.errors import DataError, raised_as
from seqsweep.runs.identity import DATA_MODULE, MODULE_DATA

DATA_STREAM = (0, "data")
"""The random stream in which a data module of the user is built and set up.

It is the same for all seeds of a run, so that a `random_split` in `setup` gives equal splits.
"""

_PREPARATION = (
    "val_fraction", "test_fraction", "split_seed", "folds", "fold", "standardize", "missing",
    "split_by", "per_step",
)  # fmt: skip

_TABLE = "seqsweep.data.tables.table"
"""The source that reads folders, too."""

_SMALL = 2**22
"""The size in bytes up to which a source is small: many of its prepared splits are kept."""


class Data:
    """A source of sequences, and the splits that are prepared from it.

    Args:
        options: the arguments of `prepare`, as JSON.
    """

    def __init__(self, source: Splits, options: str) -> None:
        self.source = source
        self._options = options

    @property
    def fingerprint(self) -> str:
        """The hash of the sequences of the source, which is part of a run_id."""
        return _fingerprint(self.source)

    @functools.cached_property
    @raised_as(DataError)
    def prepared(self) -> Splits:
        """The splits that a run trains on."""
        return prepare(self.source, **json.loads(self._options))

    @functools.cached_property
    def contents(self) -> dict[str, dict[str, Any]]:
        """The size and fingerprint of each prepared split."""
        return contents(self.prepared)

    @functools.cached_property
    def notes(self) -> tuple[str, ...]:
        """The notes for the user of the data, one line each."""
        return notes(self.prepared, self.contents)


_fingerprint = functools.lru_cache(maxsize=8)(Splits.fingerprint)
_data = functools.lru_cache(maxsize=8)(Data)
# The members of a cross-validation use many splits of one source in turn.
_small_data = functools.lru_cache(maxsize=128)(Data)


@raised_as(DataError)
def data_of(section: Config) -> Data:
    """Returns the data of a section `data`, shared by runs with equal preparation.

    Raises:
        DataError, OSError: the source is not a group, or refuses arguments or files.
    """
    source = _source(section)
    options = {key: section[key] for key in _PREPARATION if key in section}
    # Runs that differ only in what training does to the sequences share the prepared splits.
    options["transform"] = shaping_options(section.get("transform"))
    size = sum(part.x.nbytes for part in source.parts.values())
    # `Splits` are compared by identity, so each source has its own data.
    kept = _small_data if size <= _SMALL else _data
    return kept(source, json.dumps(options, sort_keys=True))


def forget_data() -> None:
    """Frees the data of all runs."""
    for cached in (_load, _fingerprint, _data, _small_data):
        cached.cache_clear()


def build_data(config: Config) -> Any:
    """Builds the DataModule of a config; runs of one process share its source."""
    section = config["data"]
    injected: dict[str, Any] = {}
    if "source" in section:
        injected["source"] = _source(section)
    is_ours = section["_target_"] == DATA_MODULE
    seed = signature_of(section["_target_"]).parameters.get("seed")
    if seed and (seed.required or is_ours) and section.get("seed") is None:
        injected["seed"] = config["seed"]
    if is_ours:
        return build(section, "data", **injected)
    # torch takes a second to import, but the module of the user imports it anyway.
    from seqsweep.seeding import global_stream

    with global_stream(*DATA_STREAM):
        return build(section, "data", **injected)


def dataloader_of(data: Any, split: str) -> Any:
    """Returns the dataloader of a split, after the data module's `prepare_data` and `setup`."""
    from seqsweep.seeding import restored_generators, seed_globals  # late, as in `build_data`

    with restored_generators():
        # As in a run: the stream begins again before the training and before the test.
        for stage in ("fit", "test") if split == "test" else ("fit",):
            seed_globals(*DATA_STREAM)
            data.prepare_data()
            data.setup(stage)
        return getattr(data, f"{split}_dataloader")()


def _source(section: Config) -> Splits:
    """Returns the sequences of `data.source`, read once."""
    source = section.get("source")
    if not isinstance(source, dict):
        raise ValueError(f"data.source={source}: must be a group with a _target_")
    return _load(json.dumps(source, sort_keys=True), _state_of_files(source))


@functools.lru_cache(maxsize=8)
def _load(source: str, files: tuple[tuple[str, int, int], ...]) -> Splits:
    loaded = build(json.loads(source), "data.source")
    if isinstance(loaded, Sequences):
        return Splits(loaded)
    if not isinstance(loaded, Splits):
        kind = type(loaded).__name__
        raise TypeError(f"data.source: must return Splits or Sequences of seqsweep, got {kind}")
    return loaded


def _state_of_files(section: Config) -> tuple[tuple[str, int, int], ...]:
    """Returns path, time and size of each file that a section reads.

    These values are part of a cache's key, so that a changed file is read again.
    """
    return tuple(one for path in data_files(section).values() for one in state(path))


def data_files(section: Config) -> dict[str, str]:
    """Returns the absolute path of each file that a section names, by key.

    The path of a folder counts only where the source reads its files.
    """
    # Any text that is the path of a file counts: a user's own source may name its arguments freely.
    texts = {k: v for k, v in section.items() if isinstance(v, str) and k != "_target_"}
    paths = {key: Path(text).expanduser() for key, text in texts.items()}
    folders = ("path", "test_path") if section.get("_target_") == _TABLE else ()
    is_read = {
        key: path.is_file() or (key in folders and path.is_dir()) for key, path in paths.items()
    }
    return {key: str(path.absolute()) for key, path in paths.items() if is_read[key]}


@contextmanager
def translate_memory_errors() -> Generator[None]:
    """Turns numpy's and torch's out-of-memory errors into an OSError of one line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # If memory runs out, torch raises a RuntimeError. Other RuntimeErrors are passed on.
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise OSError(f"out of memory: {str(error).splitlines()[0]}") from error


class OwnData(NamedTuple):
    """The sizes and names of a user's LightningDataModule that holds no `Splits`.

    A size is None if the module does not have it as an attribute.
    """

    input_size: int | None
    num_classes: int | None
    names: tuple[str, ...]
    """The splits for which the module has a dataloader."""
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    vocabulary: None = None
    scaling: None = None


def outline(data: Any, target: str, model: Config | None = None) -> Splits | OwnData:
    """Returns the `Splits` of a data module, or else its sizes and names.

    Args:
        model: the section `model`, which may have sizes that the data module lacks.

    Raises:
        TypeError, ValueError: `data` is not a LightningDataModule, or lacks a valid attribute.
    """
    if isinstance(splits := getattr(data, "splits", None), Splits):
        return splits
    # Lightning takes a second to import, but the module of the user has imported it already.
    from lightning import LightningDataModule as Base

    where = f"data._target_={target}"
    if not isinstance(data, Base):
        kind = type(data).__name__
        raise TypeError(f"{where}: must make a lightning.LightningDataModule, got {kind}")
    model, sizes = model or {}, dict[str, Any]()
    is_own = names_module(model.get("_target_"))
    for name in ("input_size", "num_classes"):
        with suppress(Exception):  # a property may need `setup`
            sizes[name] = getattr(data, name)
        size = sizes.setdefault(name, model.get(name))
        if size is not None and not (isinstance(size, int) and size > 0):
            if model and not is_own:
                raise ValueError(f"{where}: {name}={size}: must be a whole number of at least 1")
            sizes[name] = None  # such as the shape of an image
    kind = imported(model["_target_"], "model") if is_own and target == MODULE_DATA else data
    has = [name for name in ("train", "val", "test") if has_loader(kind, name)]
    classes = tuple(map(str, range(sizes["num_classes"] or 0)))
    channels = tuple(f"channel_{f}" for f in range(sizes["input_size"] or 0))
    return OwnData(sizes["input_size"], sizes["num_classes"], tuple(has), classes, channels)


@raised_as(DataError)
def data_fingerprint(config: Config) -> str | None:
    """Returns the data's fingerprint; None if a user's module has none.

    Raises:
        DataError, OSError: the data cannot be read, or see `outline`.
    """
    section = config["data"]
    if section.get("_target_") == DATA_MODULE:
        return _fingerprint(_source(section))
    # The module is built once for all seeds, because their data are the same.
    return _own_fingerprint(json.dumps(section, sort_keys=True), _state_of_files(section))


@functools.lru_cache(maxsize=64)
def _own_fingerprint(section: str, files: tuple[tuple[str, int, int], ...]) -> str | None:
    config: Config = {"data": json.loads(section), "seed": 0}
    data, target = build_data(config), config["data"]["_target_"]
    outline(data, target)
    fingerprint = getattr(data, "fingerprint", None)
    if fingerprint is not None and not isinstance(fingerprint, str):
        raise TypeError(f"data._target_={target}: fingerprint={fingerprint!r}: must be text")
    return fingerprint
