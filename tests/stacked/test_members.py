"""A member of a stack does not depend on the other members or on its padding."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, RMSprop

LENGTHS = [7, 3, 1, 5, 7, 2, 6, 4]
SHARED: dict[str, Any] = {"num_layers": 2, "bidirectional": True}
ADAM = [{"lr": 0.01, "weight_decay": 0.1}, {"lr": 0.02}, {"betas": (0.5, 0.9)}]
OPTIONS: dict[Any, list[dict[str, Any]]] = {
    Adam: ADAM,
    AdamW: ADAM,
    SGD: [
        {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.01, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9},
    ],
    RMSprop: [{"lr": 0.001, "weight_decay": 0.1}, {"lr": 0.002}, {"alpha": 0.9, "lr": 0.003}],
}


def train(pair, generators, steps: int = 4) -> None:
    """Trains for some steps, the last one on a smaller batch."""
    for step in range(steps):
        rows = pair.rows(6 if step < steps - 1 else 3, seed=step)
        pair.step(rows, generators(*range(10 * step, 10 * step + len(rows))))


def optimized(members, optimizer: type) -> list[dict[str, Any]]:
    """Returns the members with different options of one optimizer."""
    pairs = zip(members, OPTIONS[optimizer], strict=True)
    return [member | {"options": options} for member, options in pairs]


@pytest.mark.parametrize("optimizer", OPTIONS)
def test_the_padding_of_a_member_stays_exactly_zero(
    make_pair, make_sequences, generators, members, kind, optimizer
):
    """Weight decay, clipping and dropout do not move the padding either."""
    pair = make_pair(
        optimized(members, optimizer), make_sequences(LENGTHS), optimizer, torch.float32,
        width=32, pooling="mean", **SHARED, **kind,
    )  # fmt: skip
    before = [pair.stack.vector(k) for k in range(3)]
    train(pair, generators)
    assert not pair.padding(pair.stack.flat).any()
    assert not pair.padding(pair.stack.gradient).any()
    for k in range(3):  # weights move, except those of relu's dead units
        assert (pair.stack.vector(k) != before[k]).float().mean() > 0.5


@pytest.mark.sampled(6)
@pytest.mark.parametrize("lengths", [LENGTHS, [7] * 8], ids=["mixed", "equal"])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_a_member_trains_alone_as_among_others(
    make_pair, make_sequences, generators, members, kind, lengths, dtype, atol
):
    """The two agree up to rounding, because other lengths change the rows of a product."""
    data, each = make_sequences(lengths), optimized(members, Adam)
    among = make_pair(each, data, Adam, dtype, **SHARED, **kind)
    batches = [among.rows(6, seed) for seed in range(4)]
    results = [among.step(rows, generators(s, s + 7, s + 8)) for s, rows in enumerate(batches)]
    for k, seed in enumerate((0, 7, 8)):
        alone = make_pair(each[k : k + 1], data, Adam, dtype, width=16, **SHARED, **kind)
        for s, rows in enumerate(batches):
            loss = alone.step(rows[k : k + 1], generators(s + seed)).loss
            torch.testing.assert_close(loss[0], results[s].loss[k], rtol=0, atol=atol)
        single, expected = alone.stack.vector(0), among.stack.vector(k)
        torch.testing.assert_close(single, expected, rtol=0, atol=atol)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_a_member_that_diverges_changes_no_other_member(
    make_pair, make_sequences, generators, members, kind, pooling
):
    """With NaN or infinity in one member the others are the same to the last bit."""
    weights: list[Tensor] = []
    for broken in (None, float("nan"), float("inf")):
        pair = make_pair(
            optimized(members, Adam), make_sequences(LENGTHS), Adam, torch.float32,
            pooling=pooling, **SHARED, **kind,
        )  # fmt: skip
        if broken is not None:
            pair.stack.load(1, torch.full_like(pair.stack.vector(1), broken))
        train(pair, generators)
        assert pair.stack.vector(1).isfinite().all() == (broken is None)
        weights.append(torch.cat([pair.stack.vector(0), pair.stack.vector(2)]))
    assert weights[0].isfinite().all()
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


def test_a_member_without_clipping_is_not_scaled(make_pair, make_sequences):
    """The clipping of others leaves it alone, even if its norm overflows float32."""
    weights: list[Tensor] = []
    for max_norm in (None, 1.0):
        members = [{"options": {"lr": 1e-25}}, {"max_norm": max_norm}]
        pair = make_pair(members, make_sequences([4] * 4), dtype=torch.float32)
        pair.stack.weights[1, "", "head"][0] *= 1e25  # lane 0 is member 0
        result = pair.step(pair.rows(4, seed=0))
        assert result.grad_norm[0] == float("inf")
        weights.append(pair.stack.vector(0))
    assert weights[0].isfinite().all()
    assert torch.equal(weights[0], weights[1])
