"""Event files of TensorBoard with more than scalars, out of TensorBoard's own protobufs."""

import importlib
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

from seqsweep.runs.events import record

_MODULES = {
    "event": "tensorboard.compat.proto.event_pb2",
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


def event_file(wall_time: float, values: Sequence[Any], step: int) -> bytes:
    """The content of an event file with some values of one step.

    Args:
        wall_time: seconds since 1970.
        values: `Summary.Value`s.
    """
    p = protos()
    version = p.event.Event(wall_time=wall_time, file_version="brain.Event:2")
    return record(version.SerializeToString()) + record(serialized(values, step, wall_time))


def serialized(values: Sequence[Any], step: int, wall_time: float = 0.0) -> bytes:
    """An event, in the same bytes for the same values."""
    event = protos().event.Event(wall_time=wall_time, step=step)
    event.summary.value.extend(values)
    return event.SerializeToString(deterministic=True)


def scalar(tag: str, value: float) -> Any:
    return protos().summary.Summary.Value(tag=tag, simple_value=value)


def tensor(tag: str, plugin: str, texts: Sequence[bytes], data: bytes = b"") -> Any:
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
    return p.summary.Summary.Value(tag=tag, metadata=metadata, tensor=made)


def image(tag: str, png: bytes, width: int, height: int) -> Any:
    p = protos()
    made = p.summary.Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=png
    )
    return p.summary.Summary.Value(tag=tag, image=made)
