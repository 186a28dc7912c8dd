"""Event files of TensorBoard with more than scalars, out of TensorBoard's own protobufs.

A value is the bytes of a `Summary.Value`: a sweep has one event for each run, most of whose values
are scalars or are those of all runs, and TensorBoard's own writer takes checksums byte by byte.
"""

import importlib
import math
import struct
from collections.abc import Sequence
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any

from seqsweep.runs.events import field, first_record, record, varint

_MODULES = {
    "summary": "tensorboard.compat.proto.summary_pb2",
    "types": "tensorboard.compat.proto.types_pb2",
    "tensor": "tensorboard.compat.proto.tensor_pb2",
    "hparams": "tensorboard.plugins.hparams.api_pb2",
    "hparams_data": "tensorboard.plugins.hparams.plugin_data_pb2",
    "layout": "tensorboard.plugins.custom_scalar.layout_pb2",
    "layout_metadata": "tensorboard.plugins.custom_scalar.metadata",
}


@cache
def protos() -> Any:
    """Returns TensorBoard's protobufs, imported when a view is written.

    Those of its modules that make and write them would take ten times as long to import.
    """
    return SimpleNamespace(**{name: importlib.import_module(m) for name, m in _MODULES.items()})


def event_file(wall_time: float, values: Sequence[bytes], step: int) -> bytes:
    """The content of an event file with some values of one step.

    Args:
        wall_time: seconds since 1970.
        values: as `scalar`, `tensor` and `image` make them.
    """
    return first_record(wall_time) + record(serialized(values, step, wall_time))


def serialized(values: Sequence[bytes], step: int, wall_time: float = 0.0) -> bytes:
    """An event, in the same bytes for the same values.

    By the fields of event.proto and summary.proto, of which numbers that are 0 are left out: Event
    has wall_time = 1, step = 2, summary = 5; Summary has value = 1.
    """
    when = b"\x09" + struct.pack("<d", wall_time) if wall_time else b""
    at = b"\x10" + varint(step) if step else b""
    return when + at + field(5, b"".join([field(1, value) for value in values]))


def scalar(tag: str, value: float) -> bytes:
    """A number: Summary.Value has tag = 1, simple_value = 2."""
    try:
        number = struct.pack("<f", value)
    except OverflowError:  # infinite, as in a float of C
        number = struct.pack("<f", math.copysign(math.inf, value))
    return field(1, tag.encode()) + b"\x15" + number


@lru_cache(maxsize=64)
def tensor(tag: str, plugin: str, texts: tuple[bytes, ...] = (), data: bytes = b"") -> bytes:
    """A value for a plugin: texts, and what the plugin keeps of its own beside them."""
    p = protos()
    kind = p.summary.SummaryMetadata
    metadata = kind(
        plugin_data=kind.PluginData(plugin_name=plugin, content=data),
        data_class=p.summary.DATA_CLASS_TENSOR,
    )
    made = p.tensor.TensorProto(
        dtype=p.types.DT_STRING if texts else p.types.DT_FLOAT, string_val=texts
    )
    made.tensor_shape.dim.add(size=len(texts))
    value = p.summary.Summary.Value(tag=tag, metadata=metadata, tensor=made)
    return value.SerializeToString(deterministic=True)


def image(tag: str, png: bytes, width: int, height: int) -> bytes:
    p = protos()
    made = p.summary.Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=png
    )
    return p.summary.Summary.Value(tag=tag, image=made).SerializeToString(deterministic=True)
