"""Recurrent sequence classifiers: RNN, GRU or LSTM layers, a pooling, and one linear layer.

B batch, T time steps, F features (`input_size`), H hidden, L layers, D directions, C classes.
"""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

Cell = Literal["rnn", "gru", "lstm"]
Pooling = Literal["last", "mean", "max"]

_CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class RNNClassifier(nn.Module):
    """A recurrent network with one linear layer, the head, on top.

    With `pooling="last"` the head reads the *final* state of each direction of the last layer. That
    is not `output[:, -1]`, where the backward direction has seen only one step, and in a padded
    batch the forward direction has seen padding. Sequences of mixed lengths are packed, so neither
    the amount nor the content of the padding changes a logit.

    Parameters have the names of `torch.nn.RNN` below `rnn.`; those of the head are below `fc.`.

    Args:
        input_size: number of features of a step, F >= 1.
        hidden_size: number of units of a layer and direction, H >= 1.
        num_classes: number of classes, C >= 2.
        cell: `torch.nn.RNN`, `GRU` or `LSTM`.
        nonlinearity: of the cell `rnn`. GRU and LSTM have fixed ones and accept only "tanh".
        num_layers: number of layers, L >= 1.
        bidirectional: adds a second network that reads each sequence backwards.
        dropout: probability in [0, 1) of zeroing an output of a layer, except of the last layer. So
            with one layer it has no effect, as in `torch.nn.RNN`.
        pooling: the input of the head: the final state of the last layer, or the mean or maximum of
            its outputs over the valid steps.

    Shape:
        x (B, T, F), lengths (B,) on the CPU, values in 1..T -> logits (B, C).

    Raises:
        ValueError: an argument is outside its range.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_classes: int,
        cell: Cell = "rnn",
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: Pooling = "last",
    ) -> None:
        super().__init__()
        _check_at_least(1, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        _check_at_least(2, num_classes=num_classes)
        _check_choice(_CELLS, cell=cell)
        _check_choice(("tanh", "relu"), nonlinearity=nonlinearity)
        _check_choice(("last", "mean", "max"), pooling=pooling)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout}: must be at least 0 and below 1")
        if cell != "rnn" and nonlinearity != "tanh":
            raise ValueError(
                f"nonlinearity={nonlinearity!r} with cell={cell!r}: must be tanh, because "
                "only the cell rnn has other nonlinearities"
            )
        kind = {"nonlinearity": nonlinearity} if cell == "rnn" else {}
        self.rnn = _CELLS[cell](
            input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,  # nn.RNN warns about dropout without effect
            **kind,
        )
        self.fc = nn.Linear(hidden_size * (2 if bidirectional else 1), num_classes)
        self.pooling: Pooling = pooling

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        # A batch without padding need not be packed, which takes time.
        if lengths is None or int(lengths.min()) == x.shape[1]:
            output, state = self.rnn(x)  # (B, T, D*H), (L*D, B, H)
        else:
            output, state = self.rnn(
                pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            )
        if self.pooling == "last":
            return self.fc(self._final_state(state))
        return self.fc(_pool(output, self.pooling))

    def _final_state(self, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Returns the last layer's final hidden states, concatenated: (L*D, B, H) -> (B, D*H)."""
        hidden = state[0] if isinstance(state, tuple) else state
        if self.rnn.bidirectional:
            return torch.cat((hidden[-2], hidden[-1]), dim=1)
        return hidden[-1]


class SimpleRNN(RNNClassifier):
    """The notebook's first classifier: one tanh layer in one direction, final state.

    Shape: x (B, T, F) -> logits (B, C).
    """

    def __init__(self, input_size: int, hidden_size: int, num_classes: int) -> None:
        super().__init__(input_size, hidden_size, num_classes)


class MultiLayerRNN(RNNClassifier):
    """The notebook's second classifier: several tanh layers in one direction, final state.

    Shape: x (B, T, F) -> logits (B, C).
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int, num_classes: int
    ) -> None:
        super().__init__(input_size, hidden_size, num_classes, num_layers=num_layers)


class BiDirectionalRNN(RNNClassifier):
    """The notebook's third classifier: tanh layers in both directions, both final states.

    Shape: x (B, T, F) -> logits (B, C).
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int, num_classes: int
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_classes, num_layers=num_layers, bidirectional=True
        )


def _pool(output: Tensor | PackedSequence, pooling: Pooling) -> Tensor:
    """Returns the mean or maximum over the valid steps: (B, T, D*H) -> (B, D*H)."""
    if isinstance(output, Tensor):
        return output.mean(dim=1) if pooling == "mean" else output.amax(dim=1)
    filler = 0.0 if pooling == "mean" else float("-inf")
    padded, lengths = pad_packed_sequence(output, batch_first=True, padding_value=filler)
    if pooling == "max":
        return padded.amax(dim=1)
    return padded.sum(dim=1) / lengths.to(padded).unsqueeze(1)


def _check_at_least(minimum: int, **arguments: int) -> None:
    for name, value in arguments.items():
        if value < minimum:
            raise ValueError(f"{name}={value}: must be at least {minimum}")


def _check_choice(allowed: Iterable[str], **arguments: str) -> None:
    names = tuple(allowed)
    for name, value in arguments.items():
        if value not in names:
            raise ValueError(f"{name}={value!r}: must be one of {', '.join(names)}")
