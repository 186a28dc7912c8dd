"""Says what an exported file takes and what it holds beside the network."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from seqsweep.data.checks import Float64
from seqsweep.data.fitted import Scaling
from seqsweep.runs.provenance import version
from seqsweep.using.load import LoadedRun

_COARSE = 1e-5
"""The accepted rounding of raw values, relative to the standard deviation of their channel."""


def scaling_inside(run: LoadedRun) -> Scaling | None:
    """Returns the scaling that a file applies; None where x is prepared before."""
    # Texts become indices of symbols outside of the file, and those are not scaled.
    return run.scaling if run.vocabulary is None else None


def input_type(run: LoadedRun) -> type[np.floating[Any]]:
    """Returns the type of a file's input x: float32, or float64 where channels need it."""
    return np.float64 if channels_beyond_float32(run) else np.float32


def source_scale(run: LoadedRun) -> tuple[Float64, Float64] | None:
    """Returns the means and deviations of the raw channels; None where there are none."""
    scaling = scaling_inside(run)
    if scaling is None or scaling.mean is None or scaling.deviation is None:
        return None
    # After a transform they are followed by those of masks and of the later steps of a frame.
    count = len(run.source_channels)
    return scaling.mean[:count], scaling.deviation[:count]


def channels_beyond_float32(run: LoadedRun) -> list[str]:
    """Returns the channels whose raw values float32 would round, such as time stamps."""
    scaling = scaling_inside(run)
    # Without standardisation the network itself takes the values as float32.
    scale = source_scale(run)
    if scaling is None or scaling.dtype == "float32" or scale is None:
        return []
    mean, deviation = scale
    rounding = np.spacing((np.abs(mean) + deviation).astype(np.float32)).astype(np.float64) / 2
    is_coarse = rounding > _COARSE * deviation
    return [run.source_channels[f] for f in np.flatnonzero(is_coarse)]


def metadata(run: LoadedRun) -> dict[str, str]:
    """Returns what a file says of itself: names, origin and the meaning of its input."""
    content = {
        "seqsweep_version": version(),
        "class_names": _text(run.class_names),
        "channel_names": _text(run.source_channels),
        "input": _input(run),
    }
    if run.vocabulary is not None:
        content["vocabulary"] = json.dumps(run.vocabulary.plain(), ensure_ascii=False)
    folder = run.checkpoint.parent
    # A checkpoint that was copied out of its run's folder does not know its run_id.
    return content | ({"run_id": folder.parent.name} if folder.name == "checkpoints" else {})


def _input(run: LoadedRun) -> str:
    if run.vocabulary is not None:
        return "indices of symbols, see vocabulary"
    if run.scaling is None:
        return f"prepared by {run.config['data'].get('_target_')}"
    rule = "" if run.scaling.missing == "error" else f"; NaN is filled in: {run.scaling.missing}"
    return f"raw values{rule}"


def _text(names: Iterable[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)
