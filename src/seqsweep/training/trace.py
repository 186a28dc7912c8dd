"""The gradients through time and the hidden states of a network that autograd has trained.

B sequences, T steps, R rows: the steps of all sequences as `PackedSequence` holds them, H hidden,
L layers, D directions.
"""

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqsweep.data.sequences import Sequences
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.module import SequenceClassifier

_CELLS: dict[str, Callable[..., Tensor]] = {
    "RNN_TANH": torch.rnn_tanh_cell,
    "RNN_RELU": torch.rnn_relu_cell,
    "GRU": torch.gru_cell,
}


def trace_module(
    module: SequenceClassifier, sequences: Sequences
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Returns the gradients (L, D, T) and the states (R, D*H) that `native.step.trace` describes.

    Args:
        module: its network is one that `native` can train.
        sequences: sorted by falling length.
    """
    network = module.network
    assert isinstance(network, RNNClassifier) and isinstance(network.rnn, nn.RNNBase)
    lengths = torch.from_numpy(sequences.lengths)
    packed = pack_padded_sequence(torch.from_numpy(sequences.x), lengths, batch_first=True)
    counts, directions = packed.batch_sizes, 1 + network.rnn.bidirectional
    starts = counts.cumsum(0) - counts  # (T,) the first row of each step
    times = torch.repeat_interleave(torch.arange(len(counts)), counts)  # (R,)
    columns = torch.arange(len(times)) - starts[times]  # (R,) the sequence of each row
    left = lengths[columns] - 1 - times  # (R,) the steps that follow
    # The row at which the other direction reads the same step of the same sequence.
    mirror = starts[left] + columns
    # Gradients reach the states only if something before them asks for its own.
    rows = packed.data.requires_grad_()
    states: list[list[Tensor]] = []  # of each layer and direction: (B, H) or fewer rows by step
    outputs: list[Tensor] = []  # of each direction of a layer: (R, H), in the order of reading
    for layer in range(network.rnn.num_layers):
        for direction in range(directions):
            steps = (rows[mirror] if direction else rows).split(counts.tolist())
            states.append(_read(network.rnn, layer * directions + direction, steps))
        outputs = [torch.cat(each) for each in states[-directions:]]
        rows = torch.cat([outputs[0], *(output[mirror] for output in outputs[1:])], 1)
    ends = starts[lengths - 1] + torch.arange(len(lengths))
    pooled = [_pool(output, counts, lengths, ends, network.pooling) for output in outputs]
    weight, bias = (parameter.detach().cpu().float() for parameter in network.fc.parameters())
    by_class = None if module.class_weights is None else module.class_weights.cpu()
    loss = cross_entropy(
        torch.cat(pooled, 1) @ weight.T + bias,
        torch.from_numpy(sequences.labels),
        by_class,
        label_smoothing=module.label_smoothing,
    )
    # The loss of a batch is a mean over its sequences: undo the division by their number.
    (loss * len(lengths)).backward()
    norms = torch.stack([torch.cat([_norms(state) for state in each]) for each in states])
    sums = torch.zeros(len(states), len(counts)).index_add_(1, left, norms)
    means = (sums / counts).unflatten(0, (-1, directions))
    return means.numpy(), torch.cat(outputs, 1).detach().numpy()


def _read(rnn: nn.RNNBase, index: int, steps: tuple[Tensor, ...]) -> list[Tensor]:
    """Returns the states h_t of one direction of a layer, whose gradients are kept."""
    weights = [weight.detach().cpu().float() for weight in rnn.all_weights[index]]
    hidden = memory = torch.zeros(len(steps[0]), rnn.hidden_size)
    states: list[Tensor] = []
    for step in steps:
        # The sequences fall in length, so those that have ended are the last ones.
        hidden, memory = hidden[: len(step)], memory[: len(step)]
        if rnn.mode == "LSTM":
            hidden, memory = torch.lstm_cell(step, (hidden, memory), *weights)
        else:
            hidden = _CELLS[rnn.mode](step, hidden, *weights)
        hidden.retain_grad()
        states.append(hidden)
    return states


def _pool(output: Tensor, counts: Tensor, lengths: Tensor, ends: Tensor, pooling: str) -> Tensor:
    """Returns what the head reads of the outputs of one direction: (R, H) -> (B, H)."""
    if pooling == "last":
        return output[ends]
    filler = 0.0 if pooling == "mean" else float("-inf")
    padded, _ = pad_packed_sequence(PackedSequence(output, counts), padding_value=filler)
    return padded.max(0).values if pooling == "max" else padded.sum(0) / lengths[:, None]


def _norms(state: Tensor) -> Tensor:
    assert state.grad is not None
    return torch.linalg.vector_norm(state.grad, dim=1)
