"""Thresholds equal the decisions of Optuna's pruners on the same values."""

import random
from typing import Any

import optuna
import pytest
from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from optuna.pruners import MedianPruner as OptunaMedian
from optuna.trial import TrialState

from seqsweep.extras.search.searchfile import Numbers, Trial
from seqsweep.extras.search.settings import Hyperband, Median
from seqsweep.extras.search.study import MemoryStudy
from seqsweep.extras.search.trials import Result
from seqsweep.training.limits import BestEpoch, Limits

EPOCHS = 9


def ended(curve: list[Any], state: Any = "complete") -> Result:
    return Result(state, curve[-1], len(curve), 0.0, curve)


def curve(rng: random.Random, minimize: bool) -> list[float]:
    """Returns a best value so far for each epoch; equal values are frequent."""
    values = [rng.randrange(8) / 8 for _ in range(EPOCHS)]
    better = min if minimize else max
    return [better(values[: i + 1]) for i in range(EPOCHS)]


def decided_by_optuna(
    pruner: BasePruner, told: list[Result], values: list[float], minimize: bool
) -> int | None:
    """Returns after how many epochs one of Optuna's pruners ends a trial."""
    known = MemoryStudy({"x": Numbers(0, 1)}, 1 if minimize else -1)
    for number, result in enumerate(told):
        known.add(Trial(number, {"x": 0.5}))
        known.tell(number, result)
    study = known.study
    running = study.ask()
    for epoch, value in enumerate(values[:-1], start=1):
        running.report(value, epoch)
        if pruner.prune(study, study.get_trials()[running.number]):
            return epoch
    return None


def pruned_after(values: list[Any], thresholds: dict[int, float], minimize: bool) -> int | None:
    """Returns after how many epochs training prunes a run with these best values."""
    limits, monitor = Limits(thresholds), "val/loss" if minimize else "val/acc"
    for epoch, value in enumerate(values, start=1):
        best = BestEpoch(monitor)
        best.epochs, best.best_metrics = epoch, {monitor: value}
        if limits.judge(best) is not None:
            return epoch
    return None


@pytest.mark.parametrize("minimize", [False, True])
@pytest.mark.parametrize(("startup", "warmup", "interval"), [(1, 0, 1), (3, 4, 1), (2, 2, 3)])
def test_median_thresholds_equal_the_decisions_of_optuna(minimize, startup, warmup, interval):
    ours = Median(EPOCHS, minimize, startup, warmup, interval)
    theirs = OptunaMedian(startup, warmup, interval)
    decided: list[int | None] = []
    for seed in range(10):
        rng = random.Random(seed)
        told = [ended(curve(rng, minimize)) for _ in range(seed % 6)]
        told += [ended(curve(rng, minimize)[:4], "pruned")]  # a pruned one does not count
        values = curve(rng, minimize)
        thresholds = ours.thresholds(10, dict(enumerate(told)))
        decided.append(pruned_after(values, thresholds, minimize))
        assert decided[-1] == decided_by_optuna(theirs, told, values, minimize)
    assert None in decided
    assert len(set(decided)) >= 2


def test_successive_halving_of_optuna_promotes_the_same_number():
    """One bracket is compared; Optuna's pruner compares completed rungs in the same way."""
    pruner = SuccessiveHalvingPruner(min_resource=3, reduction_factor=3)
    ours = Hyperband(EPOCHS, False, min_epochs=3, eta=3)
    first = [n for n in range(60) if ours.bracket(n) == 0]
    study = optuna.create_study(direction="maximize", pruner=pruner)
    told: dict[int, Result] = {}
    for seed in range(12):
        values = [random.Random(seed).random()] * EPOCHS
        running = study.ask()
        stops = False
        for step in range(1, 4):
            running.report(values[0], step)
            stops = running.should_prune()
        study.tell(running, state=TrialState.PRUNED if stops else TrialState.COMPLETE,
                   values=None if stops else values[0])  # fmt: skip
        after = pruned_after(values, ours.thresholds(first[seed], told), False)
        assert (after is not None) == stops, seed
        told[first[seed]] = ended(values[:3], "pruned" if stops else "complete")


def test_brackets_have_the_rungs_and_the_proportions_of_hyperband():
    pruner = Hyperband(81, False, min_epochs=1, eta=3)
    rungs = [pruner.rungs(bracket) for bracket in range(5)]
    assert rungs == [[1, 3, 9, 27], [3, 9, 27], [9, 27], [27], []]
    numbers = [pruner.bracket(number) for number in range(143)]
    # Table 1 of Li et al. 2018: 81, 34, 15, 8 and 5 configs begin in the brackets.
    assert [numbers.count(bracket) for bracket in range(5)] == [81, 34, 15, 8, 5]
    assert numbers == [pruner.bracket(number + 143) for number in range(143)]
    assert set(numbers[:29]) == {0, 1, 2, 3, 4}  # evenly mixed: 5 of 143 are 1 of 29


def test_a_trial_is_compared_with_its_own_bracket():
    pruner = Hyperband(9, True, min_epochs=1, eta=3)
    zero = next(n for n in range(30) if pruner.bracket(n) == 0)
    one = next(n for n in range(30) if pruner.bracket(n) == 1)
    told = {zero: ended([0.5] * 9)}
    assert pruner.thresholds(zero, told) == {1: 0.5, 3: 0.5}
    assert pruner.thresholds(one, told) == {}


def test_epochs_without_a_value_do_not_count():
    told = {0: ended([None, 0.5, 0.6]), 1: ended([0.2, 0.3, 0.3])}
    assert Median(3, False, 1).thresholds(2, told) == {1: 0.2, 2: 0.4}
