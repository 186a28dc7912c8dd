"""Trials are compared after equal numbers of epochs."""

import pytest
from made_search import LR, SIZE, SPACE, halving, sampled

from seqsweep.extras.search.findings import find_search
from seqsweep.extras.search.searchfile import Trial
from seqsweep.extras.search.study import importances
from seqsweep.runs.ledger import read_folder


def test_rungs_count_their_trials(tmp_path):
    search = halving(tmp_path, 36)
    found = find_search(tmp_path, read_folder(tmp_path))
    assert found is not None
    assert [(r.epochs, r.trained, r.kept) for r in found.rungs] == [
        (1, 36, 12), (3, 12, 4), (9, 4, 1),
    ]  # fmt: skip
    best = [rung.best or 0.0 for rung in found.rungs]
    assert best == sorted(best)
    # The importance is that of all trials at the first rung.
    assert (found.compared_after, found.compared) == (1, len(search.trials))


@pytest.mark.parametrize("key", [LR, SIZE])
def test_the_key_that_decides_is_the_most_important_one(key):
    trials = [Trial(number, sampled(number)) for number in range(200)]
    found = importances(trials, {trial.number: trial.params[key] for trial in trials}, SPACE)
    assert next(iter(found)) == key
    assert found[key] > 0.6
    assert sum(found.values()) == pytest.approx(1)
    assert found.keys() == SPACE.keys()


def test_equal_values_have_no_important_key():
    trials = [Trial(number, sampled(number)) for number in range(2)]
    assert set(importances(trials, {0: 0.5, 1: 0.5}, SPACE).values()) == {0.0}
