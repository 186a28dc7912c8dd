"""The section `trainer` takes the arguments of `lightning.Trainer`, checked by its signature."""

import inspect
import re
from typing import Any

import lightning as L
import pytest

from seqsweep.config.convert import _REFUSED, BUILD_TRAINER
from seqsweep.config.signatures import signature_of
from seqsweep.runs.identity import run_id
from seqsweep.training.engine import engine_of, why_not_native

OTHERS: dict[str, Any] = {
    "min_epochs": 2, "max_steps": 7, "min_steps": 3, "max_time": "00:01:00:00",
    "val_check_interval": 0.5, "num_sanity_val_steps": 1, "log_every_n_steps": 1,
    "enable_model_summary": True, "inference_mode": False, "benchmark": True,
    "sync_batchnorm": True, "reload_dataloaders_every_n_epochs": 1,
    "enable_autolog_hparams": False,
}  # fmt: skip
"""A value for each argument that goes to Lightning as it is."""


@pytest.fixture(scope="module")
def default(checked):
    """The config without an argument: to compose one takes longer than the tests of it."""
    return checked()


def test_every_argument_of_lightnings_is_taken_or_refused(checked):
    """A new one shows here, and in conf/trainer/auto.yaml, which needs no + then."""
    theirs = inspect.signature(L.Trainer).parameters.keys()
    ours = signature_of(BUILD_TRAINER).parameters.keys()
    assert theirs - ours - _REFUSED.keys() == OTHERS.keys()
    found = checked(*(f"trainer.{n}={v}".replace(":", r"\:") for n, v in OTHERS.items()))
    assert found["trainer"].items() >= OTHERS.items()


@pytest.mark.parametrize(
    "override",
    [f"trainer.{name}={value}".replace(":", r"\:") for name, value in OTHERS.items()]
    + ["trainer.accumulate_grad_batches=2", "trainer.gradient_clip_algorithm=value"],
)
def test_one_that_is_given_makes_another_run_by_autograd(override, checked, default):
    config = checked(override)
    assert run_id(config, "data") != run_id(default, "data")
    assert why_not_native(config, lambda _: False) == override.replace("\\", "").replace(
        "true", "True"
    )
    assert engine_of(config, lambda _: False) == "autograd"


@pytest.mark.parametrize(
    "override", ["max_steps=-1", "accumulate_grad_batches=1", "max_time=null", "benchmark=null"]
)
def test_lightnings_default_is_the_same_run(override, checked, default):
    assert checked(f"trainer.{override}") == default


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+trainer.accumulate_grad_batch=2", "trainer.accumulate_grad_batch: no such key in"),
        ("trainer.max_steps=many", "trainer.max_steps='many': must be a whole number"),
        ("trainer.gradient_clip_algorithm=nom", "did you mean 'norm'"),
        ("+trainer.default_root_dir=a", "trainer.default_root_dir=a: cannot be set; a run names"),
        ("+trainer.logger=false", "choose loggers by the group logger"),
        ("+trainer.num_nodes=2", "one machine"),
    ],
)
def test_a_mistake_is_refused_in_one_line(override, message, checked):
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        checked(override)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("target", ["lightning.Trainer", "lightning.pytorch.trainer.Trainer"])
def test_lightnings_own_class_is_the_same_run(target, checked, default):
    """As other projects with Hydra name it."""
    assert checked(f"trainer._target_={target}") == default
