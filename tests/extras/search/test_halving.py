"""The settings of a successive halving."""

from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException

from seqsweep.config.compose import MemberComposer
from seqsweep.extras.search.halving import Halving
from seqsweep.extras.search.halving_command import to_the_last_rung
from seqsweep.extras.search.planning import TrialPlanner

DEFAULTS: dict[str, Any] = {
    "population": 256, "rungs": [1, 3, 9, 27], "seed": 0, "top": 5, "seeds": 5
}  # fmt: skip


def halving(**settings: Any) -> Halving:
    return Halving(**{**DEFAULTS, **settings})


def test_a_third_of_the_runs_goes_on_at_each_rung() -> None:
    assert halving().sizes(256) == [256, 86, 29, 10]
    assert halving().epochs(256) == 256 + 86 * 2 + 29 * 6 + 10 * 18
    assert halving(rungs=[2, 4, 5]).sizes(10) == [10, 5, 4]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, "hydra.sweeper.population=1: must be at least 2"),
        ({"top": -1}, "hydra.sweeper.confirm.top=-1: must be at least 0"),
        ({"rungs": [3]}, r"hydra.sweeper.rungs=\[3\]: must be at least two increasing"),
        ({"rungs": [3, 3]}, r"rungs=\[3,3\]: must be at least two increasing"),
        ({"rungs": [0, 3]}, r"rungs=\[0,3\]: must be at least two increasing"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        halving(**settings)


def test_all_train_to_the_last_rung(compose: MemberComposer) -> None:
    def fixed(*overrides: str) -> list[str]:
        planner = TrialPlanner.of(["a=1,2", *overrides], compose, Path())
        return list(to_the_last_rung(planner, 27).fixed)

    assert fixed("b=3") == ["b=3", "trainer.max_epochs=27"]
    assert fixed("trainer.max_epochs=27") == ["trainer.max_epochs=27"] * 2
    with pytest.raises(HydraException, match=r"max_epochs=9: must be 27, the last of"):
        fixed("trainer.max_epochs=9")
