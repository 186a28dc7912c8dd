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
    from_file = OmegaConf.create(f"lr: {written}")
    assert checked(f"optimizer.lr={from_file.lr}")["optimizer"]["lr"] == 1.0


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        # unknown keys, with the nearest right one
        (["+modle=1"], ["modle: ", "did you mean", "model"]),
        (["+model.hiden_size=3"], ["model.hiden_size: ", "did you mean", "hidden_size"]),
        (["+data.source.lenght=3"], ["data.source.lenght: ", "did you mean", "length"]),
        (["+loss.label_smothing=0"], ["loss.label_smothing: ", "did you mean", "label_smoothing"]),
        (["+sweep.nam=a"], ["sweep.nam: ", "name"]),
        (["+logger.csv.file=a"], ["logger.csv.file: "]),
        (["+trainer.max_epoch=3"], ["trainer.max_epoch: ", "did you mean", "max_epochs"]),
        # wrong types
        (["seed=ten"], ["seed='ten': ", "whole number"]),
        (["seed=null"], ["seed=null: ", "whole number"]),
        (["rerun=1"], ["rerun=1: ", "true or false"]),
        (["loss=3"], ["loss=3: "]),
        (["loss.class_weights=[1,a]"], ["loss.class_weights"]),
        (["optimizer.lr=ten"], ["optimizer.lr='ten': ", "a number"]),
        (["optimizer.lr=nan"], ["optimizer.lr=nan: ", "finite"]),
        (["model.bidirectional='False'"], ["model.bidirectional='False': ", "true or false"]),
        (["model.num_layers=true"], ["model.num_layers=true: ", "whole number"]),
        (["model.cell=gro"], ["model.cell='gro': ", "did you mean", "gru"]),
        (["data.source.length=2.5"], ["data.source.length=2.5: ", "whole number"]),
        (["optimizer.betas=[0.9]"], ["optimizer.betas=[0.9]: "]),
        (["monitor=val/acuracy"], ["monitor='val/acuracy': ", "val/acc"]),
        (["+data.transform.fram=2"], ["data.transform.fram: ", "did you mean 'frame'?"]),
        (["+data.transform.mask=2"], ["data.transform.mask: ", "did you mean 'time_mask'?"]),
        (["data.transform.frame=2.5"], ["data.transform.frame=2.5: must be a whole number or"]),
        (["data.transform.crop=3"], ["data.transform.crop=3: must be a list"]),
        (["data.transform.crop=[1,a]"], ["data.transform.crop[1]='a': must be a whole number"]),
        (["data.transform.impute=mising"], ["data.transform.impute='mising': ", "'missing'"]),
        (["data.transform=frame"], ["data.transform='frame': must be a group of keys or null"]),
        # out of range
        (["threads=100000"], ["threads=100000: must be at most ", "the cores of this machine"]),
        (["sweep.sample=0"], ["sweep.sample=0: must be at least 1"]),
        (["sweep.sample=many"], ["sweep.sample='many': must be a whole number"]),
        (["sweep.filter=[a]"], ["sweep.filter=["]),
        (["sweep.ask_above=-1"], ["sweep.ask_above=-1: must be at least 0"]),
        (["sweep.retries=-1"], ["sweep.retries=-1: must be at least 0"]),
        (["~optimizer.lr"], ["optimizer.lr is missing: seqsweep.training.optimizers.adam needs"]),
        (["scheduler=step", "~scheduler.step_size"], ["scheduler.step_size is missing: "]),
        (["threads=0"], ["threads=0: ", "at least 1"]),
        # missing
        (["~seed"], ["seed is missing"]),
        (["~model.hidden_size"], ["model.hidden_size is missing"]),
        (["~data.source.length"], ["data.source.length is missing"]),
        (["~loss.label_smoothing"], ["loss.label_smoothing is missing"]),
        (["data=npz"], ["data.source.path needs a value: give data.source.path=VALUE"]),
        (["data.batch_size=???"], ["data.batch_size needs a value"]),
        (["monitor=???"], ["monitor"]),
        # interpolations and targets that lead nowhere
        (["optimizer.lr=${nope}"], ["optimizer.lr: ", "nope"]),
        (
            ["model._target_=seqsweep.models.classifier.RNNClassifer"],
            ["model._target_=", "did you mean"],
        ),
        (["model._target_=nowhere.Net"], ["model._target_=nowhere.Net: "]),
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
