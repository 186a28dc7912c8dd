"""Every weight of a network has one index in the stack and comes back from it unchanged."""

import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqsweep.models.classifier import RNNClassifier
from seqsweep.stacked.grouping import padded
from seqsweep.stacked.layout import Layout, StackShape
from seqsweep.stacked.network import StackedNetwork

F, C = 3, 4

# For each gate of torch, the group that computes it and its index in the group.
GATES = {
    "rnn": {0: ("tanh", 0)},
    "gru": {0: ("sigmoid", 0), 1: ("sigmoid", 1), 2: ("tanh", 0)},  # r z n
    "lstm": {0: ("sigmoid", 0), 1: ("sigmoid", 1), 2: ("tanh", 0), 3: ("sigmoid", 2)},  # i f g o
}

shapes = st.fixed_dictionaries(
    {
        "cell": st.sampled_from(["rnn", "gru", "lstm"]),
        "num_layers": st.integers(1, 4),
        "bidirectional": st.booleans(),
    }
)


def of_members(hidden: list[int], shared: dict[str, Any]) -> tuple[list[RNNClassifier], Any]:
    """Returns networks of distinct weights, and a stack that holds them."""
    torch.manual_seed(0)
    networks = [RNNClassifier(F, size, C, **shared) for size in hidden]
    stack = StackedNetwork(
        StackShape(F, padded(max(hidden)), C, **shared), hidden, [0.0] * len(hidden)
    )
    for k, network in enumerate(networks):
        stack.load(k, vector(network))
    return networks, stack


def vector(network: RNNClassifier) -> Tensor:
    return torch.nn.utils.parameters_to_vector(network.parameters()).detach()


@settings(derandomize=True, deadline=None, max_examples=30)
@given(shared=shapes, hidden=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_weights_come_back_from_the_stack_unchanged(shared, hidden):
    networks, stack = of_members(hidden, shared)
    for k, network in enumerate(networks):
        assert torch.equal(stack.vector(k), vector(network))
    stack.load(0, vector(networks[0]) + 1)  # the other members must stay the same
    assert torch.equal(stack.vector(0), vector(networks[0]) + 1)
    for k, network in enumerate(networks[1:], start=1):
        assert torch.equal(stack.vector(k), vector(network))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(shared=shapes, hidden=st.integers(1, 40), more=st.integers(0, 20))
def test_every_weight_has_an_index_of_its_own(shared, hidden, more):
    """The indices are distinct and in the member's row, which is zero elsewhere after loading."""
    shape = StackShape(F, hidden + more, C, **shared)
    layout = Layout(shape)
    positions = layout.positions(hidden)
    count = sum(p.numel() for p in RNNClassifier(F, hidden, C, **shared).parameters())
    assert len(positions) == len(set(positions.tolist())) == count
    assert 0 <= int(positions.min()) <= int(positions.max()) < shape.directions * layout.size
    stack = StackedNetwork(shape, [hidden], [0.0])
    stack.flat.fill_(7)
    stack.load(0, torch.zeros(count))
    assert not stack.flat.any()


@settings(derandomize=True, deadline=None, max_examples=30)
@given(shared=shapes, hidden=st.lists(st.integers(1, 20), min_size=1, max_size=3))
def test_every_named_parameter_lies_in_its_block(shared, hidden):
    """A parameter such as weight_ih_l1_reverse lies transposed, by gate, in its lane."""
    networks, stack = of_members(hidden, shared)
    directions = stack.shape.directions
    for k, (network, size) in enumerate(zip(networks, hidden, strict=True)):
        for name, parameter in network.rnn.named_parameters():
            match = re.fullmatch(r"(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d)(_reverse)?", name)
            assert match is not None
            is_reverse = match[3] is not None
            layer, lane = int(match[2]), k * directions + is_reverse
            for gate, (group, index) in GATES[shared["cell"]].items():
                blocks = {
                    block: matrices[lane][:, index * stack.shape.hidden :][:, :size]
                    for (level, of, block), matrices in stack.weights.items()
                    if (level, of) == (layer, group)
                }
                expected = parameter.detach()[gate * size : (gate + 1) * size]
                if match[1] == "weight_ih" and layer == 0:
                    assert torch.equal(blocks["own"], expected.T)
                elif match[1] == "weight_ih":  # forward units first, whichever direction reads
                    halves = ("other", "own") if is_reverse else ("own", "other")[:directions]
                    parts = [blocks[half][:size] for half in halves]
                    assert torch.equal(torch.cat(parts), expected.T)
                elif match[1] == "weight_hh":
                    assert torch.equal(blocks["hidden"][:size], expected.T)
                else:
                    assert torch.equal(blocks["bias"][int(match[1] == "bias_hh")], expected)
        lanes = slice(k * directions, (k + 1) * directions)
        heads = stack.weights[shared["num_layers"], "", "head"][lanes, :size]
        assert torch.equal(heads.flatten(0, 1), network.fc.weight.detach().T)
        bias = stack.weights[shared["num_layers"], "", "head_bias"][lanes]
        assert torch.equal(bias[0, 0], network.fc.bias.detach())
        assert not bias[1:].any()


@pytest.mark.parametrize(("hidden", "width"), [(1, 16), (15, 16), (16, 16), (17, 32), (32, 32)])
def test_widths_are_multiples_of_sixteen(hidden, width):
    assert padded(hidden) == width
