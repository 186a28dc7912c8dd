"""Decides which networks become ONNX files, and what the files hold."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from seqsweep.data.checks import Float64
from seqsweep.data.scaling import Scaling
from seqsweep.runs.provenance import version
from seqsweep.using.load import LoadedRun

_COARSE = 1e-5
"""The accepted rounding of raw values, relative to the standard deviation of their channel."""


def scaling_inside(run: LoadedRun) -> Scaling | None:
    """Returns the scaling inside a file; None if x is prepared outside."""
    # Texts become indices of symbols outside the file, and indices are not scaled.
    return run.scaling if run.vocabulary is None else None


def input_type(run: LoadedRun) -> type[np.floating[Any]]:
    """Returns the type of x: float32, or float64 where channels need it."""
    return np.float64 if channels_beyond_float32(run) else np.float32


def source_scale(run: LoadedRun) -> tuple[Float64, Float64]:
    """Returns mean and deviation of each raw channel, else 0 and 1."""
    scaling, count = scaling_inside(run), len(run.source_channels)
    if scaling is None or scaling.mean is None or scaling.deviation is None:
        return np.zeros(count), np.ones(count)
    # Values for mask channels, and for each step of a frame after the first, come last.
    return scaling.mean[:count], scaling.deviation[:count]


def channels_beyond_float32(run: LoadedRun) -> list[str]:
    """Returns the channels that float32 would round too much, such as time stamps."""
    scaling, (mean, deviation) = scaling_inside(run), source_scale(run)
    # Without standardisation the network itself reads the values as float32.
    if scaling is None or scaling.dtype == "float32" or scaling.mean is None:
        return []
    rounding = np.spacing((np.abs(mean) + deviation).astype(np.float32)).astype(np.float64) / 2
    is_coarse = rounding > _COARSE * deviation
    return [run.source_channels[f] for f in np.flatnonzero(is_coarse)]


def metadata(
    run: LoadedRun, states: Mapping[str, tuple[type, tuple[int | str, ...]]]
) -> dict[str, str]:
    """Returns the metadata of an ONNX file: names, origin, kind of input, states."""
    content = {
        "seqsweep_version": version(),
        "class_names": json.dumps(run.class_names, ensure_ascii=False),
        "channel_names": json.dumps(run.source_channels, ensure_ascii=False),
        "input": _input(run),
    }
    if run.transform.window is not None:
        content |= {"window": str(run.transform.window), "stride": str(run.transform.stride)}
    if run.vocabulary is not None:
        content["vocabulary"] = json.dumps(run.vocabulary.plain(), ensure_ascii=False)
    if states:
        described = {
            name: {"shape": shape, "type": kind.__name__, "first": 0, "new": f"new_{name}"}
            for name, (kind, shape) in states.items()
        }
        content |= {"input": f"one step: {content['input']}", "states": json.dumps(described)}
    folder = run.checkpoint.parent
    # A checkpoint that was copied out of its run's folder has no run_id.
    return content | ({"run_id": folder.parent.name} if folder.name == "checkpoints" else {})


def _input(run: LoadedRun) -> str:
    if run.vocabulary is not None:
        return "indices of symbols, see vocabulary"
    if run.scaling is None:
        return f"prepared by {run.config['data'].get('_target_')}"
    rule = "" if run.scaling.missing == "error" else f"; NaN is filled in: {run.scaling.missing}"
    return f"raw values{rule}"


def count_symbols(run: LoadedRun) -> int | None:
    """Returns the number of symbols; None where the network reads values."""
    embedding = getattr(run.network, "embedding", None)
    return embedding.num_embeddings if isinstance(embedding, nn.Embedding) else None
