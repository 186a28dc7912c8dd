"""A search chooses among trials with the same validation and test sequences."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from seqsweep.config import CONF_DIR
from seqsweep.config.compose import MemberComposer
from seqsweep.config.hydra_version import VERSION_BASE
from seqsweep.sweeping.search.planning import TrialPlanner
from seqsweep.sweeping.search.space import parse


@pytest.fixture(scope="module")
def compose() -> MemberComposer:
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
    return MemberComposer(loader, loader.load_configuration("train", [], RunMode.MULTIRUN))


def planner(compose: MemberComposer, *overrides: str) -> TrialPlanner:
    return TrialPlanner(compose, *parse(overrides, OverridesParser.create()))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=digits,japanese_vowels"],
         "^data=japanese_vowels: other data than data=digits: .* a sweep.name of its own$"),
        (["data=digits", "data.folds=5", "data.fold=0,1,2"],
         "^data.fold: must have one value in a search"),
        (["data=digits", "data.split_seed=range(0,3)"], "^data.split_seed: must have one value"),
        (["data=digits", "data.val_fraction=interval(0.1,0.3)"],
         "^data.val_fraction=0.3: other validation set than data.val_fraction=0.1: "),
    ],
)  # fmt: skip
def test_a_choice_between_evaluated_sequences_is_refused(compose, overrides, message):
    with pytest.raises(ValueError, match=message):
        planner(compose, *overrides, "optimizer.lr=interval(0.1,0.2)").plan_ends()


def test_keys_that_keep_the_evaluated_sequences_are_searched(compose):
    keys = (
        "data.batch_size=16,32",
        "data.standardize=true,false",
        "data.transform.truncate=null,4",
    )
    assert len(planner(compose, "data=digits", *keys).plan_ends()) >= 3
