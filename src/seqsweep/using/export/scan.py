"""The networks of this package with the loop over time as an operator of torch.

`torch.export` fixes the number of steps of `nn.RNN`, `GRU` and `LSTM`; a scan leaves it free.

B sequences, T time steps, F features (channels), H hidden, D directions, C classes.
"""

import copy
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan as _untyped_scan

from seqsweep.data.fitted import Scaling
from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.export.parts import layers_of
from seqsweep.using.export.scan_input import RawInput, is_step

State = tuple[Tensor, ...]
"""The state of a cell after a step: h, and for an LSTM also c; each (B, H)."""

Cell = Callable[[State, Tensor, Tensor], State]
"""Maps a state, and the gates' parts from the input and from h, to the next state."""

_scan = cast(Callable[..., tuple[State, Tensor]], _untyped_scan)


class ScannedClassifier(nn.Module):
    """A `RNNClassifier` for raw values, whose batch, steps and lengths `torch.export` leaves free.

    Shape: x (B, T, F), lengths (B,) -> logits and probabilities (B, C).
    """

    def __init__(self, network: RNNClassifier, scaling: Scaling | None) -> None:
        super().__init__()
        self.input = RawInput(scaling)
        self.network = copy.deepcopy(network)  # the run's own one stays trainable
        self.requires_grad_(False)  # the scan would export its backward pass too

    def forward(self, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        network = self.network
        within = lengths <= x.shape[1]
        x, lengths = self.input(x, lengths)
        is_valid = is_step(x, lengths)  # (B, T)
        valid = is_valid.unsqueeze(2)
        is_usable = x.isfinite()
        if network.embedding is not None:
            is_usable = (x >= 0) & (x < network.embedding.num_embeddings)
            x = network.embedding(torch.where(is_usable, x, 0.0).squeeze(2).long())
        usable = is_usable.flatten(1).all(dim=1) & (lengths > 0) & within
        step = torch.arange(x.shape[1])
        # A step behind the end stays where it is; the others are in the opposite order.
        opposite = torch.where(is_valid, lengths.unsqueeze(1) - 1 - step, step)
        output, state = self._layers(x.transpose(0, 1), valid.transpose(0, 1), opposite.t())
        features = state if network.pooling == "last" else self._pooled(output, valid, lengths)
        logits = torch.where(usable.unsqueeze(1), network.fc(features), float("nan"))
        return {"logits": logits, "probabilities": logits.softmax(dim=1)}

    def _layers(self, x: Tensor, valid: Tensor, opposite: Tensor) -> tuple[Tensor, Tensor]:
        """Runs all layers: x (T, B, F) -> the last one's outputs (T, B, D*H), states (B, D*H)."""
        states: list[Tensor] = []
        for rnn, number, norm in layers_of(self.network):
            x = x if norm is None else norm(x)
            output, state = _lane(rnn, x, valid, f"l{number}")
            outputs, states = [output], [state]
            if rnn.bidirectional:
                output, state = _lane(rnn, _taken(x, opposite), valid, f"l{number}_reverse")
                outputs.append(_taken(output, opposite))
                states.append(state)
            x = torch.cat(outputs, dim=2)
        return x, torch.cat(states, dim=1)

    def _pooled(self, output: Tensor, valid: Tensor, lengths: Tensor) -> Tensor:
        """Pools the valid steps: (T, B, D*H) -> (B, D*H)."""
        by_time = valid.transpose(0, 1)
        attention = self.network.attention
        if attention is not None:
            scores = attention.query(attention.projection(output).tanh())  # (T, B, 1)
            weights = torch.where(by_time, scores, float("-inf")).softmax(dim=0)
            return (output * weights).sum(dim=0)
        if self.network.pooling == "mean":
            return torch.where(by_time, output, 0.0).sum(dim=0) / lengths.unsqueeze(1)
        return torch.where(by_time, output, float("-inf")).amax(dim=0)


def _lane(rnn: nn.RNNBase, x: Tensor, valid: Tensor, suffix: str) -> tuple[Tensor, Tensor]:
    """Runs one direction of one layer: x (T, B, ...) -> outputs (T, B, H), state (B, H)."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    input_weight, weight, input_bias, bias = (getattr(rnn, f"{n}_{suffix}") for n in names)
    cell = _cell(rnn)

    def step(state: State, now: tuple[Tensor, Tensor]) -> tuple[State, Tensor]:
        gates, is_valid = now
        after = cell(state, gates, state[0] @ weight.t() + bias)
        # A sequence that has ended keeps its state.
        after = tuple(torch.where(is_valid, a, b) for a, b in zip(after, state, strict=True))
        return after, after[0].clone()  # an output of a scan may not be its state

    first = tuple(x.new_zeros(x.shape[1], rnn.hidden_size) for _ in range(_count_states(rnn)))
    state, output = _scan(step, first, (x @ input_weight.t() + input_bias, valid), dim=0)
    return output, state[0]


def _count_states(rnn: nn.RNNBase) -> int:
    return 2 if isinstance(rnn, nn.LSTM) else 1


def _cell(rnn: nn.RNNBase) -> Cell:
    if isinstance(rnn, nn.GRU):
        return _gru
    if isinstance(rnn, nn.LSTM):
        return _lstm
    activation = torch.relu if rnn.nonlinearity == "relu" else torch.tanh
    return lambda state, x, h: (activation(x + h),)


def _gru(state: State, x: Tensor, h: Tensor) -> State:
    """The equations of `torch.nn.GRU`."""
    (reset_x, update_x, new_x), (reset_h, update_h, new_h) = x.chunk(3, 1), h.chunk(3, 1)
    reset, update = torch.sigmoid(reset_x + reset_h), torch.sigmoid(update_x + update_h)
    new = torch.tanh(new_x + reset * new_h)
    return ((1 - update) * new + update * state[0],)


def _lstm(state: State, x: Tensor, h: Tensor) -> State:
    """The equations of `torch.nn.LSTM`."""
    take, keep, new, give = (x + h).chunk(4, dim=1)
    memory = torch.sigmoid(keep) * state[1] + torch.sigmoid(take) * torch.tanh(new)
    return torch.sigmoid(give) * torch.tanh(memory), memory


def _taken(x: Tensor, index: Tensor) -> Tensor:
    """Returns x (T, B, ...) with its steps in the order of index (T, B)."""
    return x.gather(0, index.unsqueeze(2).expand(-1, -1, x.shape[2]))
