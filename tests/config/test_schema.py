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
    for written in ("1", "1.0", "1e0"):
        lr = checked(f"optimizer.lr={written}")["optimizer"]["lr"]
        assert (lr, type(lr)) == (1.0, float)
    assert checked("logger=none")["logger"] == {}
    assert checked("callbacks.checkpoint=null")["callbacks"] == {"checkpoint": None}


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["seed=ten"], ["seed='ten': ", "whole number"]),
        (["+data.transform.mask=2"], ["data.transform.mask: ", "did you mean 'time_mask'?"]),
        (["threads=100000"], ["threads=100000: must be at most ", "the cores of this machine"]),
        (["~optimizer.lr"], ["optimizer.lr is missing: seqsweep.training.optimizers.adam needs"]),
        (["+sweep.filtr=1"], ["sweep.filtr: no such key in sweep; did you mean 'filter'?"]),
        (["data.batch_size=???"], ["data.batch_size needs a value"]),
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


def test_a_callback_of_the_users_own_has_a_target_and_plain_values(composed):
    config = composed()
    with open_dict(config):
        config.callbacks.mine = {"_target_": "types.SimpleNamespace", "sizes": (1, (2, 3))}
    # OmegaConf 2.4 keeps tuples, as Python code of a user's own may give them; 2.3 does not.
    assert check(config)["callbacks"]["mine"]["sizes"] == [1, [2, 3]]
    with open_dict(config):
        config.callbacks.mine = {"patience": 3}
    with pytest.raises(ValueError, match=r"callbacks\.mine"):
        check(config)


def test_defaults_are_written_in_but_for_what_a_run_fills_in(checked):
    """A default of the data's `seed` would win over the run's."""
    assert checked("~model.pooling", "~optimizer.betas") == checked()
    assert "seed" not in checked()["data"]
    assert checked("model=simple")["model"].keys() == {
        "_target_", "input_size", "hidden_size", "num_classes",
    }  # fmt: skip
