"""Every network is its layers packed by hand, and padding never matters.

Each option does what its source says.
"""

import itertools
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.layers import NormedLayers

B, T, F, H, C, SYMBOLS, E = 5, 7, 3, 4, 6, 9, 2
LENGTHS = torch.tensor([3, 7, 1, 5, 7])
CELLS = ("rnn", "gru", "lstm")
OURS = ("indrnn", "mingru", "minlstm", "lru")
EMBEDDING: dict[str, Any] = {"embedding_dim": E, "num_embeddings": SYMBOLS, "input_size": 1}
LAYERED: dict[str, Any] = {"layer_norm": True, "num_layers": 3}
WITH_OPTIONS = [
    {"cell": cell, "bidirectional": both, **options}
    for cell, both, options in itertools.product(
        CELLS, (False, True),
        (LAYERED, {"pooling": "attention"}, EMBEDDING,
         LAYERED | EMBEDDING | {"pooling": "attention", "recurrent_init": "orthogonal"}),
    )
] + [
    {"cell": cell, "bidirectional": True, "pooling": "attention", **LAYERED, **EMBEDDING}
    for cell in OURS
]  # fmt: skip


def network(**arguments: Any) -> RNNClassifier:
    """Computes in float64, so that equal up to rounding means equal to 1e-12."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"input_size": F, "hidden_size": H, "num_classes": C}
    return RNNClassifier(**(sizes | arguments)).double()


def padded(filler: float = 0.0, extra: int = 0, symbols: bool = False) -> Tensor:
    """Returns x (B, T + extra, F), or symbols (B, T + extra, 1), with `filler` after their ends."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(B, T, F, dtype=torch.float64, generator=generator)
    if symbols:
        x = torch.randint(SYMBOLS, (B, T, 1), generator=generator).double()
    x = torch.cat((x, x.new_zeros(B, extra, x.shape[2])), dim=1)
    valid = torch.arange(T + extra) < LENGTHS[:, None]
    return x.masked_fill(~valid[:, :, None], filler)


def logits(model: RNNClassifier, x: Tensor, lengths: Tensor | None = LENGTHS) -> Tensor:
    with torch.no_grad():
        return model(x, lengths)


@pytest.mark.sampled(12)
@pytest.mark.parametrize("arguments", WITH_OPTIONS, ids=str)
def test_padding_order_and_company_do_not_matter_and_gradients_reach_all_parameters(arguments):
    model, symbols = network(**arguments), "embedding_dim" in arguments
    plain = padded(symbols=symbols)
    expected = logits(model, plain)
    for filler, extra in ((1e3, 0), (float("nan"), 0), (0.0, 4)):
        assert torch.equal(logits(model, padded(filler, extra, symbols)), expected)
    turned = torch.tensor([4, 2, 0, 3, 1])
    again = logits(model, plain[turned], LENGTHS[turned])
    torch.testing.assert_close(again, expected[turned], rtol=0, atol=1e-12)
    alone = [logits(model, plain[[b], :n], None) for b, n in enumerate(LENGTHS)]
    torch.testing.assert_close(torch.cat(alone), expected, rtol=0, atol=1e-12)
    model(plain, LENGTHS).square().sum().backward()
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert [name for name, grad in grads.items() if grad is None or not grad.any()] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "num_classes=1: "),
        ({"cell": "rmn"}, "cell='rmn': must be one of rnn, gru, lstm"),
        ({"cell": "gru", "nonlinearity": "relu"}, "nonlinearity='relu' with cell='gru': "),
        ({"pooling": "attenton"}, "pooling='attenton': must be one of last, mean, max, attention"),
        ({"cell": "lru", "recurrent_init": "orthogonal"}, "recurrent_init='orthogonal' with cell"),
        ({"forget_bias": 1.0}, "forget_bias=1.0 with cell='rnn': must be left out, because"),
        ({"num_embeddings": 4}, "num_embeddings=4: must be left out without embedding_dim"),
        ({"embedding_dim": 2}, "num_embeddings=None: must be a number with embedding_dim=2"),
        ({"embedding_dim": 2, "num_embeddings": 0}, "num_embeddings=0: must be at least 1"),
        ({"embedding_dim": 2, "num_embeddings": 4}, "input_size=3: must be 1 with embedding_dim=2"),
    ],
)
def test_a_bad_argument_is_refused_by_name_and_value(arguments: dict[str, Any], message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        network(**arguments)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_dropout_acts_between_layers_and_in_training_only(layer_norm):
    model = network(layer_norm=layer_norm, num_layers=2, dropout=0.5)
    assert not torch.equal(logits(model, padded()), logits(model, padded()))
    expected = logits(network(layer_norm=layer_norm, num_layers=2), padded())
    assert torch.equal(logits(model.eval(), padded()), expected)


# Layer normalisation


def test_layer_norm_equals_the_formula_of_ba_et_al_between_layers():
    """Equation 3 of arXiv:1607.06450, without their sum inside the cell."""
    model, logits_of_each = network(**LAYERED, bidirectional=True), list[Tensor]()
    assert isinstance(model.rnn, NormedLayers)
    for parameter in model.rnn.norms.parameters():  # other than their first values, 1 and 0
        nn.init.normal_(parameter)
    first, *others = model.rnn.layers
    for row, length in zip(padded(), LENGTHS, strict=True):
        x = first(row[:length])[0]
        for norm, layer in zip(model.rnn.norms, others, strict=True):
            x = (x - x.mean(1, keepdim=True)) / (x.var(1, False, keepdim=True) + 1e-5).sqrt()
            x = layer(x * norm.weight + norm.bias)[0]
        logits_of_each.append(model.fc(torch.cat((x[-1, :H], x[0, H:]))))
    expected = torch.stack(logits_of_each)
    torch.testing.assert_close(logits(model, padded()), expected, rtol=0, atol=1e-12)


def test_dropout_follows_the_normalisation():
    """The training is repeated by hand with the same random numbers."""
    model, x = network(layer_norm=True, num_layers=2, dropout=0.5), padded()
    assert isinstance(model.rnn, NormedLayers)
    first, second = model.rnn.layers
    normed = model.rnn.norms[0](first(x)[0])
    torch.manual_seed(1)
    expected = model.fc(second(functional.dropout(normed, 0.5))[1][-1])
    torch.manual_seed(1)
    torch.testing.assert_close(logits(model, x, None), expected, rtol=0, atol=1e-12)


# Attention


@pytest.mark.parametrize("bidirectional", [False, True])
def test_attention_equals_the_formula_of_yang_et_al(bidirectional):
    """Equations 5 to 7: u_t = tanh(W h_t + b), a_t = softmax(u_t . u_w), s = sum of a_t h_t."""
    model = network(pooling="attention", bidirectional=bidirectional)
    assert model.attention is not None
    w, b = model.attention.projection.weight, model.attention.projection.bias
    query = model.attention.query.weight[0]
    pooled: list[Tensor] = []
    for x, n in zip(padded(), LENGTHS, strict=True):
        h = model.rnn(x[None, :n])[0][0]  # (n, D*H)
        scores = (h @ w.T + b).tanh() @ query
        a = scores.exp() / scores.exp().sum()
        pooled.append(torch.stack([a_t * h_t for a_t, h_t in zip(a, h, strict=True)]).sum(0))
    expected = model.fc(torch.stack(pooled))
    torch.testing.assert_close(logits(model, padded()), expected, rtol=0, atol=1e-12)


# Embedding


def test_an_embedding_is_a_table_of_rows_and_the_axis_of_features_may_be_left_out():
    model = network(**EMBEDDING)
    x = padded(symbols=True)
    assert model.embedding is not None
    rows = functional.one_hot(x[:, :, 0].long(), SYMBOLS).double() @ model.embedding.weight
    packed = pack_padded_sequence(rows, LENGTHS, True, False)
    expected = model.fc(model.rnn(packed)[1][-1])
    torch.testing.assert_close(logits(model, x), expected, rtol=0, atol=1e-12)
    for same in (x[:, :, 0], x.long(), x.float(), x[:, :, 0].int()):
        assert torch.equal(logits(model, same), logits(model, x))
    assert torch.equal(logits(model, x[:, :, 0], None), logits(model, x, None))
