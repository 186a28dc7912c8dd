"""The sweeper is found by its name, and says what it needs."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import open_dict

from hydra_plugins.seqsweep_sweeper.seqsweep_sweeper import OptunaSweeper
from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.sweeping.hydra_jobs import launch_jobs
from seqsweep.training.planned_run import STOP_FILE

OURS = "hydra_plugins.seqsweep_sweeper.seqsweep_sweeper.OptunaSweeper"


def sweeper_of(name: str) -> str:
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        chosen = [f"hydra/sweeper={name}"]
        return compose("train", chosen, return_hydra_config=True).hydra.sweeper._target_


def test_both_names_lead_to_the_sweeper():
    assert sweeper_of("optuna") == sweeper_of("seqsweep_optuna") == OURS


@pytest.mark.parametrize(
    ("monitor", "direction", "best"),
    [("val/acc", "minimize", "maximize"), ("val/loss", "Direction.maximize", "minimize")],
)
def test_another_sweeper_cannot_look_for_the_worst_value(
    compose, tmp_path, monitor, direction, best
):
    """hydra-optuna-sweeper minimizes unless it is told otherwise."""
    master = compose.master.copy()
    with open_dict(master):
        master.hydra.sweep.dir = str(tmp_path)
        master.hydra.sweeper = {"direction": direction}
    jobs = [["data=digits", f"monitor={monitor}"]]
    with pytest.raises(ValueError, match=f"hydra.sweeper.direction=.*: must be {best} for"):
        launch_jobs(1, jobs, compose.loader, master)
    assert not list(tmp_path.iterdir())
    master.hydra.sweeper["direction"] = best
    (tmp_path / STOP_FILE).touch()  # so nothing is trained
    assert len(launch_jobs(1, jobs, compose.loader, master)) == 1


def test_a_missing_optuna_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("seqsweep.extras.search.findings.has_optuna", lambda: False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'seqsweep\[search\]'"):
        OptunaSweeper().run([], None)
