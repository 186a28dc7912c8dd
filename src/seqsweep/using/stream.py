"""Classifies sequences that arrive step by step.

B streams, F features (channels), H hidden, C classes.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seqsweep.data.scaling import Scaling
from seqsweep.data.transforms import Shaping
from seqsweep.elementary import softmax
from seqsweep.errors import DataError, raised_as
from seqsweep.models.cell import Cell
from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.cells import CELLS
from seqsweep.models.classifier import BiDirectionalRNN, MultiLayerRNN, RNNClassifier, SimpleRNN
from seqsweep.models.layers import AttentionPooling, NormedLayers
from seqsweep.seeding import drawing_from
from seqsweep.using.scores import Float64

_KINDS = (RNNClassifier, SimpleRNN, MultiLayerRNN, BiDirectionalRNN)
_LAYERS = (
    nn.RNN, nn.GRU, nn.LSTM, CellLayers, NormedLayers, AttentionPooling, nn.Embedding, nn.Linear,
    nn.LayerNorm, nn.Dropout, nn.ModuleList,
)  # fmt: skip

_ENDLESS = 2**53
"""More steps than a stream can have; double precision counts exactly up to this number."""


class Stream:
    """Classifies sequences that arrive step by step, as a sensor delivers them.

    A stream keeps the states of the network, so each step takes the same time. The first step
    decides the number of streams.

    Args:
        network: a network that `check_steps` accepts.
        prepare: maps raw values (B, 1, F) to the network's input (B, F).
        channels: F.
        kept: the steps to read; the others change nothing.
    """

    def __init__(
        self,
        network: RNNClassifier,
        prepare: Callable[[npt.NDArray[Any]], Tensor],
        channels: int,
        kept: range,
    ) -> None:
        self._network, self._prepare = network, prepare
        self._channels, self._kept = channels, kept
        self._cells = list[tuple[Cell, int, nn.LayerNorm | None]]()
        for rnn, number, norm in layers_of(network):
            layers = as_cells(rnn)
            with torch.inference_mode():
                cell = layers.cell(layers.weights(f"_l{number}"), **layers.options)
            self._cells.append((cell, cell.state_size(rnn.hidden_size), norm))
        self.reset()

    def reset(self) -> None:
        """Begins new sequences, of any number."""
        self._steps, self._shape = 0, None
        self._states: list[Tensor] = []
        self._pooled: Tensor | None = None  # the sum, the maximum or the last of the outputs

    @raised_as(DataError)
    def push(self, step: npt.ArrayLike) -> Float64:
        """Reads one step, and returns the probabilities so far, in the order of the classes.

        Args:
            step: raw values (F,), or (B, F) for B streams. A run on texts reads the index of a
                symbol, with F = 1.

        Returns:
            (C,) or (B, C); NaN before the first step that `data.transform.crop` keeps.

        Raises:
            DataError: the step has another shape than expected, or values that
                `LoadedRun.prepare` refuses. The stream stays as it was.
        """
        values = np.atleast_1d(step)
        is_step = values.ndim < 3 and values.size and values.shape[-1] == self._channels
        if not is_step or values.shape != (self._shape or values.shape):
            expected = self._shape or f"({self._channels},) or (B, {self._channels})"
            raise ValueError(f"step: expected shape {expected}, got {values.shape}")
        if self._steps in self._kept:
            self._read(self._prepare(values.reshape(-1, 1, self._channels)))
        self._steps, self._shape = self._steps + 1, values.shape
        classes = self._network.fc.out_features
        if self._pooled is None:
            return np.full((*values.shape[:-1], classes), np.nan)
        return softmax(self._logits(self._pooled)).reshape(*values.shape[:-1], classes)

    @torch.inference_mode()
    def _read(self, x: Tensor) -> None:
        """Computes the next states from a prepared step (B, F)."""
        network, states = self._network, list[Tensor]()
        x = x if network.embedding is None else network.embedding(x.squeeze(1).long())
        before = self._states or [x.new_zeros(len(x), size) for _, size, _ in self._cells]
        for (cell, _, norm), state in zip(self._cells, before, strict=True):
            x = cell.project(x if norm is None else norm(x))
            states.append(cell.step(x, state))
            x = cell.output(states[-1], x)
        if network.pooling == "mean":  # a long sum needs double precision
            x = x.double() if self._pooled is None else self._pooled + x
        elif network.pooling == "max" and self._pooled is not None:
            x = torch.maximum(self._pooled, x)
        self._states, self._pooled = states, x

    @torch.inference_mode()
    def _logits(self, pooled: Tensor) -> Float64:
        if self._network.pooling == "mean":
            pooled = (pooled / (min(self._steps, self._kept.stop) - self._kept.start)).float()
        return self._network.fc(pooled).double().numpy()


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


def as_cells(rnn: nn.RNNBase | CellLayers) -> CellLayers:
    """Returns recurrent layers with our classes of cells, which torch's cells have too."""
    if isinstance(rnn, CellLayers):
        return rnn
    kind = next(kind for kind in CELLS.values() if kind.module is type(rnn))
    options = {"nonlinearity": rnn.nonlinearity} if isinstance(rnn, nn.RNN) else {}
    with drawing_from(torch.Generator()):  # all drawn weights are replaced below
        layers = CellLayers(kind, rnn.input_size, rnn.hidden_size, rnn.num_layers, options=options)
    weights = rnn.state_dict()  # which may lack the biases
    zeros = {name: torch.zeros_like(weight) for name, weight in layers.state_dict().items()}
    layers.load_state_dict(zeros | weights)
    return layers


def known_network(network: nn.Module, problem: str) -> RNNClassifier:
    """Returns a network if all its parts are ours.

    Args:
        problem: the message for another network, with `{}` for its first unknown part.

    Raises:
        ValueError: the network is the user's own, or has layers of the user's own.
    """
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
    raise ValueError(problem.format(unknown))


def check_steps(network: RNNClassifier, scaling: Scaling | None, where: Path) -> None:
    """Refuses a network that needs more than one step at a time.

    Raises:
        ValueError: there is such a need.
    """
    shaping = (scaling and scaling.shaping) or Shaping()
    needs = {
        "model.bidirectional=true reads sequences from their end": network.rnn.bidirectional,
        "model.pooling=attention weighs each step against all others": network.attention,
        "data.missing=forward repeats earlier values": scaling and scaling.missing == "forward",
        f"data.transform.downsample={shaping.downsample} joins steps": shaping.downsample > 1,
        f"data.transform.frame={shaping.frame} joins steps": shaping.frame > 1,
    }
    for reason, is_needed in needs.items():
        if is_needed:
            raise ValueError(f"{where}: cannot be used step by step, because {reason}")


def scaling_of_step(scaling: Scaling | None) -> tuple[Scaling | None, range]:
    """Returns a scaling for single steps, and the steps that a crop keeps."""
    if scaling is None or scaling.shaping is None:
        return scaling, range(_ENDLESS)
    first, last = scaling.shaping.first, scaling.shaping.last
    uncropped = replace(scaling.shaping, first=0, last=None)
    return replace(scaling, shaping=uncropped), range(first, _ENDLESS if last is None else last)
