"""The stack's forward and backward pass are those of nn.RNN, GRU and LSTM under autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import SGD, Adam

MIXED, EQUAL = [7, 3, 1, 5, 7, 2, 6, 4], [7] * 8

both_directions = pytest.mark.parametrize("bidirectional", [False, True], ids=["one", "both"])
every_pooling = pytest.mark.parametrize("pooling", ["last", "mean", "max"])
both_lengths = pytest.mark.parametrize("lengths", [MIXED, EQUAL], ids=["mixed", "equal"])


def gradient(pair, rows: Tensor, drawn=()) -> Tensor:
    """Returns the gradient (N, P) for one batch."""
    batch = pair.batch(rows)
    logits = pair.stack.forward(batch, drawn)
    pair.stack.backward(pair.loss(logits, batch.labels)[1], batch)
    return pair.stack.gradient.clone()


@pytest.mark.sampled(32)
@pytest.mark.parametrize(
    ("num_layers", "lengths"),
    [(1, MIXED), (3, MIXED), (2, EQUAL), (2, [1] * 8)],
    ids=["1-mixed", "3-mixed", "2-equal", "2-ones"],
)
@both_directions
@every_pooling
def test_logits_and_gradients_of_a_stack_equal_autograd(
    make_pair, make_sequences, members, generators,
    kind, num_layers, bidirectional, pooling, lengths,
):  # fmt: skip
    """The logits are those of `RNNClassifier` in eval mode, the gradients those with dropout."""
    shared = {"num_layers": num_layers, "bidirectional": bidirectional, "pooling": pooling} | kind
    pair = make_pair(members, make_sequences(lengths), **shared)
    rows, batch = pair.ordered(pair.rows(6, seed=0))
    logits = pair.stack.forward(batch).clone()
    result = gradient(pair, rows, generators(5, 6, 7))
    for k, network in enumerate(pair.networks):
        network.eval()
        expected = pair.logits_apart(k, rows[k])
        torch.testing.assert_close(logits[k], expected, rtol=0, atol=1e-12)
        network.train()
        torch.manual_seed(5 + k)
        _, expected = pair.gradient_apart(k, rows[k])
        torch.testing.assert_close(pair.stack.vector(k, result), expected, rtol=0, atol=1e-12)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("lengths", [[3, 1, 2], [3, 3, 3]], ids=["mixed", "equal"])
def test_gradients_of_a_stack_equal_finite_differences(make_pair, make_sequences, kind, lengths):
    """For every weight the gradient is (f(w + h) - f(w - h)) / 2h, without torch's cells."""
    pair = make_pair(
        [{"hidden": 2, "label_smoothing": 0.1}], make_sequences(lengths, features=2), width=3,
        num_layers=2, bidirectional=True, **kind,
    )  # fmt: skip
    rows, h = torch.tensor([[0, 1, 2]]), 1e-6
    stack, batch = pair.stack, pair.batch(rows)
    result, weights = stack.vector(0, gradient(pair, rows)), stack.vector(0)

    def loss(vector: Tensor) -> Tensor:
        stack.load(0, vector)
        return pair.loss(stack.forward(batch), batch.labels)[0][0]

    steps = h * torch.eye(len(weights), dtype=torch.float64)
    expected = torch.stack([loss(weights + step) - loss(weights - step) for step in steps]) / 2 / h
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-8)


@pytest.mark.xfail(strict=True, reason="the stack gives the gradient of a tie to one of its steps")
def test_gradients_equal_autograd_if_two_steps_share_a_maximum(make_pair, make_sequences):
    """`amax` shares a gradient evenly among steps that tie, which is frequent in bfloat16."""
    data = make_sequences(EQUAL)
    data.x.copy_(data.x[:, :1].expand_as(data.x))  # the same at every step
    pair = make_pair([{"hidden": 4}], data, pooling="max")
    with torch.no_grad():
        pair.networks[0].rnn.weight_hh_l0.zero_()
    pair.stack.load(0, torch.nn.utils.parameters_to_vector(pair.networks[0].parameters()))
    rows = pair.rows(6, seed=0)
    _, expected = pair.gradient_apart(0, rows[0])
    result = pair.stack.vector(0, gradient(pair, rows))
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)


@pytest.mark.sampled(8)
@both_directions
@both_lengths
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_dropout_of_a_stack_is_that_of_torch(
    make_pair, make_sequences, members, generators, kind, bidirectional, lengths, dtype, atol
):
    """The same generator gives the masks of nn.RNN, and ends in the same state."""
    shared = {"num_layers": 3, "bidirectional": bidirectional} | kind
    pair = make_pair(members, make_sequences(lengths), dtype=dtype, **shared)
    rows, batch = pair.ordered(pair.rows(6, seed=1))
    drawn = generators(5, 6, 7)
    logits = pair.stack.forward(batch, drawn)
    for k in range(3):
        torch.manual_seed(5 + k)
        expected = pair.logits_apart(k, rows[k])
        torch.testing.assert_close(logits[k], expected, rtol=0, atol=atol)
        assert torch.equal(drawn[k].get_state(), torch.default_generator.get_state())


def test_dropout_acts_only_in_training(make_pair, make_sequences, members, generators):
    """Dropout needs generators, several layers and a member with dropout."""
    for num_layers, is_plain in ((1, [True, True, True]), (2, [False, True, False])):
        pair = make_pair(members, make_sequences(MIXED), num_layers=num_layers)
        batch = pair.batch(pair.rows(6, seed=1))
        plain = pair.stack.forward(batch).clone()
        dropped = pair.stack.forward(batch, generators(5, 6, 7))
        assert [torch.equal(plain[k], dropped[k]) for k in range(3)] == is_plain


@pytest.mark.sampled(6)
@both_lengths
@every_pooling
def test_scratch_memory_of_an_earlier_step_changes_no_bit(
    make_pair, make_sequences, members, generators, kind, lengths, pooling
):
    """Scratch memory of another size that is full of NaN changes no bit."""
    shared = {"num_layers": 2, "bidirectional": True, "pooling": pooling} | kind
    data = make_sequences(lengths)
    long, short = torch.tensor([[0, 3, 4, 6, 7]] * 3), torch.tensor([[1, 2, 5], [5, 5, 1], [2] * 3])
    one = torch.full((3, 2), 2)  # a single step, where lengths are mixed
    for earlier, rows in ((long, short), (short, long), (long, one)):
        fresh, used = (make_pair(members, data, **shared) for _ in range(2))
        for first in (long, earlier):
            gradient(used, first, generators(1, 2, 3))
        for memory in used.stack.buffers._memory.values():
            memory.fill_(float("nan"))
        result = gradient(used, rows, generators(5, 6, 7))
        assert result.isfinite().all()
        assert torch.equal(result, gradient(fresh, rows, generators(5, 6, 7)))


@every_pooling
def test_relu_does_not_overflow_beyond_the_end_of_a_sequence(make_pair, make_sequences, pooling):
    """The state grows at every step: it is finite after two steps and infinite after 200."""
    shared: dict[str, Any] = {"cell": "rnn", "nonlinearity": "relu", "pooling": pooling}
    members: list[dict[str, Any]] = [{"hidden": 3}, {"hidden": 3}]
    data = make_sequences([200, 2, 1])
    pair = make_pair(members, data, dtype=torch.float32, num_layers=2, **shared)
    pair.stack.load(0, pair.stack.vector(0).abs() * 4)
    alone = make_pair(members[:1], data, dtype=torch.float32, num_layers=2, **shared)
    alone.stack.load(0, pair.stack.vector(0))
    result = gradient(pair, torch.tensor([[1, 2, 2], [0, 1, 2]]))[0]
    assert result.isfinite().all()
    expected = gradient(alone, torch.tensor([[1, 2, 2]]))[0]
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)


@every_pooling
def test_a_stack_in_bfloat16_is_near_float32(make_pair, make_sequences, members, kind, pooling):
    """The gradient is less accurate, because a maximum may move to another step."""
    shared = {"num_layers": 2, "bidirectional": True, "pooling": pooling} | kind
    half, full = (
        make_pair(members, make_sequences(MIXED), SGD, torch.float32, compute, **shared)
        for compute in (torch.bfloat16, None)
    )
    rows = full.rows(8, seed=0)
    assert half.batch(rows).x.dtype == torch.bfloat16
    logits = [pair.stack.forward(pair.batch(rows)).float() for pair in (half, full)]
    torch.testing.assert_close(*logits, rtol=0.03, atol=0.03)
    rough, exact = gradient(half, rows), gradient(full, rows)
    assert rough.dtype == torch.float32
    assert torch.linalg.vector_norm(rough - exact) < 0.2 * torch.linalg.vector_norm(exact)


@pytest.mark.sampled(2)
@both_lengths
def test_a_stack_in_bfloat16_keeps_the_mean_of_many_steps(make_pair, make_sequences, kind, lengths):
    """A sum of 500 states in bfloat16 would stop growing halfway."""
    data = make_sequences([500 - 20 * (7 - length) for length in lengths])
    data.x.copy_((0.3 * data.x + 1) * (data.x != 0))
    half, full = (
        make_pair([{"hidden": 16}], data, SGD, torch.float32, compute, pooling="mean", **kind)
        for compute in (torch.bfloat16, None)
    )
    rows = full.rows(6, seed=0)
    rough, exact = gradient(half, rows), gradient(full, rows)
    assert torch.linalg.vector_norm(rough - exact) < 0.02 * torch.linalg.vector_norm(exact)


def test_a_stack_in_bfloat16_learns(make_pair, make_sequences, kind):
    """Two distant classes are learnt; weights, loss and optimizer stay float32."""
    data = make_sequences(MIXED * 8, classes=2)
    inside = (data.x != 0).double()
    data.x.copy_((0.3 * data.x + (2 * data.labels - 1)[:, None, None]) * inside)
    options = {"lr": 0.02}
    pair = make_pair(
        [{"hidden": 8, "options": options}, {"hidden": 16, "options": options}], data,
        Adam, torch.float32, torch.bfloat16, classes=2, num_layers=2, **kind,
    )  # fmt: skip
    losses = [pair.step(pair.rows(16, seed=step)).loss for step in range(20)]
    assert {losses[0].dtype, pair.stack.flat.dtype, pair.stack.gradient.dtype} == {torch.float32}
    assert (losses[-1] < 0.3 * losses[0]).all()
