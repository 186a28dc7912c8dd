"""Settings, spaces and studies of small searches."""

from collections.abc import Callable
from typing import Any

import pytest

from seqsweep.sweeping.search.settings import Settings, settings_of
from seqsweep.sweeping.search.space import Choice, Numbers, Space
from seqsweep.sweeping.search.study import Chosen, SearchStudy
from seqsweep.sweeping.search.trials import Result

OPTIONS = {
    "sampler": "tpe",
    "sampler_options": {},
    "seed": 0,
    "budget": {"trials": 16, "epochs": None, "minutes": None},
    "parallel": 4,
    "objectives": None,
    "directions": None,
    "pruner": "none",
    "pruner_options": {},
    "seeds": 1,
    "confirm": {"top": 0, "seeds": 0},
}


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """`settings(sampler="qmc")`: checked settings for runs of nine epochs."""

    def call(**options: Any) -> Settings:
        config = {"monitor": "val/acc", "trainer": {"max_epochs": 9}}
        return settings_of({**OPTIONS, **options}, config)

    return call


@pytest.fixture
def space() -> Space:
    return {
        "model.hidden_size": Numbers(4, 32, is_integer=True),
        "optimizer.lr": Numbers(1e-3, 1e-1, log=True),
        "model.cell": Choice(["rnn", "gru"]),
    }


@pytest.fixture
def grid() -> Space:
    return {"model.hidden_size": Numbers(4, 32, is_integer=True), "seed": Choice(["0", "1"])}


def outcome(chosen: Chosen) -> Result:
    """Returns the result of a trial without training: trials of size 20 are the best."""
    value = -abs(chosen.params["model.hidden_size"] - 20.0) - chosen.number % 3
    if chosen.number % 5 == 3:
        return Result("failed", epochs=2)
    if chosen.number % 5 == 4:
        return Result("pruned", [value - 1], 3, 0.1, [value - 2, value - 1, value - 1])
    return Result("complete", [value], 9, 0.3, [value - 1] * 8 + [value])


@pytest.fixture
def advance() -> Callable[[SearchStudy, int], list[Any]]:
    """Chooses trials in a study until it has some number of them; returns all its choices."""

    def call(study: SearchStudy, number: int) -> list[Any]:
        while len(study.chosen) < number:
            while len(study.results) <= len(study.chosen) - study.settings.parallel:
                study.tell(outcome(study.chosen[len(study.results)]))
            study.accept(study.sample())
        return [(dict(each.params), dict(each.thresholds)) for each in study.chosen]

    return call


@pytest.fixture
def end() -> Callable[[SearchStudy], None]:
    """Tells the results of all trials of a study, as a search does when it ends."""

    def call(study: SearchStudy) -> None:
        while len(study.results) < len(study.chosen):
            study.tell(outcome(study.chosen[len(study.results)]))

    return call
