"""The settings of a successive halving."""

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from seqsweep.sweeping.search.halving import Halving

DEFAULTS: dict[str, Any] = {
    "population": 256, "rungs": [1, 3, 9, 27], "seed": 0, "top": 5, "seeds": 5
}  # fmt: skip


def halving(*overrides: str, **settings: Any) -> Halving:
    return Halving.of(overrides, OverridesParser.create(), **{**DEFAULTS, **settings})


def test_a_third_of_the_runs_goes_on_at_each_rung() -> None:
    search = halving("a=interval(0,1)")
    assert search.sizes(256) == [256, 86, 29, 10]
    assert search.epochs(256) == 256 + 86 * 2 + 29 * 6 + 10 * 18
    assert halving("a=1,2", rungs=[2, 4, 5]).sizes(10) == [10, 5, 4]


def test_schedules_span_the_last_rung() -> None:
    search = halving("a=1,2", "b=3")
    assert search.fixed == ["b=3", "trainer.max_epochs=27"]
    assert halving("a=1,2", "trainer.max_epochs=27").fixed == ["trainer.max_epochs=27"]


def test_a_larger_population_begins_with_the_smaller_one() -> None:
    few, many = halving("a=interval(0,1)", population=5), halving("a=interval(0,1)", population=9)
    assert many.drawn()[:5] == few.drawn()


def test_a_fixed_value_takes_a_key_out_of_the_space() -> None:
    search = halving("a=1,2", "b=interval(0,1)", "a=3")
    assert list(search.space) == ["b"] and "a=3" in search.fixed


@pytest.mark.parametrize(
    ("overrides", "settings", "message"),
    [
        (["a=1,2"], {"population": 1}, "hydra.sweeper.population=1: must be at least 2"),
        (["a=1,2"], {"seed": -1}, "hydra.sweeper.seed=-1: must be at least 0"),
        (["a=1,2"], {"top": -1}, "hydra.sweeper.confirm.top=-1: must be at least 0"),
        (["a=1,2"], {"rungs": [3]}, r"hydra.sweeper.rungs=\[3\]: must be at least two increasing"),
        (["a=1,2"], {"rungs": [3, 3]}, r"rungs=\[3,3\]: must be at least two increasing"),
        (["a=1,2"], {"rungs": [0, 3]}, r"rungs=\[0,3\]: must be at least two increasing"),
        (["a=1"], {}, "hydra.sweeper.params: must give several values"),
        (["a=1,2", "trainer.max_epochs=9"], {}, "trainer.max_epochs=9: must be 27, the last of"),
        (["a=1,2", "trainer.max_epochs=9,27"], {}, "trainer.max_epochs: must be 27, the last of"),
    ],
)
def test_impossible_settings_are_refused(
    overrides: list[str], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(HydraException, match=message):
        halving(*overrides, **settings)
