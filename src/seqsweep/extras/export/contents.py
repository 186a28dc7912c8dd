"""Decides which networks become ONNX files, and what the files hold."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from seqsweep.data.checks import Float64
from seqsweep.data.fitted import Scaling
from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.classifier import BiDirectionalRNN, MultiLayerRNN, RNNClassifier, SimpleRNN
from seqsweep.models.layers import AttentionPooling, NormedLayers
from seqsweep.runs.provenance import version
from seqsweep.using.load import LoadedRun

_COARSE = 1e-5
"""The accepted rounding of raw values, relative to the standard deviation of their channel."""

_KINDS = (RNNClassifier, SimpleRNN, MultiLayerRNN, BiDirectionalRNN)
_LAYERS = (
    nn.RNN, nn.GRU, nn.LSTM, CellLayers, NormedLayers, AttentionPooling, nn.Embedding, nn.Linear,
    nn.LayerNorm, nn.Dropout, nn.ModuleList,
)  # fmt: skip


def scaling_inside(run: LoadedRun) -> Scaling | None:
    """Returns the scaling inside a file; None if x is prepared outside."""
    # Texts become indices of symbols outside the file, and indices are not scaled.
    return run.scaling if run.vocabulary is None else None


def input_type(run: LoadedRun) -> type[np.floating[Any]]:
    """Returns the type of x: float32, or float64 where channels need it."""
    return np.float64 if channels_beyond_float32(run) else np.float32


def source_scale(run: LoadedRun) -> tuple[Float64, Float64] | None:
    """Returns the means and standard deviations of the raw channels, if any."""
    scaling = scaling_inside(run)
    if scaling is None or scaling.mean is None or scaling.deviation is None:
        return None
    # The scaling also has values for mask channels, and for each step of a frame after the first.
    # These further values come last and are cut off.
    count = len(run.source_channels)
    return scaling.mean[:count], scaling.deviation[:count]


def channels_beyond_float32(run: LoadedRun) -> list[str]:
    """Returns the channels that float32 would round too much, such as time stamps."""
    scaling = scaling_inside(run)
    # Without standardisation the network itself reads the values as float32.
    scale = source_scale(run)
    if scaling is None or scaling.dtype == "float32" or scale is None:
        return []
    mean, deviation = scale
    rounding = np.spacing((np.abs(mean) + deviation).astype(np.float32)).astype(np.float64) / 2
    is_coarse = rounding > _COARSE * deviation
    return [run.source_channels[f] for f in np.flatnonzero(is_coarse)]


def metadata(run: LoadedRun) -> dict[str, str]:
    """Returns the metadata of an ONNX file: names, origin, kind of input."""
    content = {
        "seqsweep_version": version(),
        "class_names": _text(run.class_names),
        "channel_names": _text(run.source_channels),
        "input": _input(run),
    }
    if run.transform.window is not None:
        content |= {"window": str(run.transform.window), "stride": str(run.transform.stride)}
    if run.vocabulary is not None:
        content["vocabulary"] = json.dumps(run.vocabulary.plain(), ensure_ascii=False)
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


def _text(names: Iterable[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)


class Layer(NamedTuple):
    """A recurrent layer: its module, its index in this module, the normalisation before it."""

    rnn: nn.RNNBase | CellLayers
    number: int
    norm: nn.LayerNorm | None


def layers_of(network: RNNClassifier) -> list[Layer]:
    """Returns the recurrent layers in their order."""
    rnn = network.rnn
    if not isinstance(rnn, NormedLayers):
        return [Layer(rnn, number, None) for number in range(rnn.num_layers)]
    layers = [layer for layer in rnn.layers if isinstance(layer, (nn.RNNBase, CellLayers))]
    norms = [None, *(norm for norm in rnn.norms if isinstance(norm, nn.LayerNorm))]
    return [Layer(layer, 0, norm) for layer, norm in zip(layers, norms, strict=True)]


def count_symbols(run: LoadedRun) -> int | None:
    """Returns the number of symbols; None where the network reads values."""
    embedding = getattr(run.network, "embedding", None)
    return embedding.num_embeddings if isinstance(embedding, nn.Embedding) else None


def recurrent_network(run: LoadedRun) -> RNNClassifier:
    """Returns the run's network, if it can be written.

    Raises:
        ValueError: the network is the user's own, or has layers of the user's own.
    """
    network = run.network
    # A subclass of the user's own may compute anything in its `forward`.
    unknown = f"the network {type(network).__module__}.{type(network).__qualname__}"
    if type(network) in _KINDS:
        assert isinstance(network, RNNClassifier)
        layers = list(network.modules())[1:]  # without the network itself
        others = [type(layer).__name__ for layer in layers if type(layer) not in _LAYERS]
        others += ["LSTM with proj_size" for layer in layers if getattr(layer, "proj_size", 0)]
        if not others:
            return network
        unknown = f"layers of type {others[0]}"
    raise ValueError(f"{run.checkpoint}: cannot write {unknown} as .onnx")
