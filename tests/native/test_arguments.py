"""Wrong arguments are refused before the library reads them, and the flag ends a run."""

import threading
from typing import Any

import numpy as np
import pytest
import torch

from seqsweep.native.step import Data, Network, Shape, Stop, Stopped, evaluate, run


@pytest.fixture
def case(make_case):
    return make_case(Shape(3, 5, 4), [4, 2, 3, 4, 1, 2])


X = np.zeros((2, 3, 1), dtype=np.float32)


@pytest.mark.parametrize(
    ("x", "lengths", "labels", "message"),
    [
        (X[0], [3, 3], [0, 1], r"x: must be float32 of shape \(S, T, F\), got float32 \(3, 1\)"),
        (X, [3, 4], [0, 1], "lengths: must be between 1 and 3, got 3 to 4"),
    ],
)
def test_data_of_wrong_shape_or_range_are_refused(x, lengths, labels, message):
    with pytest.raises(ValueError, match=message):
        Data(x, np.array(lengths), np.array(labels), 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "elman"}, "cell='elman', nonlinearity='tanh': the program must be one of gru,"),
        ({"hidden_size": 0}, "hidden_size=0: must be between 1 and 2147483647"),
        ({"dropout": 1.0}, "dropout=1.0: must be at least 0 and below 1"),
        ({"weights": torch.zeros(148)[::2]}, "weights: must be contiguous"),
        ({"class_weights": torch.ones(3)}, "class_weights: must be 4 numbers"),
    ],
)
def test_wrong_arguments_of_a_network_are_refused(arguments, message):
    shape = {name: value for name, value in arguments.items() if name in Shape._fields}
    others = {name: value for name, value in arguments.items() if name not in shape}
    right: dict[str, Any] = {"optimizer": "adam", "weights": torch.zeros(74)}
    Network(Shape(3, 5, 4), **right)
    with pytest.raises(ValueError, match=message):
        Network(Shape(3, 5, 4)._replace(**shape), **right | others)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": torch.tensor([0, -1, 5, 1, 2, 3])}, "order: must be between 0 and 5"),
        ({"order": torch.arange(12)[::2]}, "order: must be contiguous and on the CPU"),
        ({"validates": True}, "val=None: must be given where a work validates"),
    ],
)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_work_that_does_not_fit_changes_no_network(make_case, changes, message, dropout):
    case = make_case(Shape(3, 5, 4, num_layers=2, dropout=dropout), [4, 2, 3, 4, 1, 2])
    networks = [case.network() for _ in range(2)]
    works = [case.work(networks[0]), case.work(networks[1])._replace(**changes)]
    with pytest.raises(ValueError, match=message):
        run(works, case.data, None)
    assert all(torch.equal(network.weights, case.initial_weights()) for network in networks)


def test_data_that_do_not_fit_and_a_network_twice_are_refused(make_case, case):
    other = make_case(Shape(2, 5, 4), [2, 2])
    message = "must have 2 features and 4 classes as the network has, got 3 and 4"
    with pytest.raises(ValueError, match=f"train: {message}"):
        run([other.work(other.network())], case.data, None)
    with pytest.raises(ValueError, match=f"data: {message}"):
        evaluate(other.network(), case.data)
    with pytest.raises(ValueError, match="weights: must be 74 numbers"):
        evaluate(case.network(), case.data, torch.zeros(3))
    network = case.network()
    with pytest.raises(ValueError, match="works: must not contain a network twice"):
        run([case.work(network), case.work(network, 1)], case.data, None)


def test_the_flag_ends_a_run_after_the_current_step(case):
    network, stop = case.network(), Stop()
    assert not stop.is_set()
    stop.set()
    assert stop.is_set()
    with pytest.raises(Stopped):
        run([case.work(network)], case.data, None, stop)
    assert network.steps == 1


def test_the_flag_ends_an_evaluation_too(make_case):
    """The single step takes a moment and the evaluation a second."""
    case = make_case(Shape(3, 64, 4, "lstm"), [100] * 4000, batch_size=1)
    stop = Stop()
    network = case.network()
    work = case.work(network, validates=True)._replace(order=torch.zeros(1, dtype=torch.int64))
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped):
        run([work], case.data, case.data, stop)
    assert network.steps == 1
