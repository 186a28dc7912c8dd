"""Settings of a search are refused with a message that says what is allowed."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hydra.errors import HydraException

from seqsweep.extras.search.halving import check_rungs, sizes_at, to_the_last_rung
from seqsweep.extras.search.planning import TrialPlanner
from seqsweep.extras.search.searchfile import SearchFile
from seqsweep.extras.search.settings import allows
from seqsweep.extras.search.trials import Result


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampler": "tpee"}, "hydra.sweeper.sampler=tpee: unknown; did you mean 'tpe'"),
        ({"parallel": 0}, "hydra.sweeper.parallel=0: must be at least 1"),
        ({"sampler": "random", "sampler_options": {"group": True}}, "random has no such option"),
        ({"pruner": "hyperband", "pruner_options": {"eta": 1}}, "eta=1: must be at least 2"),
        ({"budget": {}}, "must have trials, epochs or minutes"),
        ({"budget": {"epochs": 17}, "seeds": 2},
         r"budget.epochs=17: must be at least 18, .*seeds=2, trainer.max_epochs=9"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(made, options, words):
    with pytest.raises(ValueError, match=words):
        made(**options)


def permits(search: SearchFile, spent: float, used: Sequence[int | None]) -> bool:
    """Returns whether a trial may begin after others, by their epochs; None for one that runs."""
    results = [None if each is None else Result("complete", epochs=each) for each in used]
    return allows(search, results, spent)


@pytest.mark.parametrize(
    ("used", "spent", "budget", "expected"),
    [
        ([9], 1e9, {"trials": 2}, True),
        ([9, 9], 0, {"trials": 2}, False),
        ([9, 9], 0, {"epochs": 27}, True),
        ([9, 9], 0, {"trials": 9, "epochs": 26, "minutes": 1}, False),
        ([9] * 99, 0.99, {"minutes": 1}, True),
        ([], 1.0, {"minutes": 1}, False),
    ],
)
def test_the_first_limit_counts(made, used, spent, budget, expected):
    assert permits(made(budget=budget), spent, used) == expected


@pytest.mark.parametrize(
    ("rungs", "runs", "sizes"),
    [([1, 3, 9, 27], 256, [256, 86, 29, 10]), ([2, 4, 5], 10, [10, 5, 4])],
)
def test_a_share_of_the_runs_continues_at_each_rung(rungs, runs, sizes):
    assert sizes_at(rungs, runs) == sizes


def test_impossible_rungs_are_refused():
    with pytest.raises(ValueError, match=r"rungs=\[3,3\]: must be at least two increasing"):
        check_rungs([3, 3])


def test_all_train_to_the_last_rung(compose):
    def fixed(*overrides: str) -> list[str]:
        planner = TrialPlanner.of(["a=1,2", *overrides], compose, Path())
        return list(to_the_last_rung(planner, 27).fixed)

    assert fixed("b=3") == ["b=3", "trainer.max_epochs=27"]
    assert fixed("trainer.max_epochs=27") == ["trainer.max_epochs=27"] * 2
    with pytest.raises(HydraException, match=r"max_epochs=9: must be 27, the last of"):
        fixed("trainer.max_epochs=9")


def test_an_interval_of_real_numbers_for_a_key_of_whole_ones_is_refused(compose):
    """The ends of the interval are whole and are accepted; hardly a number between them is."""
    interval, whole = "data.batch_size=interval(8,64)", "data.batch_size=int(interval(8,64))"
    with pytest.raises(ValueError, match=r"must be a whole number.*; or give ") as error:
        TrialPlanner.of(["data=digits", interval], compose, Path()).plan_ends()
    assert f"'{whole}'" in str(error.value)
    TrialPlanner.of(["data=digits", whole], compose, Path()).plan_ends()
