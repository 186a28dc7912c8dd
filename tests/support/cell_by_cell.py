"""The states of a network and their gradients, sequence by sequence and step by step.

T time steps, F features, H hidden, L layers, D directions, R rows: the steps of all sequences as
`PackedSequence` holds them.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.classifier import RNNClassifier

CELLS: dict[str, Any] = {
    "RNN_TANH": torch.rnn_tanh_cell, "RNN_RELU": torch.rnn_relu_cell,
    "GRU": torch.gru_cell, "LSTM": torch.lstm_cell,
}  # fmt: skip
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def trace_by_cells(
    network: RNNClassifier,
    x: Tensor,
    lengths: Tensor,
    labels: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Returns the mean norms of dL/dh_t (L, D, T).

    Index 0 is the last step of each sequence. The loss is that of one sequence.
    """
    assert isinstance(network.rnn, (nn.RNNBase, CellLayers))
    directions, steps = 1 + network.rnn.bidirectional, int(lengths.max())
    norms = torch.zeros(network.rnn.num_layers, directions, steps, dtype=x.dtype)
    sizes = torch.ones(len(labels)) if class_weights is None else class_weights[labels]
    for index, length in enumerate(lengths.tolist()):
        layers, outputs = states_of(network, x[index, :length])
        logits = network.fc(pooled(outputs, network.pooling))
        loss = cross_entropy(
            logits,
            labels[None, index],
            class_weights,
            reduction="sum",
            label_smoothing=label_smoothing,
        )
        (loss * len(labels) / sizes.sum()).backward()
        for layer, read in enumerate(layers):
            for direction, states in enumerate(read):
                for left, state in enumerate(reversed(states)):
                    assert state.grad is not None
                    norms[layer, direction, left] += state.grad.norm()
    counts = (lengths[:, None] > torch.arange(steps)).sum(0)
    return norms / counts


Steps = list[list[Tensor]]
"""A tensor (1, any) for each step of each direction, in the order in which it reads."""


def states_of(network: RNNClassifier, x: Tensor) -> tuple[list[Steps], Steps]:
    """Returns the states of each layer, and the outputs (1, H) of the last one, for x (T, F)."""
    read, layers, directions = [step[None] for step in x], list[Steps](), Steps()
    assert isinstance(network.rnn, (nn.RNNBase, CellLayers))
    for layer in range(network.rnn.num_layers):
        layers.append([])
        directions = []
        for reverse in (False, True)[: 1 + network.rnn.bidirectional]:
            run = run_of_torch if isinstance(network.rnn, nn.RNNBase) else run_of_ours
            order = read[::-1] if reverse else read
            states, outputs = run(network.rnn, layer, reverse, order)
            layers[-1].append(states)
            directions.append(outputs)
        reverse = [outputs[::-1] for outputs in directions[1:]]
        read = [torch.cat(step, 1) for step in zip(directions[0], *reverse, strict=True)]
    return layers, directions


def run_of_torch(rnn: Any, layer: int, reverse: bool, x: list[Tensor]) -> Steps:
    """Returns the states h_t twice, because they are the outputs too."""
    weights = [getattr(rnn, f"{name}_l{layer}" + "_reverse" * reverse) for name in NAMES]
    zeros, states = x[0].new_zeros(1, rnn.hidden_size), list[Tensor]()
    state = (zeros, zeros) if rnn.mode == "LSTM" else zeros
    for step in x:
        state = CELLS[rnn.mode](step, state, *weights)
        hidden = state[0] if isinstance(state, tuple) else state
        hidden.retain_grad()
        states.append(hidden)
    return [states, states]


def run_of_ours(rnn: Any, layer: int, reverse: bool, x: list[Tensor]) -> Steps:
    """Returns the states (1, N) of a cell of `models.cells`, and its outputs."""
    cell = rnn.cell(rnn.weights(f"_l{layer}" + "_reverse" * reverse), **rnn.options)
    state = x[0].new_zeros(1, cell.state_size(rnn.hidden_size))
    states, outputs = list[Tensor](), list[Tensor]()
    for step in map(cell.project, x):
        state = cell.step(step, state)
        state.retain_grad()
        states.append(state)
        outputs.append(cell.output(state, step))
    return [states, outputs]


def pooled(directions: list[list[Tensor]], pooling: str) -> Tensor:
    if pooling == "last":
        return torch.cat([states[-1] for states in directions], 1)
    each = [torch.stack(states) for states in directions]
    # max and not amax, which shares the gradient of equal ones, as relu's zeros, out among them
    return torch.cat([s.mean(0) if pooling == "mean" else s.max(0).values for s in each], 1)
