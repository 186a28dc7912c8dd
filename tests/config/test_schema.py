"""Every mistake in a config is refused before anything starts, by its dotted key."""

import re

import pytest
from omegaconf import OmegaConf, open_dict

from seqsweep.config.schema import check


def test_a_checked_config_holds_plain_values(checked):
    config = checked()
    assert type(config) is dict and type(config["model"]) is dict
    assert "hydra" not in config
    assert config["callbacks"]["checkpoint"]["monitor"] == config["monitor"]  # resolved
    assert check(OmegaConf.create(config)) == config


def test_a_tuple_is_a_list_for_every_omegaconf(composed):
    """OmegaConf 2.4 keeps tuples, as Python code of a user's own may give them; 2.3 does not."""
    config = composed()
    with open_dict(config):
        config.callbacks.mine = {"_target_": "types.SimpleNamespace", "sizes": (1, (2, 3))}
    assert check(config)["callbacks"]["mine"]["sizes"] == [1, [2, 3]]


@pytest.mark.parametrize("written", ["1", "1.0", "1e0"])
def test_one_value_however_it_is_written(written, checked):
    lr = checked(f"optimizer.lr={written}")["optimizer"]["lr"]
    assert (lr, type(lr)) == (1.0, float)


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        # wrong types
        (["seed=ten"], ["seed='ten': ", "whole number"]),
        (["loss=3"], ["loss=3: "]),
        (["optimizer.lr=nan"], ["optimizer.lr=nan: ", "finite"]),
        (["+data.transform.mask=2"], ["data.transform.mask: ", "did you mean 'time_mask'?"]),
        (["data.transform.crop=[1,a]"], ["data.transform.crop[1]='a': must be a whole number"]),
        (["data.transform=frame"], ["data.transform='frame': must be a group of keys or null"]),
        # out of range
        (["threads=100000"], ["threads=100000: must be at most ", "the cores of this machine"]),
        (["sweep.sample=0"], ["sweep.sample=0: must be at least 1"]),
        (["sweep.filter=[a]"], ["sweep.filter=["]),
        (["~optimizer.lr"], ["optimizer.lr is missing: seqsweep.training.optimizers.adam needs"]),
        # missing
        (["~model.hidden_size"], ["model.hidden_size is missing"]),
        (["data.batch_size=???"], ["data.batch_size needs a value"]),
        # interpolations and targets that lead nowhere
        (["optimizer.lr=${nope}"], ["optimizer.lr: ", "nope"]),
    ],
    ids=" ".join,
)
def test_a_mistake_is_refused_by_its_key(overrides, parts, checked):
    with pytest.raises(ValueError, match=re.escape(parts[0])) as refused:
        checked(*overrides)
    message = str(refused.value)
    assert all(part in message for part in parts)
    assert "\n" not in message


def test_a_section_that_names_no_target_is_refused(composed):
    """A run could do nothing with it."""
    config = composed()
    with open_dict(config):
        config.callbacks.mine = {"patience": 3}
    with pytest.raises(ValueError, match=r"callbacks\.mine"):
        check(config)


def test_arguments_that_a_run_passes_may_be_missing(checked):
    model = checked("model=simple")["model"]
    assert (model["input_size"], model["num_classes"]) == (None, None)
    assert "params" not in checked()["optimizer"]


def test_defaults_are_written_in_but_for_what_a_run_fills_in(checked):
    """A default of the data's `seed` would win over the run's."""
    assert checked("~model.pooling", "~optimizer.betas") == checked()
    assert "seed" not in checked()["data"]
    assert checked("model=simple")["model"].keys() == {
        "_target_", "input_size", "hidden_size", "num_classes",
    }  # fmt: skip


def test_loggers_and_callbacks_may_be_none_or_null(checked):
    assert checked("logger=none")["logger"] == {}
    assert checked("callbacks.checkpoint=null")["callbacks"] == {"checkpoint": None}
