"""A member of a stack is itself whoever else is in it, and its padding is nothing."""

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
    """The last step on a smaller batch."""
    for step in range(steps):
        rows = pair.rows(6 if step < steps - 1 else 3, seed=step)
        pair.step(rows, generators(*range(10 * step, 10 * step + len(rows))))


def optimized(members, optimizer: type) -> list[dict[str, Any]]:
    """The members with options of that optimizer, all of them different."""
    pairs = zip(members, OPTIONS[optimizer], strict=True)
    return [member | {"options": options} for member, options in pairs]


@pytest.mark.parametrize("optimizer", OPTIONS)
def test_padding_stays_exactly_zero(
    make_pair, make_sequences, generators, members, kind, optimizer
):
    """What makes a padded network the network itself; with weight decay, clipping and dropout."""
    pair = make_pair(
        optimized(members, optimizer), make_sequences(LENGTHS), optimizer, torch.float32,
        width=32, pooling="mean", **SHARED, **kind,
    )  # fmt: skip
    before = [pair.stack.vector(k) for k in range(3)]
    train(pair, generators)
    assert not pair.padding(pair.stack.flat).any()
    assert not pair.padding(pair.stack.gradient).any()
    for k in range(3):  # while weights move: all but those of relu's dead units
        assert (pair.stack.vector(k) != before[k]).float().mean() > 0.5


@pytest.mark.parametrize("lengths", [LENGTHS, [7] * 8], ids=["mixed", "equal"])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_a_member_alone_is_itself_among_others(
    make_pair, make_sequences, generators, members, kind, lengths, dtype, atol
):
    """Up to rounding: others' lengths change how many rows a product has, and so how it sums."""
    data, each = make_sequences(lengths), optimized(members, Adam)
    among = make_pair(each, data, Adam, dtype, **SHARED, **kind)
    batches = [among.rows(6, seed) for seed in range(4)]
    results = [among.step(rows, generators(s, s + 7, s + 8)) for s, rows in enumerate(batches)]
    for k, seed in enumerate((0, 7, 8)):
        alone = make_pair(each[k : k + 1], data, Adam, dtype, width=16, **SHARED, **kind)
        for s, rows in enumerate(batches):
            loss = alone.step(rows[k : k + 1], generators(s + seed)).loss
            torch.testing.assert_close(loss[0], results[s].loss[k], rtol=0, atol=atol)
        found, expected = alone.stack.vector(0), among.stack.vector(k)
        torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_a_broken_member_breaks_nobody_else(
    make_pair, make_sequences, generators, members, kind, pooling
):
    """With weights of NaN or infinity in one member the others are the same to the last bit."""
    found: list[Tensor] = []
    for broken in (None, float("nan"), float("inf")):
        pair = make_pair(
            optimized(members, Adam), make_sequences(LENGTHS), Adam, torch.float32,
            pooling=pooling, **SHARED, **kind,
        )  # fmt: skip
        if broken is not None:
            pair.stack.load(1, torch.full_like(pair.stack.vector(1), broken))
        train(pair, generators)
        assert pair.stack.vector(1).isfinite().all() == (broken is None)
        found.append(torch.cat([pair.stack.vector(0), pair.stack.vector(2)]))
    assert found[0].isfinite().all()
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_who_is_not_clipped_is_not_scaled(make_pair, make_sequences):
    """Not even where its norm overflows float32: others' clipping leaves it as it was."""
    found: list[Tensor] = []
    for max_norm in (None, 1.0):
        members = [{"options": {"lr": 1e-25}}, {"max_norm": max_norm}]
        pair = make_pair(members, make_sequences([4] * 4), dtype=torch.float32)
        pair.stack.weights[1, "", "head"][0] *= 1e25  # lane 0 is member 0
        result = pair.step(pair.rows(4, seed=0))
        assert result.grad_norm[0] == float("inf")
        found.append(pair.stack.vector(0))
    assert found[0].isfinite().all()
    assert torch.equal(found[0], found[1])
