"""A budget is never exceeded, whatever ends first."""

import itertools

import pytest

from seqsweep.sweeping.search.budget import Budget


def test_the_first_limit_counts():
    assert Budget(trials=2).allows([9], 9, 1e9)
    assert not Budget(trials=2).allows([9, 9], 9, 0)
    assert Budget(epochs=27).allows([9, 9], 9, 0)
    assert not Budget(epochs=26).allows([9, 9], 9, 0)
    assert not Budget(trials=9, epochs=26, minutes=1).allows([9, 9], 9, 0)
    assert Budget(minutes=1).allows([9] * 99, 9, 0.99)
    assert not Budget(minutes=1).allows([], 9, 1.0)


def test_a_pruned_trial_gives_back_what_it_has_not_used():
    budget = Budget(epochs=30)
    assert not budget.allows([9, 9, None], 9, 0)
    assert budget.allows([9, 9, 3], 9, 0)
    assert not budget.allows([9, 9, 4], 9, 0)


def test_the_order_of_the_results_does_not_decide_how_many_trials_there_are():
    """A trial that may begin in some order may begin in every other order, at the latest."""
    budget, taken = Budget(epochs=40), [9, 1, 4, 9, 1, 2, 9, 9, 9]
    counts = set[int]()
    for order in itertools.permutations(range(4)):
        results: list[int | None] = []
        for position in itertools.cycle(order):  # the trials that are running end in this order
            while budget.allows(results, 9, 0) and len(results) < len(taken):
                results.append(None)
            running = [i for i, value in enumerate(results) if value is None]
            if not running:
                break
            ended = running[position % len(running)]
            results[ended] = taken[ended]
        counts.add(len(results))
        assert sum(value or 0 for value in results) <= 40
    assert len(counts) == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "must have trials, epochs or minutes"),
        ({"trials": None}, "must have trials, epochs or minutes"),
        ({"trials": 0}, "budget.trials=0: must be above 0"),
        ({"epochs": -1}, "budget.epochs=-1: must be above 0"),
        ({"minutes": float("nan")}, "budget.minutes=nan: must be above 0"),
    ],
)
def test_a_budget_without_a_limit_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        Budget.of(values)
