"""A stack trains as its members do separately, by nn.RNN, GRU, LSTM and torch.optim."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

STEPS = 20

OPTIONS: dict[Any, st.SearchStrategy[dict[str, Any]]] = {
    adam: st.fixed_dictionaries(
        {
            "lr": st.sampled_from([0.001, 0.01, 0.03]),
            "betas": st.sampled_from([(0.9, 0.999), (0.5, 0.9), (0.0, 0.99)]),
            "eps": st.sampled_from([1e-8, 1e-4]),
            "weight_decay": st.sampled_from([0.0, 0.01, 0.3]),
        }
    )
    for adam in (torch.optim.Adam, torch.optim.AdamW)
} | {
    torch.optim.SGD: st.builds(
        lambda lr, decay, pair: {
            "lr": lr, "weight_decay": decay, "momentum": pair[0], "nesterov": pair[1]
        },
        st.sampled_from([0.01, 0.05, 0.1]),
        st.sampled_from([0.0, 0.01, 0.1]),
        st.sampled_from([(0.0, False), (0.9, False), (0.5, True), (0.9, True)]),
    ),
    torch.optim.RMSprop: st.fixed_dictionaries(
        {
            "lr": st.sampled_from([0.0005, 0.001, 0.003]),
            "alpha": st.sampled_from([0.99, 0.9]),
            "weight_decay": st.sampled_from([0.0, 0.01]),
            "momentum": st.sampled_from([0.0, 0.5]),
        }
    ),
}  # fmt: skip
CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")]


@st.composite
def stacks(draw) -> dict[str, Any]:
    """Draws the arguments of a `Pair`, the lengths of its sequences, and its batch sizes."""
    cell, nonlinearity = draw(st.sampled_from(CELLS))
    optimizer = draw(st.sampled_from(list(OPTIONS)))
    member = st.fixed_dictionaries(
        {
            "hidden": st.integers(1, 40),
            "dropout": st.sampled_from([0.0, 0.2, 0.5]),
            "max_norm": st.sampled_from([None, 0.1, 1.0]),
            "label_smoothing": st.sampled_from([0.0, 0.1, 0.3]),
            "class_weights": st.sampled_from([None, (0.5, 1.0, 2.0, 1.5)]),
            "options": OPTIONS[optimizer],
            "seed": st.integers(0, 3),
        }
    )
    steps = draw(st.integers(1, 6))
    mixed = st.lists(st.integers(1, steps), min_size=12, max_size=12)
    lengths = draw(st.just([steps] * 12) | mixed)
    return {
        "arguments": {
            "members": draw(st.lists(member, min_size=1, max_size=3)),
            "optimizer": optimizer,
            "cell": cell,
            "nonlinearity": nonlinearity,
            "num_layers": draw(st.integers(1, 4)),
            "bidirectional": draw(st.booleans()),
            "pooling": draw(st.sampled_from(["last", "mean", "max"])),
        },
        "lengths": lengths,
        "sizes": draw(st.tuples(st.integers(1, 8), st.integers(1, 8))),
    }


def check(pair, weights_of, generators, sizes: tuple[int, int]) -> None:
    """Compares the losses of all steps and the final weights to 1e-9, with other rows each."""
    count = len(pair.members)
    for step in range(STEPS):
        rows = pair.rows(sizes[step % 4 == 3], seed=step)
        losses = pair.step(rows, generators(*(10 * step + k for k in range(count)))).loss
        for k in range(count):
            torch.manual_seed(10 * step + k)
            torch.testing.assert_close(losses[k], pair.step_apart(k, rows[k]), rtol=0, atol=1e-9)
    for k, network in enumerate(pair.networks):
        torch.testing.assert_close(pair.stack.vector(k), weights_of(network), rtol=0, atol=1e-9)
    assert not pair.padding(pair.stack.flat).any()


@settings(derandomize=True, deadline=None, max_examples=4)
@given(stack=stacks())
def test_a_stack_trains_as_its_members_separately(
    make_pair, make_sequences, weights_of, generators, stack
):
    pair = make_pair(data=make_sequences(stack["lengths"]), **stack["arguments"])
    check(pair, weights_of, generators, stack["sizes"])


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=50)
@given(stack=stacks())
def test_many_stacks_train_as_their_members_separately(
    make_pair, make_sequences, weights_of, generators, stack
):
    pair = make_pair(data=make_sequences(stack["lengths"]), **stack["arguments"])
    check(pair, weights_of, generators, stack["sizes"])
