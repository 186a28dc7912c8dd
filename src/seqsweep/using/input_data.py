"""Opens the run and reads the file of sequences that a command names.

N sequences, T steps, F features (channels).
"""

import argparse
import filecmp
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import yaml

from seqsweep.config.convert import convert
from seqsweep.config.messages import reworded
from seqsweep.config.signatures import signature_of
from seqsweep.console import say_error
from seqsweep.data.checks import Array, Int64, class_indices, label_array, label_texts
from seqsweep.data.files import RawPart, Stored, check_options, existing_file, read_file, source_of
from seqsweep.data.folders import has_matches
from seqsweep.data.raw import id_notes
from seqsweep.data.table_options import CSV_OPTIONS, NONE, ROLES, as_list
from seqsweep.data.text import has_header
from seqsweep.data.text import read as read_text
from seqsweep.data.windows import Windows, majority, windows_in
from seqsweep.runs.files import read_object
from seqsweep.text import count, did_you_mean, listed
from seqsweep.using.find_run import find_run
from seqsweep.using.load import Inputs, LoadedRun, load_run

_SOURCE = "seqsweep.data.tables.table"
_RUN_COLUMNS = ("id", "step", "label", "length", "target")
"""The options that name columns of a run's table; a new table may lack these columns."""

_RUN_SHAPE = ("form", "frame", "reshape", "unlabelled", "gap", "dayfirst", *CSV_OPTIONS)
"""The options of a run's table that a new table needs, too."""


@dataclass(frozen=True)
class InputData:
    """The raw sequences of one split of a file.

    Attributes:
        name: the file, with the split if the file has several.
        part: the arrays of the sequences: x (N, T, F), lengths and ids.
        labels: the class name of each sequence or window, empty for a window without one; None if
            the file has no labels.
        notes: the notes for the user of the data, one line each.
        windows: the windows that a run on windows cuts the sequences into.
    """

    name: str
    part: RawPart
    labels: list[str] | None
    notes: tuple[str, ...]
    windows: Windows | None = None

    def __len__(self) -> int:
        return len(self.part.x if self.windows is None else self.windows.rows)

    @property
    def units(self) -> Array | None:
        """The group or recording of each window, (M,); None without windows."""
        if self.windows is None:
            return None
        of = self.windows.recordings
        return of if self.part.groups is None else self.part.groups[of]

    @functools.cached_property
    def columns(self) -> dict[str, list[Any]]:
        """The columns that name each sequence: ids or positions, and a window's steps."""
        ids: Array = np.arange(len(self.part.x)) if self.part.ids is None else self.part.ids
        ids = ids if self.windows is None else ids[self.windows.recordings]
        names = ids.dtype.names  # of several columns
        columns = {name: _plain(ids[name]) for name in names} if names else {"id": _plain(ids)}
        if self.windows is not None:
            first = self.windows.first
            columns["first_step"] = first.tolist()
            columns["last_step"] = (first + self.windows.rows - 1).tolist()
        return columns


def _plain(ids: Array) -> list[Any]:
    """Returns ids as numbers or texts."""
    if ids.dtype.kind == "S":
        return np.char.decode(ids, "utf-8", "replace").tolist()
    # JSON cannot hold ids of other types, such as dates, so these become texts.
    return ids.tolist() if ids.dtype.kind in "iu" else ids.astype(np.str_).tolist()


class Labelled(NamedTuple):
    """The name, inputs with labels, and `Sequences.units` of DATA or of a split."""

    name: str
    batches: Iterable[tuple[Inputs, Int64]]
    units: Array | None


def open_run(options: argparse.Namespace) -> tuple[LoadedRun, str | None]:
    """Loads the run by the options `run`, `checkpoint` and `allow`.

    Also returns how the run was chosen, and prints this on stderr.

    Raises:
        FileNotFoundError, ValueError: see `find_run` and `load_run`.
    """
    path, choice = find_run(options.run)
    if options.checkpoint is not None and path.is_file():
        raise ValueError(
            f"--checkpoint={options.checkpoint}: {path} is a file, which holds one network"
        )
    run = load_run(path, options.checkpoint or "best", options.allow)
    if choice is not None:
        say_error(f"{path}: {choice}")
    return run, choice


def open_data(
    path: str, words: Sequence[str], run: LoadedRun, split: str | None, labelled: bool
) -> InputData:
    """Reads a file, and checks that its sequences fit the run.

    Args:
        path: see `read_file`.
        words: options to read the file, as `KEY=VALUE`.
        split: the name of a split of the file; None takes the only split, or `test`.
        labelled: False accepts sequences without labels.

    Raises:
        FileNotFoundError, ValueError, TypeError: the file cannot be read, or does not fit the run.
    """
    stored = _stored(path, words, run, labelled)
    name = _chosen(stored, split, path)
    part = stored.parts[name]
    _check_channels(stored, part, run)
    size = len(part.x)
    if part.ids is not None and part.ids.shape != (size,):
        raise ValueError(f"{part.where}: ids has shape {part.ids.shape}; must be ({size},)")
    if run.transform.window is None and part.row_labels is not None:
        if part.label_change and not run.config["data"].get("per_step"):
            raise ValueError(part.label_change)
        part = part._replace(labels=None)
    labels = None
    if part.labels is not None:
        labels = _label_names(part.labels, part.where, stored.class_names, run.class_names)
    where = f"{path} ({name})" if len(stored.parts) > 1 else path
    notes = (*stored.notes, *id_notes(part), *_note_on_training(path, name, run))
    data = InputData(where, part, labels, notes)
    return data if run.transform.window is None else _cut(data, run, labelled)


def _cut(data: InputData, run: LoadedRun, labelled: bool) -> InputData:
    """Returns the windows of sequences; only those with labels if `labelled`."""
    part, transform = data.part, run.transform
    assert transform.window is not None
    lengths = np.full(len(part.x), part.x.shape[1]) if part.lengths is None else part.lengths
    windows = windows_in(np.asarray(lengths, np.int64), transform.window, transform.stride)
    if data.labels is None or part.row_labels is None:
        labels = data.labels and [data.labels[n] for n in windows.recordings]
        return replace(data, labels=labels, windows=windows)
    names = _label_names(part.row_names, part.where, None, run.class_names)
    labels = np.array([*names, ""])[majority(part.row_labels, windows, len(names))]
    if not (labels != "").any():
        if labelled:
            size = transform.window
            raise ValueError(f"{data.name}: no window of {size} rows has a label in all rows")
        return replace(data, labels=None, windows=windows)
    if labelled:
        windows, labels = windows.select(labels != ""), labels[labels != ""]
    return replace(data, labels=labels.tolist(), windows=windows)


def _stored(path: str, words: Sequence[str], run: LoadedRun, labelled: bool) -> Stored:
    """Reads a file of texts or of numbers with the settings of the run."""
    source = run.config["data"].get("source")
    source = source if isinstance(source, dict) else {}
    if run.vocabulary is None:
        target = source_of(path)
        options = reading_options(words, path, target)
        if target != _SOURCE:
            return read_file(path, labelled=labelled, **options)
        try:
            return read_file(
                path, labelled=labelled, **_columns_of_run(run, path, options, labelled)
            )
        except (ValueError, TypeError) as error:
            # The options of a command have no prefix, because they are not keys of a config.
            text, decimal = str(error).replace("data.source.", ""), source.get("decimal") or "."
            if " is not a number;" in text and decimal != "." and "decimal" not in options:
                text = f"{text.rpartition(';')[0]}, as the run was trained with decimal={decimal!r}"
                text += "; give decimal=. if this file has points"
            if "=COLUMN names the label column" in text:
                text += "; predict needs no labels"
            raise reworded(error, text) from None
    # The file has the columns of the training file, unless the options name other columns.
    columns = {key: source.get(key) for key in ("text_column", "label_column")}
    if not has_header(existing_file(path), columns):
        columns = {}
    named = reading_options(words, path, "seqsweep.data.text.read_texts")
    # A label column that the options name must exist.
    needed = labelled or "label_column" in named
    return read_text(path, run.vocabulary, **(columns | named), labelled=needed)


def _columns_of_run(
    run: LoadedRun, path: str, given: Mapping[str, Any], labelled: bool
) -> dict[str, Any]:
    """Returns the options to read a table like the run's own.

    New data may lack the label, and may have columns that the training data did not have. So the
    columns of the channels are selected by their names, and are not guessed.

    Args:
        run: a run on any source; if it is not a table, only its channel names are used.
        path: the csv or parquet file.
        given: the user's options, which take precedence.
    """
    from seqsweep.data.table_rows import open_table  # needs pyarrow

    source = run.config["data"].get("source")
    if not isinstance(source, dict) or source.get("_target_") != _SOURCE:
        source = {}
    options = {key: source[key] for key in _RUN_SHAPE if source.get(key) is not None}
    if has_matches(path, source.get("pattern")):
        options["pattern"] = source["pattern"]
    merged = {**options, **given}
    keys = ("pattern", "labels", *CSV_OPTIONS)
    table = open_table(path, **{key: merged[key] for key in keys if key in merged})
    # Groups only have an effect on intervals over windows, so other uses need no such column.
    has_groups = labelled and run.transform.window is not None
    columns = (*_RUN_COLUMNS, "group") if has_groups else _RUN_COLUMNS
    named = {key: source[key] for key in columns if source.get(key) is not None}
    options |= {key: of for key, of in named.items() if {*as_list(of)} <= {*table.names}}
    # The folders of new recordings need not be classes, as in `new/monday/a.csv`.
    classes = {*table.texts.get("{label}", ())}
    if classes and not labelled and "pattern" not in given and classes.isdisjoint(run.class_names):
        options["label"] = NONE
    channels = list(run.source_channels)
    if set(channels) <= set(table.names):
        # In a wide table the columns are not named after the channels, so this table is long.
        options = {"form": "long", **options, "features": channels}
    elif source.get("features") is not None:
        options["features"] = source["features"]
    return {**options, **given}


def reading_options(words: Sequence[str], path: str, target: str) -> dict[str, Any]:
    """Converts options `KEY=VALUE` to the types that a file's reader expects.

    Args:
        target: the dotted name of a function with these arguments.

    Raises:
        ValueError: the target lacks an option, or a value has the wrong type.
    """
    parameters = signature_of(target).parameters
    options: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise ValueError(f"{word}: must be KEY=VALUE, an option to read {path}")
        check_options([key], list(parameters), path)
        try:  # the braces of a pattern are not those of YAML
            value = text.strip("'\"") if key == "pattern" else yaml.safe_load(text)
        except yaml.YAMLError:
            raise ValueError(f"{word}: cannot be read as YAML; put the value in quotes") from None
        if isinstance(value, bool) and key in ROLES:  # YAML means false by No, a usual name
            value = text
        options[key] = convert(value, parameters[key].annotation, key)
    return options


def _note_on_training(path: str, split: str, run: LoadedRun) -> list[str]:
    """Returns a warning line if the run was trained on this file."""
    if run.folder is None or split != "train":
        return []
    files = read_object(run.folder / "provenance.json").get("data_files")
    trained = str(files.get("path")) if isinstance(files, dict) else ""
    file = Path(path).expanduser()
    if not (file.exists() and Path(trained).exists()):
        return []
    kind = "folder" if file.is_dir() else "file"
    is_same = file.samefile(trained)
    if not is_same and (kind == "folder" or not filecmp.cmp(file, trained, shallow=False)):
        return []
    return [f"{path}: the run was trained on this {kind}, so scores on it are optimistic"]


def _chosen(stored: Stored, split: str | None, path: str) -> str:
    names = list(stored.parts)
    if split is None:
        if len(names) == 1 or "test" in names:
            return names[0] if len(names) == 1 else "test"
        raise ValueError(f"{path}: has the splits {listed(names)}; choose one: --split {names[0]}")
    if split not in names:
        hint = did_you_mean(split, names)
        raise ValueError(f"--split={split}: {path} has only {listed(names)}{hint}")
    return split


def _check_channels(stored: Stored, part: RawPart, run: LoadedRun) -> None:
    """Refuses channels that differ from the run's training channels."""
    channels, expected = part.x.shape[-1], len(run.source_channels)
    if channels != expected:
        is_turned = part.x.ndim == 3 and part.x.shape[1] == expected
        hint = "; it looks like channels first: layout=channels_first" if is_turned else ""
        raise ValueError(
            f"{part.where}: has {count(channels, 'channel')}, but {run.checkpoint} was trained on"
            f" {expected}: {listed(run.source_channels)}{hint}"
        )
    names = stored.channel_names
    default = tuple(f"channel_{index}" for index in range(channels))
    # Names are compared only if both the file and the training data of the run have names.
    if names is None or names == run.source_channels or default in (names, run.source_channels):
        return
    is_order = sorted(names) == sorted(run.source_channels)
    problem = "has its channels in another order" if is_order else "has other channels"
    raise ValueError(
        f"{part.where}: {problem}: {listed(names)}; {run.checkpoint} was trained on"
        f" {listed(run.source_channels)}"
    )


def _label_names(
    given: npt.ArrayLike, where: str, own_names: tuple[str, ...] | None, run_names: tuple[str, ...]
) -> list[str]:
    """Returns each label's class name, which the run may not know.

    Args:
        own_names: the class names of the file, if it has any.
    """
    labels = label_array(given, where)
    if own_names is not None:
        return [own_names[index] for index in class_indices(labels, own_names, where)]
    texts = label_texts(labels, where)
    # A label that the run does not know keeps its text. `predict` counts it as a wrong prediction.
    try:  # whole numbers may be positions in the class names of the run
        return [run_names[index] for index in class_indices(labels, run_names, where)]
    except ValueError:
        return texts.tolist()
