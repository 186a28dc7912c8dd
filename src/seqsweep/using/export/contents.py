"""Says what an exported file holds, and refuses what the writers cannot express."""

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
from torch import nn

from seqsweep.data.fitted import Scaling
from seqsweep.models.classifier import BiDirectionalRNN, MultiLayerRNN, RNNClassifier, SimpleRNN
from seqsweep.runs.provenance import version
from seqsweep.using.load import LoadedRun

_KINDS = (RNNClassifier, SimpleRNN, MultiLayerRNN, BiDirectionalRNN)
_PARTS = {"rnn", "fc"}
_LAYERS = (nn.RNN, nn.GRU, nn.LSTM)
_POOLINGS = ("last", "mean", "max")
_STEPS = ("missing", "units", "fill", "mean", "deviation")

_COARSE = 1e-5
"""The accepted rounding of raw values, relative to the standard deviation of their channel."""


def recurrent_network(run: LoadedRun, ending: str) -> RNNClassifier:
    """Returns the run's network, if the writers know all of its parts.

    Raises:
        ValueError: names the first part that they do not know.
    """
    network = run.network
    # A subclass of the user's own may compute anything in its `forward`.
    if type(network) not in _KINDS:
        name = f"{type(network).__module__}.{type(network).__qualname__}"
        raise ValueError(_refusal(run, ending, f"the network {name}"))
    assert isinstance(network, RNNClassifier)
    unknown = sorted(_names(network) - _PARTS)
    if unknown:
        raise ValueError(_refusal(run, ending, f"the part {unknown[0]!r} of the network"))
    if type(network.rnn) not in _LAYERS:
        raise ValueError(_refusal(run, ending, f"layers of type {type(network.rnn).__name__}"))
    if network.pooling not in _POOLINGS:
        raise ValueError(_refusal(run, ending, f"pooling={network.pooling!r}"))
    unknown = _unknown_steps(run.scaling)
    if unknown:
        raise ValueError(_refusal(run, ending, f"the {unknown[0]} of the data"))
    return network


def _unknown_steps(scaling: Scaling | None) -> list[str]:
    """Returns the steps of a scaling that no writer knows, such as a transform."""
    if scaling is None:
        return []
    names = [field.name for field in fields(scaling) if field.name not in _STEPS]
    return [name for name in names if getattr(scaling, name) is not None]


def input_type(run: LoadedRun) -> type[np.floating[Any]]:
    """Returns the type of a file's input x: float32, or float64 where channels need it."""
    return np.float64 if channels_beyond_float32(run) else np.float32


def channels_beyond_float32(run: LoadedRun) -> list[str]:
    """Returns the channels whose raw values float32 would round, such as time stamps."""
    scaling = run.scaling
    # Without standardisation the network itself takes the values as float32.
    if scaling is None or scaling.units is None or scaling.deviation is None:
        return []
    zero, one = scaling.units
    rounding = np.spacing((np.abs(zero) + one).astype(np.float32)).astype(np.float64) / 2
    is_coarse = rounding > _COARSE * one * scaling.deviation
    return [run.channel_names[f] for f in scaling.units.changed if is_coarse[f]]


def metadata(run: LoadedRun) -> dict[str, str]:
    """Returns what a file says of itself: names, origin and the meaning of its input."""
    content = {
        "seqsweep_version": version(),
        "class_names": _text(run.class_names),
        "channel_names": _text(run.channel_names),
        "input": _input(run),
    }
    folder = run.checkpoint.parent
    # A checkpoint that was copied out of its run's folder does not know its run_id.
    return content | ({"run_id": folder.parent.name} if folder.name == "checkpoints" else {})


def _input(run: LoadedRun) -> str:
    if run.scaling is None:
        return f"prepared by {run.config['data'].get('_target_')}"
    rule = "" if run.scaling.missing == "error" else f"; NaN is filled in: {run.scaling.missing}"
    return f"raw values{rule}"


def _names(network: nn.Module) -> set[str]:
    """Returns the names of a network's direct parts: modules, parameters and buffers."""
    own = [*network.named_parameters(recurse=False), *network.named_buffers(recurse=False)]
    return {name for name, _ in network.named_children()} | {name for name, _ in own}


def _refusal(run: LoadedRun, ending: str, part: str) -> str:
    return f"{run.checkpoint}: cannot write {part} as {ending}; .safetensors holds the weights"


def _text(names: Iterable[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)
