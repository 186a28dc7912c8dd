"""A member composed the quick way is the config that Hydra composes for its job."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from seqsweep.config.compose import MemberComposer
from seqsweep.config.schema import check


def composer(loader: ConfigLoader, *overrides: str) -> MemberComposer:
    """Returns the composer that the sweeper makes for these overrides of Hydra's node."""
    master = loader.load_configuration("train", list(overrides), RunMode.MULTIRUN)
    return MemberComposer(loader, master)


@pytest.fixture(scope="module")
def compose(loader: ConfigLoader) -> MemberComposer:
    """One for all tests, so that each also sees what the ones before have left in it."""
    return composer(loader)


def by_hydra(compose: MemberComposer, overrides: list[str]) -> DictConfig:
    config = compose.full(overrides)
    with open_dict(config):
        del config["hydra"]
    return config


def config_or_error(composing: Callable[[], Any]) -> Any:
    try:
        return composing()
    except Exception as error:  # of whatever type: it is the result
        return type(error), str(error)


def assert_same(found: DictConfig, expected: DictConfig) -> None:
    """Values, their types, their order, interpolations before and after, and closed to new keys."""
    one, other = (OmegaConf.to_container(config) for config in (found, expected))
    assert repr(one) == repr(other)
    resolve = partial(OmegaConf.to_container, resolve=True)
    one, other = (config_or_error(partial(resolve, config)) for config in (found, expected))
    assert repr(one) == repr(other)
    assert found == expected
    for flag in (OmegaConf.is_struct, OmegaConf.is_readonly):
        assert flag(found) == flag(expected)


OVERRIDES = {
    "values": ["model.hidden_size=8", "optimizer.lr=1e-2", "trainer.progress_bar=false"],
    "null": ["trainer.gradient_clip_val=null", "data.source.labels=null"],
    "a list for null": ["loss.class_weights=[1,2,3.5]", "data.source.seed=[1,[2,a]]"],
    "a section by null": ["scheduler=null", "callbacks=null"],
    "an interpolation": ["name=${model.cell}-${seed}", "seed=7"],
    "max_epochs of a scheduler": ["scheduler=cosine", "trainer.max_epochs=7"],
    "a group that changes all": ["experiment=japanese_vowels"],
    "a group added": ["+experiment=digits"],
    "a key added and set": ["+extra.a=1", "extra.a=2"],
    "a group removed": ["~logger"],
    "the same key set, then forced": ["seed=1", "++seed=2"],
    "of Hydra": ["hydra.job.name=x", "seed=1"],
    "a missing value": ["data=npz"],
    "no such key among good ones": ["seed=1", "model.hiden_size=3", "model.cell=gru"],
    "a key of the group before": ["optimizer.momentum=0.9", "optimizer=adam"],
    "cannot be read": ["model.hidden_size=[1"],
}  # fmt: skip


@pytest.mark.parametrize("overrides", OVERRIDES.values(), ids=OVERRIDES)
def test_a_members_config_equals_hydras(compose: MemberComposer, overrides: list[str]) -> None:
    """Both give one config, or an error of one type and text."""
    expected = config_or_error(lambda: by_hydra(compose, overrides))
    for _ in range(2):  # the second time from what it has kept
        found = config_or_error(lambda: compose(overrides))
        if isinstance(expected, DictConfig):
            assert isinstance(found, DictConfig), found
            assert_same(found, expected)
        else:
            assert found == expected


def test_changing_a_members_config_changes_no_other(compose: MemberComposer) -> None:
    first = compose(["optimizer.betas=[0.5,0.9]"])
    before = OmegaConf.to_container(first)
    with open_dict(first):
        first.seed, first.model.hidden_size, first.new = 99, 99, 99
    first.optimizer.betas.append(0.1)
    assert OmegaConf.to_container(compose(["optimizer.betas=[0.5,0.9]"])) == before
    assert_same(compose([]), by_hydra(compose, []))


def test_checked_is_composed_and_checked(compose: MemberComposer) -> None:
    """A number may decide another key: `max_epochs` decides the length of the cosine schedule."""
    grids = [
        [f"seed={seed}", f"optimizer.lr={lr}", f"model.bidirectional={both}"]
        for seed in (0, -7)
        for lr in ("0.1", "1")
        for both in ("true", "false")
    ]
    grids += [["scheduler=cosine", f"trainer.max_epochs={n}", f"seed={n}"] for n in (5, 6, 7)]
    grids += [["~logger.csv", f"data.source.seed={n}", f"sweep.retries={n}"] for n in (2, 3)]
    # The optimizer of torch becomes ours where its values allow it.
    sgd = ["optimizer=sgd", "optimizer._target_=torch.optim.SGD", "+optimizer.dampening=1"]
    grids += [[*sgd, f"optimizer.dampening={value}"] for value in ("0.5", "0.0", "0.5")]
    for overrides in grids:
        assert compose.checked(overrides) == check(compose(overrides)), overrides
    # Lightning's default is dropped after another number.
    for number in (100, -1, 100):
        checked = compose.checked([f"trainer.max_steps={number}"])
        assert checked == check(compose([f"trainer.max_steps={number}"]))
        assert ("max_steps" in checked["trainer"]) == (number == 100)
    # Wrong values are refused after a good value of the same key, too.
    for good, bad in (("optimizer.lr=0.1", "optimizer.lr=nan"), ("seed=1", "model.hiden=3")):
        compose.checked([good])
        with pytest.raises((ValueError, HydraException)):
            compose.checked([bad])
