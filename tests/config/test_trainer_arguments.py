"""Names of Lightning and torch: the arguments of the Trainer, and optimizers that equal ours."""

import inspect
import re
from typing import Any

import lightning as L
import pytest
import torch

from seqsweep.config.convert import BUILD_TRAINER
from seqsweep.config.messages import REFUSED
from seqsweep.config.signatures import TORCH_OPTIMIZERS, signature_of
from seqsweep.runs.identity import run_id
from seqsweep.training import optimizers
from seqsweep.training.engine import why_not_native

OTHERS: dict[str, Any] = {
    "min_epochs": 2, "max_steps": 7, "min_steps": 3, "max_time": "00:01:00:00",
    "val_check_interval": 0.5, "num_sanity_val_steps": 1, "log_every_n_steps": 1,
    "enable_model_summary": True, "inference_mode": False, "benchmark": True,
    "sync_batchnorm": True, "reload_dataloaders_every_n_epochs": 1,
    "enable_autolog_hparams": False,
}  # fmt: skip
"""A value for each argument that goes to Lightning as it is."""


def test_every_argument_of_lightnings_is_taken_or_refused(checked):
    """A new one shows here, and in conf/trainer/auto.yaml, which needs no + then."""
    theirs = inspect.signature(L.Trainer).parameters.keys()
    ours = signature_of(BUILD_TRAINER).parameters.keys()
    assert theirs - ours - REFUSED.keys() == OTHERS.keys()
    found = checked(*(f"trainer.{n}={v}".replace(":", r"\:") for n, v in OTHERS.items()))
    assert found["trainer"].items() >= OTHERS.items()
    # What is given needs Lightning's Trainer.
    assert why_not_native(checked("trainer.max_steps=7")) == "trainer.max_steps=7"


def test_lightnings_defaults_and_class_are_the_same_run(checked):
    """Other projects with Hydra name the class so."""
    defaults = ("max_steps=-1", "accumulate_grad_batches=1", "max_time=null", "benchmark=null")
    for override in (*defaults, "_target_=lightning.Trainer"):
        assert checked(f"trainer.{override}") == checked()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+trainer.accumulate_grad_batch=2", "trainer.accumulate_grad_batch: no such key in"),
        ("+trainer.default_root_dir=a", "trainer.default_root_dir=a: cannot be set; a run names"),
        ("+trainer.logger=false", "choose loggers by the group logger"),
        ("+optimizer.amsgard=true optimizer._target_=torch.optim.Adam", "optimizer.amsgard"),
        ("+scheduler._target_=torch.optim.lr_scheduler.StepLR", "scheduler.step_size is missing"),
    ],
)
def test_a_mistake_is_refused_in_one_line(override, message, checked):
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        checked(*override.split())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", TORCH_OPTIMIZERS)
def test_the_tables_hold_torchs_defaults(name):
    """The defaults are those of arguments that ours lacks, and of `lr`, for which ours has none."""
    lr, neutral = TORCH_OPTIMIZERS[name]
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    ours = inspect.signature(getattr(optimizers, name.lower())).parameters
    assert lr == theirs["lr"].default
    assert neutral == {key: theirs[key].default for key in theirs.keys() - ours.keys()}
    assert not ours.keys() - theirs.keys()
    for key in ours.keys() - {"params", "lr"}:
        assert ours[key].default == theirs[key].default, key


@pytest.mark.parametrize("name", TORCH_OPTIMIZERS)
def test_a_torch_optimizer_is_the_same_run_as_ours(name, checked):
    ours = checked(f"optimizer={name.lower()}", "optimizer.lr=0.02")
    for target in (f"torch.optim.{name}", f"torch.optim.{name.lower()}.{name}"):
        named = checked(
            f"optimizer={name.lower()}", "optimizer.lr=0.02", f"optimizer._target_={target}"
        )
        assert run_id(named, "data") == run_id(ours, "data")
        assert why_not_native(named) is None


def test_a_file_of_the_users_own_needs_neither_partial_nor_lr(checked):
    """Torch's default lr, where the file gives none."""
    named = checked("~optimizer", "+optimizer._target_=torch.optim.Adam")
    assert named == checked("optimizer.lr=0.001")
    extra = checked("optimizer._target_=torch.optim.Adam", "+optimizer.amsgrad=false")
    assert extra == checked()


@pytest.mark.parametrize("own", ["Adam +optimizer.amsgrad=true", "NAdam"])
def test_an_argument_that_ours_lacks_keeps_the_torch_class(own, checked):
    config = checked(*f"optimizer._target_=torch.optim.{own}".split())
    assert config["optimizer"]["_target_"].startswith("torch.optim.")
    assert config["optimizer"]["_partial_"]
    assert "is your own" in str(why_not_native(config))
