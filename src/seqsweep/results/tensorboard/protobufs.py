"""Makes event files of TensorBoard's protobufs: scalars, texts, images, plugin data."""

import importlib
from collections.abc import Sequence
from typing import Any

from tensorboard.util.tensor_util import make_tensor_proto

from seqsweep.runs.events import encode, new_event, version_event

# Imported by name, because type checkers do not see the classes of a protobuf module.
summary_pb2: Any = importlib.import_module("tensorboard.compat.proto.summary_pb2")
types_pb2: Any = importlib.import_module("tensorboard.compat.proto.types_pb2")


def event_file(wall_time: float, values: Sequence[Any], step: int) -> bytes:
    """Returns the content of an event file with values of one step.

    Args:
        wall_time: seconds since 1970.
        values: instances of `Summary.Value`.
        step: the optimizer steps before the values were measured.
    """
    return encode([version_event(wall_time), _event(values, step, wall_time)])


def serialized(values: Sequence[Any], step: int) -> bytes:
    """Returns values of one step as bytes, which are equal for equal values."""
    return _event(values, step).SerializeToString(deterministic=True)


def _event(values: Sequence[Any], step: int, wall_time: float = 0.0) -> Any:
    return new_event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(value=values))


def scalar(tag: str, value: float) -> Any:
    return summary_pb2.Summary.Value(tag=tag, simple_value=value)


def text(tag: str, plugin: str, content: bytes) -> Any:
    """Returns a text or a protobuf for a plugin to show."""
    return _value(tag, plugin, make_tensor_proto([content], dtype=types_pb2.DT_STRING))


def plugin_data(tag: str, plugin: str, data: bytes) -> Any:
    """Returns a value that a plugin keeps in its metadata, with an empty tensor."""
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
