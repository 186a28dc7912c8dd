"""Optimizers and schedulers of torch are built by their names."""

import pytest

from seqsweep.training.engine import why_not_native


@pytest.mark.parametrize("name", ["Adam", "NAdam"])
def test_an_optimizer_of_torch_is_the_users_own(name, checked):
    config = checked(f"optimizer._target_=torch.optim.{name}")
    assert config["optimizer"]["_target_"] == f"torch.optim.{name}"
    assert config["optimizer"]["_partial_"]
    assert "is your own" in str(why_not_native(config, lambda _: False))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer._target_=torch.optim.Adam", "+optimizer.amsgard=true"], "optimizer.amsgard"),
        (["optimizer._target_=torch.optim.SGD"], "optimizer.betas: no such key"),
        (["+scheduler._target_=torch.optim.lr_scheduler.StepLR"], "scheduler.step_size is missing"),
    ],
)
def test_a_mistake_is_refused_by_its_key(overrides, message, checked):
    with pytest.raises(ValueError, match=message):
        checked(*overrides)
