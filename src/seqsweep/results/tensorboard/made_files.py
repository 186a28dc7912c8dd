"""Makes event files of TensorBoard's protobufs, and links to all event files.

A file's name identifies its content. So a file that exists is not written again, and two processes
that write at once write the same.
"""

import contextlib
import hashlib
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.util.tensor_util import make_tensor_proto

from seqsweep.runs.eventfiles import MADE, PREFIX, made_files, made_folder, remove_empty
from seqsweep.runs.events import encode, new_event, version_event
from seqsweep.runs.files import make_folder, write_bytes
from seqsweep.runs.removing import remove_temporary

# Imported by name, because type checkers do not see the classes of a protobuf module.
summary_pb2: Any = importlib.import_module("tensorboard.compat.proto.summary_pb2")
types_pb2: Any = importlib.import_module("tensorboard.compat.proto.types_pb2")

Files = dict[str, Callable[[], bytes]]
"""Files by name, with functions that make their contents."""


def file_name(when: float, digest: str, kind: str) -> str:
    """Returns the name of a file that is read before the curves.

    Once TensorBoard's loader without a data server has read the last file of a folder, it reads no
    other one. So the last file must be the one that grows.
    """
    return f"{PREFIX}{max(0, int(when) - 1):010d}{MADE}{digest}.{kind}"


def digest(content: bytes) -> str:
    """Returns the part of a file's name that identifies its content."""
    return hashlib.sha256(content).hexdigest()[:16]


def write_made_files(run: Path, files: Files) -> list[Path]:
    """Writes missing files beside a run's curves and removes outdated ones."""
    while True:
        before = made_files(run)
        folder = made_folder(run)
        contents = {folder / name: content for name, content in files.items()}
        try:
            if contents:
                make_folder(folder)
            remove_temporary(folder, f".*{MADE}*.tmp")
            for path in contents.keys() - set(before):
                write_bytes(path, contents[path](), sync=False)
            break
        except FileNotFoundError:
            # Another process has moved the curves and removed the folder, which was empty then.
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
    """Returns values of one step as bytes, equal for equal values."""
    return _event(values, step).SerializeToString(deterministic=True)


def _event(values: Sequence[Any], step: int, wall_time: float = 0.0) -> Any:
    return new_event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(value=values))


def scalar(tag: str, value: float) -> Any:
    return summary_pb2.Summary.Value(tag=tag, simple_value=value)


def plugin_data(tag: str, plugin: str, data: bytes) -> Any:
    """Returns a value that a plugin keeps in its metadata."""
    kind = summary_pb2.SummaryMetadata
    metadata = kind(
        plugin_data=kind.PluginData(plugin_name=plugin, content=data),
        data_class=summary_pb2.DATA_CLASS_TENSOR,
    )
    tensor = make_tensor_proto([], dtype=types_pb2.DT_FLOAT)
    return summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)


def image(tag: str, png: bytes, width: int, height: int) -> Any:
    content = summary_pb2.Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=png
    )
    return summary_pb2.Summary.Value(tag=tag, image=content)
