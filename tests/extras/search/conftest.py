"""Settings, spaces, studies and configs of small searches."""

from collections.abc import Callable
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf
from typed_commands import command

from hydra_plugins.seqsweep_sweeper.seqsweep_sweeper import OptunaSweeperConf
from seqsweep.config import CONF_DIR
from seqsweep.config.compose import MemberComposer
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.extras.search.searchfile import Choice, Numbers, SearchFile, Space
from seqsweep.extras.search.settings import checked_options, optuna_search
from seqsweep.runs.metrics import OURS

__all__ = ["command"]


@pytest.fixture
def space() -> Space:
    return {
        "model.hidden_size": Numbers(4, 32, integer=True),
        "optimizer.lr": Numbers(1e-3, 1e-1, log=True),
        "model.cell": Choice(["rnn", "gru"]),
    }


@pytest.fixture
def made(space: Space) -> Callable[..., SearchFile]:
    """`made(sampler="random")`: a search by Optuna, with runs of nine epochs."""

    def call(budget: Any = None, **options: Any) -> SearchFile:
        budget = {"trials": 16} if budget is None else budget
        ours = {"parallel": 4, "budget": {"trials": None, **budget}, **options}
        merged: Any = OmegaConf.merge(OmegaConf.structured(OptunaSweeperConf), ours)
        return optuna_search(checked_options(merged), OURS["val/acc"], 9, space)

    return call


@pytest.fixture(scope="module")
def compose() -> MemberComposer:
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
    return MemberComposer(loader, loader.load_configuration("train", [], RunMode.MULTIRUN))
