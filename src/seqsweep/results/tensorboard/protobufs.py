"""Writes event files from TensorBoard's own protobufs: scalars, texts, images, plugin data."""

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
    """Returns TensorBoard's protobuf modules, imported at the first call.

    TensorBoard's own modules that write event files take ten times as long to import.
    """
    return SimpleNamespace(**{name: importlib.import_module(m) for name, m in _MODULES.items()})


def event_file(wall_time: float, values: Sequence[Any], step: int) -> bytes:
    """Returns the content of an event file with values of one step.

    Args:
        wall_time: seconds since 1970.
        values: instances of `Summary.Value`.
        step: the optimizer steps before the values were measured.
    """
    p = protos()
    version = p.event.Event(wall_time=wall_time, file_version="brain.Event:2")
    return record(version.SerializeToString()) + record(serialized(values, step, wall_time))


def serialized(values: Sequence[Any], step: int, wall_time: float = 0.0) -> bytes:
    """Returns an event as bytes, which are equal for equal values."""
    event = protos().event.Event(wall_time=wall_time, step=step)
    event.summary.value.extend(values)
    return event.SerializeToString(deterministic=True)


def scalar(tag: str, value: float) -> Any:
    return protos().summary.Summary.Value(tag=tag, simple_value=value)


def tensor(tag: str, plugin: str, texts: Sequence[bytes], data: bytes = b"") -> Any:
    """Returns a value for a plugin.

    Args:
        texts: the content of the tensor.
        data: what the plugin keeps in the metadata.
    """
    p = protos()
    kind = p.summary.SummaryMetadata
    metadata = kind(
        plugin_data=kind.PluginData(plugin_name=plugin, content=data),
        data_class=p.summary.DATA_CLASS_TENSOR,
    )
    content = p.tensor.TensorProto(
        dtype=p.types.DT_STRING if texts else p.types.DT_FLOAT, string_val=texts
    )
    content.tensor_shape.dim.add(size=len(texts))
    return p.summary.Summary.Value(tag=tag, metadata=metadata, tensor=content)


def image(tag: str, png: bytes, width: int, height: int) -> Any:
    p = protos()
    content = p.summary.Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=png
    )
    return p.summary.Summary.Value(tag=tag, image=content)
