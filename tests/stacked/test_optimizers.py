"""Each flat optimizer equals that of torch.optim, with each member's hyperparameters."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adadelta, Adam, Adamax, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import OneCycleLR

from seqsweep.stacked.optimizers import flat_optimizer_for, hyperparameters

Options = dict[str, Any]

DIFFERENT: list[tuple[type[Optimizer], list[Options]]] = [
    (Adam, [{"lr": 0.1}, {"lr": 0.01, "betas": (0.5, 0.9), "weight_decay": 0.3}, {"eps": 0.1}]),
    (Adam, [{"lr": 0.1}, {"lr": 0.02}, {"lr": 0.03}]),
    (Adam, [{"betas": (0.9, 0.99)}, {"betas": (0.9, 0.9)}, {"betas": (0.9, 0.5)}]),
    (AdamW, [{"lr": 0.1, "weight_decay": 0.0}, {"betas": (0.5, 0.9)}, {"weight_decay": 0.5}]),
    (SGD, [{"lr": 0.1}, {"lr": 0.02, "weight_decay": 0.3}, {"lr": 0.01}]),
    (SGD, [{"momentum": 0.9}, {"momentum": 0.5, "lr": 0.1}, {"momentum": 0.0}]),
    (SGD, [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.9, "lr": 0.1}]),
    (SGD, [{"momentum": 0.9, "nesterov": True}, {"momentum": 0.5}, {"weight_decay": 0.1}]),
    (RMSprop, [{"lr": 0.1}, {"alpha": 0.5, "eps": 0.1}, {"weight_decay": 0.3}]),
    (RMSprop, [{"momentum": 0.9}, {"momentum": 0.0}, {"momentum": 0.5, "alpha": 0.9}]),
]  # fmt: skip
SAME: list[tuple[type[Optimizer], Options]] = [
    (Adam, {}),
    (Adam, {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.3, "eps": 0.1}),
    (AdamW, {}),
    (AdamW, {"lr": 0.1, "weight_decay": 0.5}),
    (SGD, {}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3}),
    (SGD, {"momentum": 0.9, "nesterov": True}),
    (RMSprop, {}),
    (RMSprop, {"lr": 0.1, "alpha": 0.5, "momentum": 0.9, "weight_decay": 0.3}),
]


def parameter(seed: int = 0) -> nn.Parameter:
    generator = torch.Generator().manual_seed(seed)
    return nn.Parameter(torch.randn(7, dtype=torch.float64, generator=generator))


class Both:
    """Three members' parameters under torch's optimizers and under one flat optimizer."""

    def __init__(self, kind: Any, options: list[Options]) -> None:
        self.theirs = [parameter(seed) for seed in range(len(options))]
        self.torchs = [kind([p], **each) for p, each in zip(self.theirs, options, strict=True)]
        self.ours = torch.stack([p.detach() for p in self.theirs])
        self.gradients = torch.zeros_like(self.ours)
        flat = flat_optimizer_for(self.torchs[0])
        assert flat is not None
        self.flat = flat(self.ours, self.gradients, self.hyperparameters())

    def hyperparameters(self) -> list[dict[str, float]]:
        return [hyperparameters(each) for each in self.torchs]

    def step(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(self.ours.shape, dtype=torch.float64, generator=generator)
        self.gradients.copy_(noise * 0.1 + self.ours)  # of a bowl, with noise
        for k, (theirs, optimizer) in enumerate(zip(self.theirs, self.torchs, strict=True)):
            theirs.grad = noise[k] * 0.1 + theirs.detach()
            optimizer.step()
        self.flat.step()

    def assert_equal(self) -> None:
        expected = torch.stack([p.detach() for p in self.theirs])
        torch.testing.assert_close(self.ours, expected, rtol=1e-12, atol=1e-13)
        for k, (theirs, optimizer) in enumerate(zip(self.theirs, self.torchs, strict=True)):
            state: dict[str, Any] = optimizer.state[theirs]
            for name, ours in self.flat.state.items():
                if isinstance(state.get(name), Tensor):
                    torch.testing.assert_close(ours[k], state[name], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("kind", "options"), DIFFERENT)
def test_a_flat_optimizer_equals_torch_with_hyperparameters_of_each_member(kind, options):
    """Parameters and state are equal over 50 steps, while the learning rates change."""
    both = Both(kind, options)
    for step in range(50):
        if step in (10, 30):
            for k, optimizer in enumerate(both.torchs):
                optimizer.param_groups[0]["lr"] *= (0.5, 2.0, 1.0)[k]
            both.flat.set(both.hyperparameters())
        both.step(step)
        both.assert_equal()


@pytest.mark.parametrize(("kind", "options"), SAME)
def test_a_flat_optimizer_equals_torch_with_shared_hyperparameters(kind, options):
    both = Both(kind, [options] * 3)
    for step in range(50):
        if step == 20:
            for optimizer in both.torchs:
                optimizer.param_groups[0]["lr"] *= 0.1
            both.flat.set(both.hyperparameters())
        both.step(step)
        both.assert_equal()


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Adam, {}), (AdamW, {}), (SGD, {"momentum": 0.9}), (RMSprop, {"momentum": 0.9})],
)
def test_a_flat_optimizer_follows_a_scheduler(kind, options):
    """Each member has a `OneCycleLR`, which changes lr and momentum or beta1 at every step."""
    both = Both(kind, [{"lr": 0.01} | options] * 3)
    cycles = [OneCycleLR(each, 0.1 * (k + 1), 50) for k, each in enumerate(both.torchs)]
    for step in range(50):
        both.flat.set(both.hyperparameters())
        both.step(step)
        both.assert_equal()
        if step < 49:
            for cycle in cycles:
                cycle.step()


@pytest.mark.parametrize(("kind", "options"), [*DIFFERENT, *((k, [o] * 3) for k, o in SAME)])
def test_an_optimizer_keeps_a_zero_weight_exactly_zero(kind, options):
    """A padded weight is zero and has a gradient of zero, in every member."""
    both = Both(kind, options)
    both.ours[:, 3:] = 0
    for step in range(10):
        generator = torch.Generator().manual_seed(step)
        both.gradients.copy_(torch.randn(both.ours.shape, generator=generator))
        both.gradients[:, 3:] = 0
        both.flat.step()
    assert not both.ours[:, 3:].any()
    assert both.ours[:, :3].all()


@pytest.mark.parametrize(("kind", "options"), [*DIFFERENT, *((k, [o] * 3) for k, o in SAME)])
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_an_optimizer_keeps_nan_of_one_member_from_the_others(kind, options, broken):
    """All other members are the same to the last bit."""
    whole, part = Both(kind, options), Both(kind, options)
    for step in range(10):
        for both in (whole, part):
            noise = torch.randn(both.ours.shape, generator=torch.Generator().manual_seed(step))
            both.gradients.copy_(noise)
            if both is part:
                both.gradients[1] = broken
            both.flat.step()
    assert torch.equal(whole.ours[::2], part.ours[::2])
    assert whole.ours.isfinite().all()
    assert not part.ours[1].isfinite().any()


class UsersAdam(Adam):
    """An optimizer of a user, with an unknown rule."""


@pytest.mark.parametrize(
    "optimizer",
    [
        Adam([parameter()], amsgrad=True),
        Adam([parameter()], maximize=True),
        Adam([parameter()], decoupled_weight_decay=True),
        AdamW([parameter()], amsgrad=True),
        AdamW([parameter()], maximize=True),
        SGD([parameter()], maximize=True),
        SGD([parameter()], momentum=0.9, dampening=0.1),
        RMSprop([parameter()], centered=True),
        RMSprop([parameter()], maximize=True),
        UsersAdam([parameter()]),
        Adamax([parameter()]),
        Adadelta([parameter()]),
        *(
            kind([{"params": [parameter()]}, {"params": [parameter()]}])
            for kind in (Adam, AdamW, SGD, RMSprop)
        ),
    ],
    ids=lambda optimizer: f"{type(optimizer).__name__}-{len(optimizer.param_groups)}",
)
def test_an_unsupported_optimizer_has_no_flat_optimizer(optimizer):
    """Other optimizers, and options such as amsgrad, have no flat optimizer."""
    assert flat_optimizer_for(optimizer) is None


@pytest.mark.parametrize("kind", [Adam, AdamW, SGD, RMSprop])
def test_a_flat_optimizer_has_the_name_of_torchs(kind):
    flat = flat_optimizer_for(kind([parameter()]))
    assert flat is not None
    assert flat.__name__ == kind.__name__
