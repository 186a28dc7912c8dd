"""The library trains and traces as torch's cells, `models.cells` and torch.optim do in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from cell_by_cell import trace_by_cells
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix
from torch import nn

from seqsweep.native.step import Shape, run, trace

CELLS = [
    ("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh"),
    ("indrnn", "tanh"), ("indrnn", "relu"), ("mingru", "tanh"), ("minlstm", "tanh"),
    ("lru", "tanh"),
]  # fmt: skip
OPTIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    adam: st.fixed_dictionaries(
        {
            "lr": st.sampled_from([0.001, 0.01]),
            "betas": st.sampled_from([(0.9, 0.999), (0.5, 0.9), (0.0, 0.99)]),
            # With a smaller eps the sign of a gradient that is only rounding would count.
            "eps": st.sampled_from([1e-3, 1e-4]),
            "weight_decay": st.sampled_from([0.0, 0.01, 0.3]),
        }
    )
    for adam in ("adam", "adamw")
} | {
    "sgd": st.builds(
        lambda lr, decay, pair: {
            "lr": lr, "weight_decay": decay, "momentum": pair[0], "nesterov": pair[1]
        },
        st.sampled_from([0.01, 0.1]),
        st.sampled_from([0.0, 0.1]),
        st.sampled_from([(0.0, False), (0.9, False), (0.5, True)]),
    ),
    "rmsprop": st.fixed_dictionaries(
        {
            "lr": st.sampled_from([0.0005, 0.003]),
            "alpha": st.sampled_from([0.99, 0.9]),
            "eps": st.sampled_from([1e-2, 1e-3]),
            "weight_decay": st.sampled_from([0.0, 0.01]),
            "momentum": st.sampled_from([0.0, 0.5]),
        }
    ),
}  # fmt: skip


@st.composite
def cases(draw) -> dict[str, Any]:
    """Draws the arguments of a `Case`, but for the cell."""
    classes = draw(st.integers(2, 20))
    shape = Shape(
        input_size=draw(st.integers(1, 20)),
        hidden_size=draw(st.integers(1, 80)),
        num_classes=classes,
        num_layers=draw(st.integers(1, 3)),
        bidirectional=draw(st.booleans()),
        pooling=draw(st.sampled_from(["last", "mean", "max"])),
        dropout=draw(st.sampled_from([0.0, 0.0, 0.3])),
    )
    steps = draw(st.integers(1, 9))
    # torch does not sort more than 16 sequences stably, and the order decides their masks.
    count = draw(st.integers(1, 16 if shape.dropout else 40))
    mixed = st.lists(st.integers(1, steps), min_size=count, max_size=count)
    weights = st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=classes, max_size=classes)
    optimizer = draw(st.sampled_from(list(OPTIONS)))
    return {
        "shape": shape,
        "lengths": draw(st.just([steps] * count) | mixed),
        "optimizer": optimizer,
        "options": draw(OPTIONS[optimizer]),
        "class_weights": draw(st.none() | weights),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1])),
        "max_norm": draw(st.sampled_from([None, 0.05, 1.0])),
        "batch_size": draw(st.integers(1, count)),
        "seed": draw(st.integers(0, 3)),
    }


def check_gradient(case) -> None:
    """Checks loss, norm, gradient and confusion of the first step, then an evaluation."""
    case.batch_size = len(case.lengths)
    case.optimizer, case.options = "sgd", {"lr": 0.0, "momentum": 0.5}
    network = case.network(max_norm=None)
    result = run([case.work(network, validates=True)], case.data, case.data)[0]

    reference = case.classifier()
    torch.manual_seed(1000)  # the dropout seed of `Case.work`
    loss = case.loss(reference, case.order())
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in reference.parameters() if p.grad is not None])
    scale = max(float(gradient.abs().max()), 1e-3)
    # The momentum after one step is the gradient.
    torch.testing.assert_close(
        network.state["momentum_buffer"].double(), gradient, rtol=0, atol=3e-6 * scale
    )
    assert result.train.loss == pytest.approx(loss.item(), abs=2e-6)
    assert result.train.grad_norm == pytest.approx(gradient.norm().item(), rel=1e-5, abs=1e-7)
    assert result.train.confusion.sum() == len(case.lengths)

    run([case.work(network)], case.data, None)  # the next epoch does not change this result
    reference.eval()
    with torch.no_grad():
        logits = reference(case.x.double(), case.ends)
    plain = float(nn.functional.cross_entropy(logits, case.labels))
    assert result.val is not None
    assert result.val.loss == pytest.approx(plain, abs=2e-6)
    top = logits.topk(2, 1).values
    if (top[:, 0] - top[:, 1]).min() > 1e-5:
        counts = confusion_matrix(case.labels, logits.argmax(1), labels=range(logits.shape[1]))
        assert np.array_equal(result.val.confusion, counts)
    counts = np.bincount(case.labels, minlength=logits.shape[1])
    assert np.array_equal(result.val.confusion.sum(1), counts)


def check_training(case) -> None:
    """Checks losses and norms of two epochs, and the weights and the state after them."""
    network, reference = case.network(), case.classifier()
    optimizer = case.torch_optimizer(reference)
    parameters = list(reference.parameters())
    step = 0
    for epoch in range(2):
        result = run([case.work(network, epoch)], case.data, None)[0]
        losses: list[float] = []
        weights: list[float] = []
        norms: list[float] = []
        for rows in case.order(epoch).split(case.batch_size):
            optimizer.zero_grad()
            torch.manual_seed(1000 + step)
            loss = case.loss(reference, rows)
            loss.backward()
            limit = float("inf") if case.max_norm is None else case.max_norm
            norms.append(float(nn.utils.clip_grad_norm_(parameters, limit)))
            optimizer.step()
            step += 1
            losses.append(loss.item())
            labels = case.labels[rows]
            weights.append(len(rows) if case.weights is None else float(case.weights[labels].sum()))
        assert result.train.loss == pytest.approx(np.average(losses, weights=weights), abs=2e-5)
        assert result.train.grad_norm == pytest.approx(np.mean(norms), rel=1e-3, abs=1e-5)
    assert network.steps == step
    vector = nn.utils.parameters_to_vector(parameters).detach()
    torch.testing.assert_close(network.weights.double(), vector, rtol=0, atol=1e-4)
    for name, values in network.state.items():
        if name not in optimizer.state[parameters[0]]:
            assert not values.any()
            continue
        states = optimizer.state
        if states[parameters[0]][name] is None:  # SGD without momentum
            continue
        state = torch.cat([states[parameter][name].flatten() for parameter in parameters])
        torch.testing.assert_close(values.double(), state, rtol=1e-3, atol=1e-4)


@pytest.mark.sampled(4, 8)
@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
@settings(derandomize=True, max_examples=5)
@given(arguments=cases())
def test_gradient_and_training_by_the_library_are_those_of_float64(
    make_case, cell, nonlinearity, arguments
):
    shape = arguments["shape"]._replace(cell=cell, nonlinearity=nonlinearity)
    check_training(make_case(**arguments | {"shape": shape}))
    check_gradient(make_case(**arguments | {"shape": shape}))


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_traced_gradients_are_those_of_the_cells(make_case, cell, nonlinearity, pooling):
    shape = Shape(3, 5, 4, cell, nonlinearity, 2, True, pooling, 0.3)
    case = make_case(
        shape, [4, 2, 4, 1, 3], class_weights=[0.5, 1.0, 2.0, 1.5], label_smoothing=0.1
    )
    traced = trace(case.network(), case.data)
    gradients = trace_by_cells(
        case.classifier(), case.x.double(), case.ends, case.labels, case.weights.double(), 0.1
    )
    np.testing.assert_allclose(traced, gradients.numpy(), atol=2e-6)
