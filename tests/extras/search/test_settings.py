"""Settings of a search are refused with a message that says what is allowed."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException

from seqsweep.extras.search.halving import Halving, to_the_last_rung
from seqsweep.extras.search.planning import TrialPlanner
from seqsweep.extras.search.trials import Result


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampler": "tpee"}, "hydra.sweeper.sampler=tpee: unknown; did you mean 'tpe'"),
        ({"parallel": 0}, "hydra.sweeper.parallel=0: must be at least 1"),
        ({"sampler_options": {"deterministic_objective": True}}, "sampler=tpe has no such option"),
        ({"pruner": "hyperband", "pruner_options": {"eta": 1}}, "eta=1: must be at least 2"),
        ({"budget": {}}, "must have trials, epochs or minutes"),
        ({"budget": {"trials": 0}}, "budget.trials=0: must be above 0"),
        ({"budget": {"epochs": 17}, "seeds": 2},
         r"budget.epochs=17: must be at least 18, .*seeds=2, trainer.max_epochs=9"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(settings, options, words):
    with pytest.raises(ValueError, match=words):
        settings(**options)


def taken(*epochs: int | None) -> list[Result | None]:
    """Returns trials that have taken so many epochs; None for one that runs."""
    return [None if each is None else Result("complete", epochs=each) for each in epochs]


def test_the_first_limit_counts(settings):
    def allows(used: list[int | None], spent: float, **budget: Any) -> bool:
        return settings(budget=budget).allows(taken(*used), spent)

    assert allows([9], 1e9, trials=2)
    assert not allows([9, 9], 0, trials=2)
    assert allows([9, 9], 0, epochs=27)
    assert not allows([9, 9], 0, epochs=26)
    assert not allows([9, 9], 0, trials=9, epochs=26, minutes=1)
    assert allows([9] * 99, 0.99, minutes=1)
    assert not allows([], 1.0, minutes=1)


def test_the_order_of_the_results_does_not_decide_how_many_trials_there_are(settings):
    """A trial that may begin in some order may begin in every other order, at the latest."""
    chosen, epochs = settings(budget={"epochs": 40}), [9, 1, 4, 9, 1, 2, 9, 9, 9]
    counts = set[int]()
    for order in itertools.permutations(range(4)):
        known: list[int | None] = []
        for position in itertools.cycle(order):  # the trials that are running end in this order
            while chosen.allows(taken(*known), 0) and len(known) < len(epochs):
                known.append(None)
            running = [i for i, value in enumerate(known) if value is None]
            if not running:
                break
            ended = running[position % len(running)]
            known[ended] = epochs[ended]
        counts.add(len(known))
        assert sum(value or 0 for value in known) <= 40
    assert len(counts) == 1


def halving(**settings: Any) -> Halving:
    defaults: Any = {"population": 256, "rungs": [1, 3, 9, 27], "seed": 0, "top": 5, "seeds": 5}
    return Halving(**(defaults | settings))


def test_a_third_of_the_runs_continues_at_each_rung():
    assert halving().sizes(256) == [256, 86, 29, 10]
    assert halving().epochs(256) == 256 + 86 * 2 + 29 * 6 + 10 * 18
    assert halving(rungs=[2, 4, 5]).sizes(10) == [10, 5, 4]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, "hydra.sweeper.population=1: must be at least 2"),
        ({"rungs": [3, 3]}, r"rungs=\[3,3\]: must be at least two increasing"),
        ({"rungs": [0, 3]}, r"rungs=\[0,3\]: must be at least two increasing"),
    ],
)
def test_impossible_settings_of_a_halving_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        halving(**settings)


def test_all_train_to_the_last_rung(compose):
    def fixed(*overrides: str) -> list[str]:
        planner = TrialPlanner.of(["a=1,2", *overrides], compose, Path())
        return list(to_the_last_rung(planner, 27).fixed)

    assert fixed("b=3") == ["b=3", "trainer.max_epochs=27"]
    assert fixed("trainer.max_epochs=27") == ["trainer.max_epochs=27"] * 2
    with pytest.raises(HydraException, match=r"max_epochs=9: must be 27, the last of"):
        fixed("trainer.max_epochs=9")
