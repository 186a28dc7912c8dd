"""torch's optimizers, named as every user of Hydra names them, are ours where they are equal."""

import inspect

import pytest
import torch

from seqsweep.config.signatures import _CLASSES
from seqsweep.runs.identity import run_id
from seqsweep.training import optimizers
from seqsweep.training.engine import why_not_native


@pytest.mark.parametrize("name", _CLASSES)
def test_the_tables_hold_torchs_defaults(name):
    """Of the arguments that ours lacks, and of lr, which ours has no default for."""
    lr, neutral = _CLASSES[name]
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    ours = inspect.signature(getattr(optimizers, name.lower())).parameters
    assert lr == theirs["lr"].default
    assert neutral == {key: theirs[key].default for key in theirs.keys() - ours.keys()}
    assert not ours.keys() - theirs.keys()
    for key in ours.keys() - {"params", "lr"}:
        assert ours[key].default == theirs[key].default, key


@pytest.mark.parametrize("name", _CLASSES)
def test_a_torch_optimizer_is_the_same_run_as_ours(name, checked):
    ours = checked(f"optimizer={name.lower()}", "optimizer.lr=0.02")
    for target in (f"torch.optim.{name}", f"torch.optim.{name.lower()}.{name}"):
        named = checked(
            f"optimizer={name.lower()}", "optimizer.lr=0.02", f"optimizer._target_={target}"
        )
        assert run_id(named, "data") == run_id(ours, "data")
        assert why_not_native(named, lambda _: False) is None


def test_a_file_of_the_users_own_needs_neither_partial_nor_lr(checked):
    """Torch's default lr, where the file gives none."""
    named = checked("~optimizer", "+optimizer._target_=torch.optim.Adam")
    assert named == checked("optimizer.lr=0.001")
    extra = checked("optimizer._target_=torch.optim.Adam", "+optimizer.amsgrad=false")
    assert extra == checked()


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer._target_=torch.optim.Adam", "+optimizer.amsgrad=true"),
        ("optimizer._target_=torch.optim.NAdam",),
    ],
)
def test_an_argument_that_ours_lacks_keeps_the_torch_class(overrides, checked):
    config = checked(*overrides)
    assert config["optimizer"]["_target_"].startswith("torch.optim.")
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
