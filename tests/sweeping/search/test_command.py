"""The sweeper is found by its name, and says what it needs."""

import pytest
from hydra import compose, initialize_config_dir

from hydra_plugins.seqsweep_optuna.seqsweep_optuna import OptunaSweeper
from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import VERSION_BASE

OURS = "hydra_plugins.seqsweep_optuna.seqsweep_optuna.OptunaSweeper"


def sweeper_of(name: str) -> str:
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        chosen = [f"hydra/sweeper={name}"]
        return compose("train", chosen, return_hydra_config=True).hydra.sweeper._target_


def test_both_names_lead_to_the_sweeper():
    assert sweeper_of("optuna") == sweeper_of("seqsweep_optuna") == OURS


def test_a_missing_optuna_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seqsweep.results.search.findings.has_optuna", lambda: False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'seqsweep\[search\]'"):
        OptunaSweeper().sweep([])
