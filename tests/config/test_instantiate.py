"""Objects are built from a config as Hydra builds them, with what their annotations ask for."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

import hydra
import pytest
from lightning.fabric.utilities.data import AttributeDict
from omegaconf import DictConfig, OmegaConf

from seqsweep.config.instantiate import build

CFG = {"optim": {"lr": 0.1}, "sizes": [{"h": 4}]}
HERE = __name__
HYDRA_1_4_ASKS_FOR_A_LIST = "ignore:hydra.utils.instantiate"


class Typed:
    def __init__(
        self, cfg: DictConfig, args: Namespace, plain: dict[str, Any], m: Mapping[str, Any]
    ) -> None:
        self.cfg, self.args, self.plain, self.m = cfg, args, plain, m


class Untyped:
    def __init__(self, cfg=None, *, other: Any = None) -> None:
        self.cfg, self.other = cfg, other


def test_an_argument_gets_the_type_that_its_annotation_names():
    made = build(
        {"_target_": f"{HERE}.Typed", **dict.fromkeys(["cfg", "args", "plain", "m"], CFG)}, "m"
    )
    assert isinstance(made.cfg, DictConfig) and made.cfg.optim.lr == 0.1
    assert isinstance(made.args, Namespace) and made.args.optim.lr == made.args.sizes[0].h / 40
    assert type(made.plain) is dict and type(made.m) is dict and made.plain == made.m == CFG


def test_an_argument_without_annotation_is_a_dict_with_attributes():
    made = build({"_target_": f"{HERE}.Untyped", "cfg": CFG, "other": CFG}, "model")
    assert made.cfg == CFG and isinstance(made.cfg, AttributeDict)
    assert made.cfg.optim.lr == made.cfg["optim"]["lr"] and made.cfg.sizes[0].h == 4
    assert type(made.other) is dict
    made = build({"_target_": f"{HERE}.Untyped", "cfg": [CFG, 3]}, "model")
    assert made.cfg[0].optim.lr == 0.1 and made.cfg[1] == 3


SECTIONS = [
    {"cfg": {"_target_": "builtins.dict", "a": 1}},
    {"cfg": {"_target_": "builtins.dict", "a": 1}, "_recursive_": False},
    {"cfg": CFG, "_convert_": "all"},
    {"_args_": [{"_target_": "builtins.dict", "a": 1}], "other": 3},
    {"_args_": [5], "_partial_": True},
]


@pytest.mark.filterwarnings(HYDRA_1_4_ASKS_FOR_A_LIST)
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: next(iter(section)))
def test_the_keys_of_hydra_do_what_they_do_there(section):
    section = {"_target_": f"{HERE}.Untyped"} | section
    made, theirs = build(section, "model"), hydra.utils.instantiate(OmegaConf.create(section))
    if "_partial_" in section:
        made, theirs = made(), theirs()
    is_config = OmegaConf.is_config(theirs.cfg)
    assert made.cfg == (OmegaConf.to_container(theirs.cfg) if is_config else theirs.cfg)
    assert made.other == theirs.other
