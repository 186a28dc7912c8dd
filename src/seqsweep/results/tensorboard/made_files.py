"""Makes event files from TensorBoard's protobufs, and links to all event files.

The name of a made file identifies its content. So a file that exists is not written again, and two
processes that write at the same time write the same content.
"""

import contextlib
import hashlib
import importlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.plugins.hparams import metadata
from tensorboard.util.tensor_util import make_tensor_proto

from seqsweep.results.formatting import key_names
from seqsweep.results.tensorboard.runs import Run, Runs
from seqsweep.runs.eventfiles import (
    MADE,
    PREFIX,
    grown_and_made_files,
    made_folder,
    remove_empty,
)
from seqsweep.runs.events import encode, new_event, version_event
from seqsweep.runs.files import make_folder, remove_temporary, write_bytes
from seqsweep.runs.identity import is_number

# Imported by name, because type checkers do not see the classes of a protobuf module.
summary_pb2: Any = importlib.import_module("tensorboard.compat.proto.summary_pb2")
types_pb2: Any = importlib.import_module("tensorboard.compat.proto.types_pb2")
api_pb2: Any = importlib.import_module("tensorboard.plugins.hparams.api_pb2")
plugin_data_pb2: Any = importlib.import_module("tensorboard.plugins.hparams.plugin_data_pb2")

Files = dict[str, Callable[[], bytes]]
"""The functions that make the contents of files, by file name."""


def file_name(when: float, digest: str, kind: str) -> str:
    """Returns a file name that sorts before the files of the curves.

    Without a data server, TensorBoard reads the files of a folder in the order of their names and
    stays at the last file. So the file of the curves, which grows, must be the last.
    """
    return f"{PREFIX}{max(0, int(when) - 1):010d}{MADE}{digest}.{kind}"


def digest(content: bytes) -> str:
    """Returns the part of a file's name that identifies its content."""
    return hashlib.sha256(content).hexdigest()[:16]


def write_made_files(run: Path, files: Files) -> list[Path]:
    """Writes a run's missing files, removes outdated files, and returns all paths."""
    while True:
        grown, before = grown_and_made_files(run)
        if run.is_symlink():  # to the folder of another sweep, which writes its own files
            return before
        folder = made_folder(run, grown)
        contents = {folder / name: content for name, content in files.items()}
        try:
            if contents:
                make_folder(folder)
            remove_temporary(folder, f".*{MADE}*.tmp")
            for path in contents.keys() - set(before):
                write_bytes(path, contents[path](), sync=False)
            break
        except FileNotFoundError:
            # Another process has moved the curves and removed the folder, which was still empty.
            if not run.is_dir():
                raise
    outdated = [path for path in before if path not in contents]
    for path in outdated:
        path.unlink(missing_ok=True)
    remove_empty({path.parent for path in outdated} - {run})
    return list(contents)


def link_all(root: Path, targets: Mapping[str, Path]) -> None:
    """Makes a folder contain exactly these links."""
    links = {os.path.relpath(path, root): path for path in root.rglob("*") if path.is_symlink()}
    for name, path in links.items():
        if name not in targets or os.readlink(path) != str(targets[name]):
            path.unlink()
            remove_empty({path.parent} - {root})
    for name, target in targets.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.symlink_to(target)


def event_file(wall_time: float, values: Sequence[Any], step: int) -> bytes:
    """Returns the content of an event file with values of one step."""
    return encode([version_event(wall_time), _event(values, step, wall_time)])


def serialized(values: Sequence[Any], step: int) -> bytes:
    """Returns values of one step as bytes; equal values give equal bytes."""
    return _event(values, step).SerializeToString(deterministic=True)


def _event(values: Sequence[Any], step: int, wall_time: float = 0.0) -> Any:
    return new_event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(value=values))


def scalar(tag: str, value: float) -> Any:
    return summary_pb2.Summary.Value(tag=tag, simple_value=value)


def text(tag: str, content: str) -> Any:
    """Returns an event value with a text for TensorBoard's Text page."""
    return _value(tag, "text", make_tensor_proto([content.encode()], dtype=types_pb2.DT_STRING))


def plugin_data(tag: str, plugin: str, data: bytes) -> Any:
    """Returns an event value whose metadata hold the data of a plugin."""
    return _value(tag, plugin, make_tensor_proto([], dtype=types_pb2.DT_FLOAT), data)


def _value(tag: str, plugin: str, tensor: Any, data: bytes = b"") -> Any:
    kind = summary_pb2.SummaryMetadata
    metadata = kind(
        plugin_data=kind.PluginData(plugin_name=plugin, content=data),
        data_class=summary_pb2.DATA_CLASS_TENSOR,
    )
    return summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)


def image(tag: str, png: bytes, width: int, height: int) -> Any:
    content = summary_pb2.Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=png
    )
    return summary_pb2.Summary.Value(tag=tag, image=content)


_COSTS = ("train_seconds", "params", "samples_per_s")
_DISPLAY_NAMES = {"params": "parameters", "samples_per_s": "samples/s"}
_TICK_BOXES = 24
"""The most tick boxes of a numeric key. A key with more values is filtered by a range."""


def experiment(runs: Runs) -> bytes:
    """Returns the columns of TensorBoard's HParams page, for all runs."""
    names = key_names(runs.keys)
    content = api_pb2.Experiment(
        hparam_infos=[_column(key, names[key], runs.values[key]) for key in runs.keys],
        metric_infos=[
            api_pb2.MetricInfo(
                name=api_pb2.MetricName(tag=f"summary/{tag}"),
                display_name=_DISPLAY_NAMES.get(tag, tag.replace("_", " ")),
            )
            # The metric that ranks the runs comes first.
            for tag in dict.fromkeys((*runs.scores, *_COSTS))
        ],
    )
    return _serialized(experiment=content)


def sessions(runs: Runs) -> dict[str, bytes]:
    """Returns the values of each run's keys, by the run's name."""
    kinds = {key: _kind(values) for key, values in runs.values.items()}
    return {run.name.run: _session(run, kinds) for run in runs.runs}


def _session(run: Run, kinds: Mapping[str, type]) -> bytes:
    start = plugin_data_pb2.SessionStartInfo(
        group_name=run.name.config, start_time_secs=run.started
    )
    fields = {bool: "bool_value", float: "number_value", str: "string_value"}
    for key, value in run.config.items():
        setattr(start.hparams[key], fields[kinds[key]], _typed(value, kinds[key]))
    return _serialized(session_start_info=start)


def values_of(run: Run, columns: bytes, start: bytes) -> list[Any]:
    """Returns a run's keys, its end and its results as event values.

    A run that is still training gets no end, because a server keeps the first end that it has read.
    """
    name = metadata.PLUGIN_NAME
    values = [
        plugin_data(metadata.EXPERIMENT_TAG, name, columns),
        plugin_data(metadata.SESSION_START_INFO_TAG, name, start),
    ]
    if run.status != "unknown":
        status = api_pb2.STATUS_SUCCESS if run.status == "success" else api_pb2.STATUS_FAILURE
        end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=run.ended)
        content = _serialized(session_end_info=end)
        values.append(plugin_data(metadata.SESSION_END_INFO_TAG, name, content))
    return values + [scalar(f"summary/{name}", value) for name, value in run.best[1].items()]


def _column(key: str, name: str, values: Sequence[Any]) -> Any:
    kind = _kind(values)
    types = {
        bool: api_pb2.DATA_TYPE_BOOL,
        float: api_pb2.DATA_TYPE_FLOAT64,
        str: api_pb2.DATA_TYPE_STRING,
    }
    column = api_pb2.HParamInfo(name=key, display_name=name, differs=True, type=types[kind])
    distinct = sorted({_typed(value, kind) for value in values})
    if kind is float and len(distinct) > _TICK_BOXES:
        column.domain_interval.min_value = distinct[0]
        column.domain_interval.max_value = distinct[-1]
    else:
        column.domain_discrete.extend(distinct)
    return column


def _kind(values: Sequence[Any]) -> type:
    """Returns the type of a column: bool, float, or str for all other values."""
    if all(isinstance(value, bool) for value in values):
        return bool
    # The comparison is false for NaN.
    is_numeric = all(is_number(value) and abs(value) < 1e308 for value in values)
    return float if is_numeric else str


def _typed(value: Any, kind: type) -> Any:
    if kind is str:
        return value if isinstance(value, str) else json.dumps(value)
    return kind(value)


def _serialized(**content: Any) -> bytes:
    """Returns the serialized content; equal content gives equal bytes."""
    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    # By default, the order of a protobuf's map is not fixed, so equal content would differ.
    return data.SerializeToString(deterministic=True)
