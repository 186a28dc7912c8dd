"""The options of the network: each does what its source says, and padding never matters."""

import copy
import itertools
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.layers import NormedLayers, on_steps

B, T, F, H, C, SYMBOLS, E = 5, 7, 3, 4, 6, 9, 2
LENGTHS = torch.tensor([3, 7, 1, 5, 7])

OPTIONS: dict[str, dict[str, Any]] = {
    "layer norm": {"layer_norm": True, "num_layers": 3},
    "attention": {"pooling": "attention"},
    "embedding": {"embedding_dim": E, "num_embeddings": SYMBOLS, "input_size": 1},
    "all": {"layer_norm": True, "num_layers": 2, "pooling": "attention", "embedding_dim": E,
            "num_embeddings": SYMBOLS, "input_size": 1, "recurrent_init": "orthogonal"},
}  # fmt: skip
every_option = pytest.mark.parametrize(
    ("option", "cell", "bidirectional"),
    [*itertools.product(OPTIONS, ("rnn", "gru", "lstm"), (False, True))],
)


def network(**arguments: Any) -> RNNClassifier:
    """In float64, so that an equality up to rounding is one to 1e-12."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"input_size": F, "hidden_size": H, "num_classes": C}
    return RNNClassifier(**(sizes | arguments)).double()


def padded(option: str, filler: float = 0.0, extra: int = 0) -> Tensor:
    """(B, T + extra, F), or symbols (B, T + extra, 1), `filler` after their ends."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(B, T, F, dtype=torch.float64, generator=generator)
    if "embedding_dim" in OPTIONS[option]:
        x = torch.randint(SYMBOLS, (B, T, 1), generator=generator).double()
    x = torch.cat((x, x.new_zeros(B, extra, x.shape[2])), dim=1)
    valid = torch.arange(T + extra) < LENGTHS[:, None]
    return x.masked_fill(~valid[:, :, None], filler)


def logits(model: RNNClassifier, x: Tensor, lengths: Tensor | None = LENGTHS) -> Tensor:
    with torch.no_grad():
        return model(x, lengths)


@every_option
def test_padding_and_the_order_of_the_batch_do_not_matter(option, cell, bidirectional):
    model = network(cell=cell, bidirectional=bidirectional, **OPTIONS[option])
    expected = logits(model, padded(option))
    for x in (padded(option, 1e3), padded(option, float("nan")), padded(option, extra=4)):
        assert torch.equal(logits(model, x), expected)
    turned = torch.tensor([4, 2, 0, 3, 1])
    again = logits(model, padded(option)[turned], LENGTHS[turned])
    torch.testing.assert_close(again, expected[turned], rtol=0, atol=1e-12)


@every_option
def test_the_network_equals_each_sequence_alone_unpadded(option, cell, bidirectional):
    model = network(cell=cell, bidirectional=bidirectional, **OPTIONS[option])
    alone = [logits(model, padded(option)[[b], :n], None) for b, n in enumerate(LENGTHS)]
    torch.testing.assert_close(logits(model, padded(option)), torch.cat(alone), rtol=0, atol=1e-12)


@every_option
def test_gradients_reach_every_parameter(option, cell, bidirectional):
    model = network(cell=cell, bidirectional=bidirectional, **OPTIONS[option])
    model(padded(option), LENGTHS).square().sum().backward()
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert [name for name, grad in grads.items() if grad is None or not grad.any()] == []


@every_option
def test_weights_are_drawn_again_as_the_constructor_draws_them(option, cell, bidirectional):
    model = network(cell=cell, bidirectional=bidirectional, **OPTIONS[option]).float()
    expected = copy.deepcopy(model.state_dict())
    for parameter in model.parameters():
        nn.init.constant_(parameter, 7.0)
    torch.manual_seed(0)
    model.reset_parameters()
    found = model.state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


def test_options_that_are_off_add_no_weights_and_change_no_draw():
    plain, explicit = network(num_layers=2), network(
        num_layers=2, layer_norm=False, recurrent_init="uniform", forget_bias=None,
        embedding_dim=None, num_embeddings=None,
    )  # fmt: skip
    layers = [f"{kind}_{part}_l{i}" for i in range(2) for kind in ("weight", "bias")
              for part in ("ih", "hh")]  # fmt: skip
    assert list(plain.state_dict()) == [*(f"rnn.{name}" for name in layers), "fc.weight", "fc.bias"]
    assert type(plain.rnn) is nn.RNN
    assert torch.equal(logits(plain, padded("attention")), logits(explicit, padded("attention")))


# Layer normalisation


def layers_of(model: RNNClassifier) -> tuple[list[Any], list[Any]]:
    """The recurrent layers of a normed network, and its normalisations."""
    assert isinstance(model.rnn, NormedLayers)
    return list(model.rnn.layers), list(model.rnn.norms)


def normed_by_hand(model: RNNClassifier, x: Tensor) -> Tensor:
    """The logits of one sequence (T, F), from weights named as `nn.RNN` names them."""
    weights = {name.removeprefix("rnn."): w for name, w in model.state_dict().items()}
    for layer in range(3):
        if layer:
            x = (x - x.mean(1, keepdim=True)) / (x.var(1, False, keepdim=True) + 1e-5).sqrt()
            x = x * weights[f"norms.{layer - 1}.weight"] + weights[f"norms.{layer - 1}.bias"]
        directions: list[Tensor] = []
        for suffix in ("", "_reverse"):
            steps, h, outputs = (x.flip(0) if suffix else x), x.new_zeros(H), list[Tensor]()
            w_ih, w_hh, b_ih, b_hh = (
                weights[f"{name}_l{layer}{suffix}"]
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            for step in steps:
                h = (w_ih @ step + b_ih + w_hh @ h + b_hh).tanh()
                outputs.append(h)
            stacked = torch.stack(outputs)
            directions.append(stacked.flip(0) if suffix else stacked)
        x = torch.cat(directions, dim=1)
    return model.fc(torch.cat((x[-1, :H], x[0, H:])))


def test_layer_norm_equals_the_formula_of_ba_et_al_between_layers():
    """Equation 3 of arXiv:1607.06450, without their sum inside the cell."""
    model = network(layer_norm=True, num_layers=3, bidirectional=True)
    with torch.no_grad():
        for norm in layers_of(model)[1]:  # other than their first values, 1 and 0
            norm.weight.normal_()
            norm.bias.normal_()
        expected = [
            normed_by_hand(model, padded("layer norm")[b, :n]) for b, n in enumerate(LENGTHS)
        ]
    found = logits(model, padded("layer norm"))
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-12)


def test_a_layer_reads_outputs_of_mean_0_and_deviation_1():
    model = network(layer_norm=True, num_layers=2, hidden_size=50)
    seen: list[Tensor] = []
    layers_of(model)[0][1].register_forward_pre_hook(
        lambda _, arguments: seen.append(arguments[0].data)
    )
    logits(model, 100 * padded("layer norm"))
    torch.testing.assert_close(seen[0].mean(1), torch.zeros(int(LENGTHS.sum())).double())
    torch.testing.assert_close(
        seen[0].var(1, False), torch.ones(int(LENGTHS.sum())).double(), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_normed_weights_are_drawn_and_named_as_those_of_torch(cell):
    normed = network(cell=cell, layer_norm=True, num_layers=3, bidirectional=True)
    plain = network(cell=cell, num_layers=3, bidirectional=True)
    norms = [f"rnn.norms.{i}.{name}" for i in range(2) for name in ("weight", "bias")]
    recurrent, head = list(plain.state_dict())[:-2], list(plain.state_dict())[-2:]
    assert list(normed.state_dict()) == [*recurrent, *norms, *head]
    # The normalisations draw nothing, so the head is the same too.
    assert all(torch.equal(normed.state_dict()[name], w) for name, w in plain.state_dict().items())


def test_a_normed_network_loads_its_own_weights_and_refuses_others():
    model = network(layer_norm=True, num_layers=2)
    other = network(layer_norm=True, num_layers=2)
    layers, norms = layers_of(other)
    nn.init.normal_(norms[0].weight)
    nn.init.normal_(layers[1].weight_hh_l0)
    model.load_state_dict(other.state_dict())
    x = padded("layer norm")
    assert torch.equal(logits(model, x), logits(other, x))
    with pytest.raises(RuntimeError, match=r"Missing key.*norms\.0\.weight"):
        model.load_state_dict(network(num_layers=2).state_dict())


def test_layer_norm_of_one_layer_has_no_effect():
    x = padded("layer norm")
    assert torch.equal(logits(network(layer_norm=True), x), logits(network(), x))


def test_dropout_acts_between_normed_layers_and_in_training_only():
    model = network(layer_norm=True, num_layers=2, dropout=0.5)
    x = padded("layer norm")
    assert not torch.equal(logits(model, x), logits(model, x))
    assert torch.equal(logits(model.eval(), x), logits(network(layer_norm=True, num_layers=2), x))


def test_on_steps_reaches_packed_and_padded_steps():
    packed = nn.utils.rnn.pack_sequence([torch.ones(3, 2), torch.ones(1, 2)])
    doubled = on_steps(lambda steps: 2 * steps, packed)
    assert isinstance(doubled, PackedSequence)
    assert torch.equal(doubled.data, torch.full((4, 2), 2.0))
    assert torch.equal(doubled.batch_sizes, packed.batch_sizes)
    negative = on_steps(torch.neg, torch.ones(1, 2, 3))
    assert isinstance(negative, Tensor)
    assert torch.equal(negative, -torch.ones(1, 2, 3))


# Attention


@pytest.mark.parametrize("bidirectional", [False, True])
def test_attention_equals_the_formula_of_yang_et_al(bidirectional):
    """Equations 5 to 7: u_t = tanh(W h_t + b), a_t = softmax(u_t . u_w), s = sum of a_t h_t."""
    model = network(pooling="attention", bidirectional=bidirectional)
    assert model.attention is not None
    w, b = model.attention.projection.weight, model.attention.projection.bias
    query = model.attention.query.weight[0]
    pooled: list[Tensor] = []
    for x, n in zip(padded("attention"), LENGTHS, strict=True):
        h = model.rnn(x[None, :n])[0][0]  # (n, D*H)
        scores = (h @ w.T + b).tanh() @ query
        a = scores.exp() / scores.exp().sum()
        pooled.append(torch.stack([a_t * h_t for a_t, h_t in zip(a, h, strict=True)]).sum(0))
    expected = model.fc(torch.stack(pooled))
    torch.testing.assert_close(logits(model, padded("attention")), expected, rtol=0, atol=1e-12)


def test_attention_of_a_zero_query_is_the_mean():
    model = network(pooling="attention")
    assert model.attention is not None
    nn.init.zeros_(model.attention.query.weight)
    mean = network(pooling="mean")
    x = padded("attention")
    torch.testing.assert_close(logits(model, x), logits(mean, x), rtol=0, atol=1e-12)


# Embedding


def test_an_embedding_is_a_table_of_rows_and_the_axis_of_features_may_be_left_out():
    model = network(**OPTIONS["embedding"])
    x = padded("embedding")
    assert model.embedding is not None
    rows = functional.one_hot(x[:, :, 0].long(), SYMBOLS).double() @ model.embedding.weight
    packed = nn.utils.rnn.pack_padded_sequence(rows, LENGTHS, True, False)
    expected = model.fc(model.rnn(packed)[1][-1])
    torch.testing.assert_close(logits(model, x), expected, rtol=0, atol=1e-12)
    for same in (x[:, :, 0], x.long(), x.float(), x[:, :, 0].int()):
        assert torch.equal(logits(model, same), logits(model, x))
    assert torch.equal(logits(model, x[:, :, 0], None), logits(model, x, None))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "attenton"}, "pooling='attenton': must be one of last, mean, max, attention"),
        ({"recurrent_init": "eye"}, "recurrent_init='eye': must be one of uniform, orthogonal"),
        ({"forget_bias": 1.0}, "forget_bias=1.0 with cell='rnn': must be None, because only the"),
        ({"forget_bias": 1.0, "cell": "gru"}, "forget_bias=1.0 with cell='gru': "),
        ({"num_embeddings": 4}, "num_embeddings=4: must be None without embedding_dim"),
        ({"embedding_dim": 2}, "num_embeddings=None: must be a number with embedding_dim=2"),
        ({"embedding_dim": 0, "num_embeddings": 4}, "embedding_dim=0: must be at least 1"),
        ({"embedding_dim": 2, "num_embeddings": 0}, "num_embeddings=0: must be at least 1"),
        ({"embedding_dim": 2, "num_embeddings": 4}, "input_size=3: must be 1 with embedding_dim=2"),
    ],
)
def test_a_bad_option_is_refused_by_name_and_value(arguments: dict[str, Any], message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        network(**arguments)
