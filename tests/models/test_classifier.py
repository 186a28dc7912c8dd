"""Every network is `torch.nn.RNN` (GRU, LSTM) packed by hand, and padding never matters."""

import itertools
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqsweep.models.classifier import BiDirectionalRNN, MultiLayerRNN, RNNClassifier, SimpleRNN

B, T, F, H, C = 5, 7, 3, 4, 6
LENGTHS = torch.tensor([3, 7, 1, 5, 7])
CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

every_network = pytest.mark.parametrize(
    ("kind", "layers", "bidirectional", "pooling"),
    [
        *itertools.product(
            ("tanh", "relu", "gru", "lstm"), (1, 2, 3), (False, True), ("last", "mean", "max")
        )
    ],
)


def network(
    kind="tanh", layers=1, bidirectional=False, pooling: Any = "last", **more
) -> RNNClassifier:
    """In float64, so that an equality up to rounding is one to 1e-12."""
    torch.manual_seed(0)
    cell: Any = "rnn" if kind in ("tanh", "relu") else kind
    nonlinearity: Any = kind if cell == "rnn" else "tanh"
    return RNNClassifier(
        F, H, C, cell, nonlinearity, layers, bidirectional, pooling=pooling, **more
    ).double()


def padded(filler: float = 0.0, extra: int = 0) -> Tensor:
    """(B, T + extra, F), the same sequences each time, `filler` after their ends."""
    x = torch.randn(B, T, F, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = torch.cat((x, x.new_zeros(B, extra, F)), dim=1)
    valid = torch.arange(T + extra) < LENGTHS[:, None]
    return x.masked_fill(~valid[:, :, None], filler)


def logits(model: RNNClassifier, x: Tensor, lengths: Tensor | None = LENGTHS) -> Tensor:
    with torch.no_grad():
        return model(x, lengths)


@pytest.mark.sampled(24)
@every_network
def test_the_network_equals_packing_by_hand(kind, layers, bidirectional, pooling):
    """The head on the last layer's final states, or on the mean or maximum of its valid outputs."""
    model = network(kind, layers, bidirectional, pooling)
    packed = pack_padded_sequence(padded(), LENGTHS, batch_first=True, enforce_sorted=False)
    output, state = model.rnn(packed)
    output, _ = pad_packed_sequence(output, batch_first=True)
    hidden = state[0] if kind == "lstm" else state
    features = {
        "last": torch.cat(list(hidden[-2:] if bidirectional else hidden[-1:]), dim=1),
        "mean": torch.stack([output[b, :n].mean(0) for b, n in enumerate(LENGTHS)]),
        "max": torch.stack([output[b, :n].amax(0) for b, n in enumerate(LENGTHS)]),
    }[pooling]
    torch.testing.assert_close(logits(model, padded()), model.fc(features), rtol=0, atol=1e-12)


@pytest.mark.sampled(24)
@every_network
def test_the_network_equals_each_sequence_alone_unpadded(kind, layers, bidirectional, pooling):
    model = network(kind, layers, bidirectional, pooling)
    alone = [logits(model, padded()[[b], :n], None) for b, n in enumerate(LENGTHS)]
    torch.testing.assert_close(logits(model, padded()), torch.cat(alone), rtol=0, atol=1e-12)


@pytest.mark.sampled(24)
@every_network
def test_padding_and_the_order_of_the_batch_do_not_matter(kind, layers, bidirectional, pooling):
    model = network(kind, layers, bidirectional, pooling)
    expected = logits(model, padded())
    for x in (padded(filler=1e3), padded(filler=float("nan")), padded(extra=4)):
        assert torch.equal(logits(model, x), expected)
    turned = torch.tensor([4, 2, 0, 3, 1])
    torch.testing.assert_close(
        logits(model, padded()[turned], LENGTHS[turned]), expected[turned], rtol=0, atol=1e-12
    )


@pytest.mark.sampled(24)
@every_network
def test_gradients_reach_every_parameter(kind, layers, bidirectional, pooling):
    model = network(kind, layers, bidirectional, pooling)
    model(padded(), LENGTHS).square().sum().backward()
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert [name for name, grad in grads.items() if grad is None or not grad.any()] == []


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_lengths_without_padding_change_nothing(pooling):
    model, x = network("gru", 2, True, pooling), padded()
    assert torch.equal(logits(model, x, torch.full((B,), T)), logits(model, x, None))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_weights_move_to_and_from_torch(cell, bidirectional):
    """Named as `nn.RNN` names them, below `rnn.`; its own weights load, and give its states."""
    model = network("tanh" if cell == "rnn" else cell, 2, bidirectional)
    reference = CELLS[cell](F, H, 2, batch_first=True, bidirectional=bidirectional).double()
    theirs = reference.state_dict()
    assert list(model.state_dict()) == [*(f"rnn.{key}" for key in theirs), "fc.weight", "fc.bias"]
    model.rnn.load_state_dict(theirs)
    state = reference(padded())[1]
    hidden = state[0] if cell == "lstm" else state
    final = torch.cat(list(hidden[-2:] if bidirectional else hidden[-1:]), dim=1)
    torch.testing.assert_close(logits(model, padded(), None), model.fc(final), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("named", "arguments", "fixed"),
    [
        (SimpleRNN, {}, {}),
        (MultiLayerRNN, {"num_layers": 3}, {}),
        (BiDirectionalRNN, {"num_layers": 2}, {"bidirectional": True}),
    ],
)
def test_a_named_class_fixes_arguments(named, arguments, fixed):
    torch.manual_seed(0)
    model = named(input_size=F, hidden_size=H, num_classes=C, **arguments)
    torch.manual_seed(0)
    general = RNNClassifier(F, H, C, **arguments, **fixed)
    assert list(model.state_dict()) == list(general.state_dict())
    assert torch.equal(logits(model, padded().float()), logits(general, padded().float()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": 0}, "input_size=0: "),
        ({"hidden_size": 0}, "hidden_size=0: "),
        ({"hidden_size": -3}, "hidden_size=-3: "),
        ({"num_layers": 0}, "num_layers=0: "),
        ({"num_classes": 1}, "num_classes=1: "),
        ({"cell": "rmn"}, "cell='rmn': must be one of rnn, gru, lstm"),
        ({"nonlinearity": "sigmoid"}, "nonlinearity='sigmoid': must be one of tanh, relu"),
        ({"pooling": "first"}, "pooling='first': must be one of last, mean, max"),
        ({"dropout": 1.0}, "dropout=1.0: "),
        ({"dropout": -0.1}, "dropout=-0.1: "),
        ({"dropout": float("nan")}, "dropout=nan: "),
        ({"cell": "gru", "nonlinearity": "relu"}, "nonlinearity='relu' with cell='gru': "),
        ({"cell": "lstm", "nonlinearity": "relu"}, "nonlinearity='relu' with cell='lstm': "),
    ],
)
def test_a_bad_argument_is_refused_by_name_and_value(arguments: dict[str, Any], message):
    good: dict[str, Any] = {"input_size": F, "hidden_size": H, "num_classes": C}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        RNNClassifier(**(good | arguments))


def test_dropout_acts_between_layers_and_in_training_only():
    model = network("tanh", 2, dropout=0.5)
    assert not torch.equal(logits(model, padded()), logits(model, padded()))
    assert torch.equal(logits(model.eval(), padded()), logits(network("tanh", 2), padded()))


def test_dropout_with_one_layer_has_no_effect():
    """`nn.RNN` would warn, and a warning fails this test."""
    assert torch.equal(logits(network(dropout=0.5).train(), padded()), logits(network(), padded()))
