"""Settings, spaces, studies and configs of small searches."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from typed_commands import command

from seqsweep.config import CONF_DIR
from seqsweep.config.compose import MemberComposer
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.extras.search.searchfile import Choice, Numbers, Space, Trial
from seqsweep.extras.search.settings import Settings
from seqsweep.extras.search.study import choose
from seqsweep.extras.search.trials import Result
from seqsweep.runs.metrics import OURS

__all__ = ["command"]

OPTIONS: dict[str, Any] = {
    "sampler": "tpe", "sampler_options": {}, "seed": 0, "budget": {"trials": 16}, "parallel": 4,
    "pruner": "none", "pruner_options": {}, "seeds": 1, "confirm": {"top": 0, "seeds": 0},
}  # fmt: skip


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """`settings(sampler="random")`: checked settings for runs of nine epochs."""

    def call(**options: Any) -> Settings:
        return Settings(OURS["val/acc"], 9, **{**OPTIONS, **options})

    return call


@pytest.fixture
def space() -> Space:
    return {
        "model.hidden_size": Numbers(4, 32, integer=True),
        "optimizer.lr": Numbers(1e-3, 1e-1, log=True),
        "model.cell": Choice(["rnn", "gru"]),
    }


@pytest.fixture(scope="module")
def compose() -> MemberComposer:
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
    return MemberComposer(loader, loader.load_configuration("train", [], RunMode.MULTIRUN))


def outcome(trial: Trial) -> Result:
    """Returns the result of a trial without training: trials of size 20 are the best."""
    value = -abs(trial.params["model.hidden_size"] - 20.0) - trial.number % 3
    if trial.number % 5 == 3:
        return Result("failed", epochs=2)
    if trial.number % 5 == 4:
        return Result("pruned", value - 1, 3, 0.1, [value - 2, value - 1, value - 1])
    return Result("complete", value, 9, 0.3, [value - 1] * 8 + [value])


@pytest.fixture
def advance(space: Space) -> Callable[..., list[Trial]]:
    """Chooses trials until there are some number of them; returns all trials."""

    def call(settings: Settings, number: int, before: Sequence[Trial] = ()) -> list[Trial]:
        trials = list(before)
        while len(trials) < number:
            results = {trial.number: outcome(trial) for trial in trials}
            trials.append(choose(settings, space, trials, results))
        return trials

    return call
