"""The importance of the keys is that of Optuna's PED-ANOVA."""

import math
import random
from typing import Any

import pytest

from seqsweep.results.search.importance import importances
from seqsweep.results.search.trials import Result, Tried
from seqsweep.runs.searchfile import Trial

SPACE: dict[str, dict[str, Any]] = {
    "lr": {"low": 1e-4, "high": 0.1, "log": True, "integer": False, "step": None},
    "decay": {"low": 0.0, "high": 0.5, "log": False, "integer": False, "step": None},
    "even": {"low": 10, "high": 200, "log": False, "integer": True, "step": 10.0},
    "cell": {"choices": ["rnn", "gru", "lstm"]},
}


def drawn(seed: int) -> Tried:
    draw = random.Random(seed)
    params = {
        "lr": 10 ** draw.uniform(-4, -1),
        "decay": draw.uniform(0, 0.5),
        "even": draw.randrange(10, 201, 10),
        "cell": draw.choice(["rnn", "gru", "lstm"]),
    }
    return Tried(Trial(seed, params), Result())


@pytest.mark.parametrize("key", ["decay", "even"])
def test_the_key_that_decides_is_the_most_important_one(key):
    trials = [drawn(seed) for seed in range(200)]
    found = importances(trials, [trial.params[key] for trial in trials], SPACE)
    assert next(iter(found)) == key
    assert found[key] > 0.7
    assert math.fsum(found.values()) == pytest.approx(1)


def test_equal_values_have_no_important_key():
    trials = [drawn(seed) for seed in range(30)]
    assert set(importances(trials, [0.5] * 30, SPACE).values()) == {0.0}


@pytest.mark.parametrize("count", [2, 9])
def test_few_trials_have_importances_too(count):
    trials = [drawn(seed) for seed in range(count)]
    found = importances(trials, [trial.params["lr"] for trial in trials], SPACE)
    assert found.keys() == SPACE.keys()
