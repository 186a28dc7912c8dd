"""A network's bits depend on its config alone: not on other networks or threads."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from seqsweep.models.cells import cell_class
from seqsweep.models.tracing import trace
from seqsweep.native.library import workspace
from seqsweep.native.step import Data, Shape, evaluate, run


def own_shape(cell: str, hidden: int, *arguments: Any) -> Shape:
    program = trace(cell_class(cell), 3, hidden)
    shape = Shape(3, hidden, 4, cell, "tanh", *arguments)
    return shape._replace(program=program)


SHAPES = [
    Shape(3, 10, 4, "rnn", "tanh", 2, True, "mean", 0.3),
    Shape(3, 33, 4, "rnn", "relu", 1, False, "last"),
    Shape(3, 64, 4, "gru", "tanh", 1, True, "max"),
    Shape(3, 7, 4, "lstm", "tanh", 3, False, "last", 0.5),
    Shape(3, 20, 4, "indrnn", "relu", 3, True, "last", 0.3),
    Shape(3, 33, 4, "mingru", "tanh", 2, True, "last", 0.5),
    Shape(3, 19, 4, "lru", "tanh", 2, True, "mean", 0.3),
    own_shape("example_cells.PeepholeLSTM", 33, 2, True, "mean", 0.3),
    own_shape("odd_cells.Dividing", 7, 2, True, "max", 0.5),
    own_shape("odd_cells.DelayLine", 64, 1, True, "mean"),
]
LENGTHS = [5, 2, 7, 7, 1, 3, 6, 7, 4, 5, 2, 1, 7]
ADAM = {"lr": 0.01, "weight_decay": 0.01}


def train(make_case, epochs: int = 2, alone: bool = True, threads: int = 0) -> str:
    """Trains all networks, each alone or in two calls; returns all their numbers as text."""
    cases = [
        make_case(shape, LENGTHS, "adam", ADAM, max_norm=0.5, batch_size=3 + n % 11, seed=n)
        for n, shape in enumerate(SHAPES)
    ]
    networks = [case.network() for case in cases]
    data = cases[0].data
    measurements: list[str] = []
    with ThreadPoolExecutor(max(1, threads)) as pool:
        each_in_turn = pool.map if threads else map
        for epoch in range(epochs):
            works = [
                case.work(network, epoch, True)
                for case, network in zip(cases, networks, strict=True)
            ]
            groups = [[work] for work in works] if alone else [works[::2], works[1::2]]
            results = [
                r for each in each_in_turn(lambda g: run(g, data, data), groups) for r in each
            ]
            order = [*range(len(works))]
            order = order if alone else order[::2] + order[1::2]
            by_index = dict(zip(order, results, strict=True))
            measurements += [repr(by_index[n][:2]) for n in range(len(works))]
    numbers = [network.weights.numpy().tobytes().hex() for network in networks]
    numbers += [m.numpy().tobytes().hex() for n in networks for m in n.state.values()]
    return "\n".join(measurements + numbers)


@pytest.mark.slow
def test_other_networks_threads_and_the_old_workspace_change_no_bit_of_a_network(make_case):
    alone = train(make_case)
    assert train(make_case, alone=False) == alone
    assert train(make_case, alone=False, threads=2) == alone
    assert train(make_case, threads=2) == alone
    workspace.at_least(2**24)
    for byte in (0x7F, 0xFF):  # large numbers, NaN
        workspace.memory.fill(byte)
        assert train(make_case, alone=False) == alone


@pytest.mark.parametrize("shape", SHAPES)
def test_the_loss_of_an_evaluation_is_the_mean_of_its_sequences(make_case, shape):
    case = make_case(shape, LENGTHS)
    network = case.network()
    whole = evaluate(network, case.data)
    x, lengths, labels = case.data.x, case.data.lengths, case.data.labels
    each = [
        evaluate(network, Data(x[n : n + 1], lengths[n : n + 1], labels[n : n + 1], 4))
        for n in range(len(LENGTHS))
    ]
    total = 0.0
    for sums in each:
        total += sums.loss
    assert whole.loss == total / len(LENGTHS)
    assert np.array_equal(whole.confusion, sum(sums.confusion for sums in each))


def test_subnormal_numbers_are_kept_where_the_thread_flushes_them(make_case):
    case = make_case(SHAPES[1], LENGTHS, "sgd", {"lr": 0.0})
    network = case.network()
    network.weights[0] = 1e-40
    assert torch.set_flush_denormal(True)
    try:
        run([case.work(network)], case.data, None)
        flushes = torch.tensor(1e-40) * 1 == 0
    finally:
        torch.set_flush_denormal(False)
    assert flushes  # the thread itself still flushes them
    assert network.weights[0] == torch.tensor(1e-40)
