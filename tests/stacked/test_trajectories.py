"""The gradients through time and the states of a stack are those of autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqsweep.models.classifier import RNNClassifier
from seqsweep.stacked.trajectories import by_class, gradients_through_time, last_states, principal

CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
MIXED, EQUAL = [7, 3, 1, 5, 7, 2, 6, 4], [5] * 8


def cell_of(network: RNNClassifier, layer: int, reverse: bool) -> nn.Module:
    """Returns a cell of torch with the weights of one layer and direction."""
    rnn, suffix = network.rnn, f"_l{layer}" + ("_reverse" if reverse else "")
    assert isinstance(rnn, nn.RNNBase)
    options: dict[str, Any] = {}
    if isinstance(rnn, nn.RNN):
        options["nonlinearity"] = rnn.nonlinearity
    weight = getattr(rnn, "weight_ih" + suffix)
    cell = CELLS[rnn.mode.split("_")[0].lower()](weight.shape[1], rnn.hidden_size, **options)
    cell.to(weight)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(cell, name).data.copy_(getattr(rnn, name + suffix))
    return cell


def states_of(network: RNNClassifier, x: Tensor) -> list[list[list[Tensor]]]:
    """Returns the states h_t (1, H) by layer and direction, in the order of reading x (T, F)."""
    read, layers = [step[None] for step in x], []
    assert isinstance(network.rnn, nn.RNNBase)
    for layer in range(network.rnn.num_layers):
        lanes = []
        for reverse in (False, True)[: 1 + network.rnn.bidirectional]:
            cell, state, states = cell_of(network, layer, reverse), None, []
            for step in reversed(read) if reverse else read:
                state = cell(step, state)
                hidden = state[0] if isinstance(state, tuple) else state
                hidden.retain_grad()
                states.append(hidden)
            lanes.append(states)
        layers.append(lanes)
        reverse = [states[::-1] for states in lanes[1:]]
        read = [torch.cat(step, 1) for step in zip(lanes[0], *reverse, strict=True)]
    return layers


def pooled(lanes: list[list[Tensor]], pooling: str) -> Tensor:
    if pooling == "last":
        return torch.cat([states[-1] for states in lanes], 1)
    each = [torch.stack(states) for states in lanes]
    # max and not amax, which shares the gradient of equal ones, as relu's zeros, out among them
    return torch.cat([s.mean(0) if pooling == "mean" else s.max(0).values for s in each], 1)


@pytest.mark.sampled(12)
@pytest.mark.parametrize("lengths", [MIXED, EQUAL], ids=["mixed", "equal"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one", "both"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_gradients_through_time_equal_autograd(
    make_pair, make_sequences, kind, lengths, bidirectional, pooling
):
    data = make_sequences(lengths)
    shared = {"num_layers": 2, "bidirectional": bidirectional, "pooling": pooling} | kind
    pair = make_pair([{"hidden": 3}, {"hidden": 5, "seed": 1}], data, **shared)
    rows = torch.arange(len(lengths)).expand(2, -1)
    result = gradients_through_time(pair.stack, pair.loss, pair.batch(rows))
    directions = 1 + bidirectional
    for k, network in enumerate(pair.networks):
        sums = torch.zeros(2, directions, max(lengths), dtype=torch.float64)
        counts = torch.zeros(max(lengths))
        for x, length, label in zip(data.x, data.lengths.tolist(), data.labels, strict=True):
            layers = states_of(network, x[:length])
            logits = network.fc(pooled(layers[-1], pooling))
            nn.functional.cross_entropy(logits, label[None]).backward()
            counts[:length] += 1
            for layer, lanes in enumerate(layers):
                for direction, states in enumerate(lanes):
                    for left, state in enumerate(reversed(states)):
                        assert state.grad is not None
                        sums[layer, direction, left] += state.grad.norm()
        own = result[:, k * directions : (k + 1) * directions]
        torch.testing.assert_close(own, sums / counts, rtol=1e-9, atol=1e-12)


def test_watching_a_cell_changes_no_gradient_and_ends(make_pair, make_sequences, kind):
    pair = make_pair([{}], make_sequences(MIXED), num_layers=2, **kind)
    batch = pair.batch(torch.arange(8)[None])
    logits = pair.stack.forward(batch)
    pair.stack.backward(pair.loss(logits, batch.labels)[1], batch)
    before = pair.stack.gradient.clone()
    gradients_through_time(pair.stack, pair.loss, batch)
    assert torch.equal(pair.stack.gradient, before)
    assert all(cell.watch is None for cell in pair.stack.cells)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["one", "both"])
def test_trajectories_are_principal_components(make_pair, make_sequences, bidirectional):
    """They equal those of torch's states by numpy's svd, apart from signs."""
    data = make_sequences(EQUAL)
    pair = make_pair([{"hidden": 3}, {"hidden": 5}], data, bidirectional=bidirectional)
    pair.stack.forward(pair.batch(torch.arange(8).expand(2, -1)))
    for network, own in zip(pair.networks, last_states(pair.stack), strict=True):
        result = principal(own)
        assert result is not None
        output = network.rnn(data.x)[0].detach()  # (B, T, D*H)
        lanes = [output[..., : network.rnn.hidden_size]]
        if bidirectional:
            lanes.append(output[..., network.rnn.hidden_size :].flip(1))
        states = torch.cat(lanes, 2).transpose(0, 1).flatten(0, 1)
        _, values, vectors = torch.linalg.svd(states - states.mean(0), full_matrices=False)
        expected = (states - states.mean(0)) @ vectors[:2].T
        torch.testing.assert_close(
            torch.from_numpy(result.points).abs(), expected.abs(), rtol=1e-6, atol=1e-9
        )
        share = values[:2].square() / values.square().sum()
        assert result.explained == pytest.approx(share.tolist())


def test_a_network_of_one_unit_has_a_trajectory_too(make_pair, make_sequences):
    pair = make_pair([{"hidden": 1}], make_sequences(MIXED))
    pair.stack.forward(pair.batch(torch.arange(8)[None]))
    (own,) = last_states(pair.stack)
    result = principal(own)
    assert result is not None
    assert result.points.shape == (sum(MIXED), 2)
    assert result.explained == pytest.approx([1, 0])


def test_sequences_are_chosen_from_all_classes_in_turn():
    labels = torch.tensor([0] * 90 + [2] * 5 + [1] * 5)
    chosen = labels[list(by_class(labels, 16))]
    assert torch.bincount(chosen).tolist() == [6, 5, 5]
    assert len(by_class(labels, 1000)) == 100
