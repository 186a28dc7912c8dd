"""The loss of a stack is torch's cross-entropy of each member."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from seqsweep.stacked.loss import StackedLoss, plain_cross_entropy

K, B, C = 3, 6, 4
WEIGHTS = [None, torch.tensor([0.5, 1.0, 2.0, 0.0]), torch.tensor([1.0, 3.0, 0.1, 1.0])]
SMOOTHING = [0.0, 0.1, 0.7]

every_loss = pytest.mark.parametrize(
    ("weights", "smoothing"),
    [
        ([None] * 3, [0.0] * 3),
        ([None] * 3, SMOOTHING),
        (WEIGHTS, [0.0] * 3),
        (WEIGHTS, SMOOTHING),
        (WEIGHTS[::-1], SMOOTHING),
    ],
)


def logits_and_labels() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(K, B, C, dtype=torch.float64, generator=generator)
    return logits, torch.randint(C, (K, B), generator=generator)


def options(weights, smoothing, k: int) -> dict[str, Any]:
    weight = None if weights[k] is None else weights[k].double()
    return {"weight": weight, "label_smoothing": smoothing[k]}


@every_loss
def test_the_loss_of_a_stack_equals_cross_entropy(weights, smoothing):
    """Loss, gradient and batch weight equal `torch.nn.functional.cross_entropy` and autograd."""
    logits, labels = logits_and_labels()
    loss, gradient, weight = StackedLoss(weights, smoothing, C, torch.float64)(logits, labels)
    logits.requires_grad_()
    for k in range(K):
        expected = functional.cross_entropy(logits[k], labels[k], **options(weights, smoothing, k))
        torch.testing.assert_close(loss[k], expected.detach(), rtol=1e-13, atol=0)
        expected.backward()
        total = B if weights[k] is None else weights[k].double()[labels[k]].sum()
        torch.testing.assert_close(weight[k], torch.as_tensor(total).double(), rtol=1e-13, atol=0)
    assert logits.grad is not None
    torch.testing.assert_close(gradient, logits.grad, rtol=0, atol=1e-14)


def test_the_plain_cross_entropy_is_that_of_each_sequence():
    logits, labels = logits_and_labels()
    losses = plain_cross_entropy(logits, labels)
    for k in range(K):
        expected = functional.cross_entropy(logits[k], labels[k], reduction="none")
        torch.testing.assert_close(losses[k], expected, rtol=1e-13, atol=1e-15)
    assert plain_cross_entropy(logits.bfloat16(), labels).dtype == torch.float32


def test_logits_far_apart_do_not_overflow():
    """As in `cross_entropy`, the largest logit is subtracted first."""
    logits = torch.tensor([[[1e4, -1e4], [-1e4, 1e4]]])
    loss, gradient, _ = StackedLoss([None], [0.0], 2)(logits, torch.tensor([[0, 0]]))
    assert loss.tolist() == [1e4]
    assert gradient.tolist() == [[[0.0, 0.0], [-0.5, 0.5]]]


def test_a_step_reports_the_norm_before_clipping(make_pair, make_sequences):
    """It is the norm that `clip_grad_norm_` returns; only members with a limit are clipped."""
    members = [{"max_norm": 0.1, "seed": 0}, {"max_norm": None, "seed": 1}, {"max_norm": 1e3}]
    pair = make_pair(members, make_sequences([5, 3, 1, 4]))
    rows = pair.rows(4, seed=0)
    result = pair.step(rows)
    for k, network in enumerate(pair.networks):
        pair.gradient_apart(k, rows[k])
        limit = pair.members[k].max_norm or 1e9
        expected = nn.utils.clip_grad_norm_(network.parameters(), limit)
        torch.testing.assert_close(result.grad_norm[k], expected, rtol=1e-12, atol=0)
        clipped = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        gradient = pair.stack.vector(k, pair.stack.gradient)
        torch.testing.assert_close(gradient, clipped, rtol=0, atol=1e-12)
    assert result.grad_norm[0] > 0.1  # above the limit, so it was clipped
