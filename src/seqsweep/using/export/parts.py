"""The parts of a network that are written as ONNX; all others are refused."""

from dataclasses import fields
from typing import NamedTuple

from torch import nn

from seqsweep.data.fitted import Scaling
from seqsweep.models.classifier import BiDirectionalRNN, MultiLayerRNN, RNNClassifier, SimpleRNN
from seqsweep.models.layers import NormedLayers
from seqsweep.using.load import LoadedRun

_KINDS = (RNNClassifier, SimpleRNN, MultiLayerRNN, BiDirectionalRNN)
_PARTS = {"embedding", "rnn", "attention", "fc"}
_LAYERS = (nn.RNN, nn.GRU, nn.LSTM)
_POOLINGS = ("last", "mean", "max", "attention")
_STEPS = ("missing", "dtype", "fill", "mean", "deviation", "shaping")


class Layer(NamedTuple):
    """A recurrent layer: the module that has its weights, its number there, its normalisation.

    Args:
        norm: normalises the input of the layer; None where nothing does.
    """

    rnn: nn.RNNBase
    number: int
    norm: nn.LayerNorm | None


def layers_of(network: RNNClassifier) -> list[Layer]:
    """Returns the recurrent layers, the first one first."""
    rnn = network.rnn
    if isinstance(rnn, nn.RNNBase):
        return [Layer(rnn, number, None) for number in range(rnn.num_layers)]
    layers = [layer for layer in rnn.layers if isinstance(layer, nn.RNNBase)]
    norms = [None, *(norm for norm in rnn.norms if isinstance(norm, nn.LayerNorm))]
    return [Layer(layer, 0, norm) for layer, norm in zip(layers, norms, strict=True)]


def count_symbols(run: LoadedRun) -> int | None:
    """Returns the number of symbols whose indices the network reads; None where it reads values."""
    embedding = getattr(run.network, "embedding", None)
    return embedding.num_embeddings if isinstance(embedding, nn.Embedding) else None


def recurrent_network(run: LoadedRun) -> RNNClassifier:
    """Returns the run's network, if all of its parts can be written.

    Raises:
        ValueError: names the first part that cannot.
    """
    unknown = _unknown(run)
    if unknown is not None:
        raise ValueError(f"{run.checkpoint}: cannot write {unknown} as .onnx")
    assert isinstance(run.network, RNNClassifier)
    return run.network


def _unknown(run: LoadedRun) -> str | None:
    """Returns the first part of a run that cannot be written, in words."""
    network = run.network
    # A subclass of the user's own may compute anything in its `forward`.
    if type(network) not in _KINDS:
        return f"the network {type(network).__module__}.{type(network).__qualname__}"
    assert isinstance(network, RNNClassifier)
    parts = sorted(_names(network) - _PARTS)
    if parts:
        return f"the part {parts[0]!r} of the network"
    rnn = network.rnn
    modules = [*rnn.layers] if type(rnn) is NormedLayers else [rnn]
    for module in modules:
        if type(module) not in _LAYERS:
            return f"layers of type {type(module).__name__}"
    if network.pooling not in _POOLINGS:
        return f"pooling={network.pooling!r}"
    steps = _unknown_steps(run.scaling)
    return f"the {steps[0]} of the data" if steps else None


def _unknown_steps(scaling: Scaling | None) -> list[str]:
    """Returns the steps of a scaling that cannot be written."""
    if scaling is None:
        return []
    names = [field.name for field in fields(scaling) if field.name not in _STEPS]
    return [name for name in names if getattr(scaling, name) is not None]


def _names(network: nn.Module) -> set[str]:
    """Returns the names of a network's direct parts: modules, parameters and buffers."""
    own = [*network.named_parameters(recurse=False), *network.named_buffers(recurse=False)]
    return {name for name, _ in network.named_children()} | {name for name, _ in own}
