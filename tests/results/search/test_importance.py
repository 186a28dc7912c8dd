"""PED-ANOVA agrees with Optuna's evaluator, and finds the keys that matter."""

import math
import random
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from seqsweep.results.search.importance import best_trials, importances

SPACE: dict[str, dict[str, Any]] = {
    "lr": {"low": 1e-4, "high": 0.1, "log": True, "integer": False},
    "decay": {"low": 0.0, "high": 0.5, "log": False, "integer": False},
    "size": {"low": 4, "high": 128, "log": True, "integer": True},
    "layers": {"low": 1, "high": 4, "log": False, "integer": True},
    "wide": {"low": 0, "high": 300, "log": False, "integer": True},
    "even": {"low": 10, "high": 200, "log": False, "integer": True, "step": 10.0},
    "half": {"low": 0.0, "high": 2.0, "log": False, "integer": False, "step": 0.5},
    "cell": {"choices": ["rnn", "gru", "lstm"]},
}
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 0.1, log=True),
    "decay": FloatDistribution(0.0, 0.5),
    "size": IntDistribution(4, 128, log=True),
    "layers": IntDistribution(1, 4),
    "wide": IntDistribution(0, 300),
    "even": IntDistribution(10, 200, step=10),
    "half": FloatDistribution(0.0, 2.0, step=0.5),
    "cell": CategoricalDistribution(["rnn", "gru", "lstm"]),
}


def drawn(seed: int) -> dict[str, Any]:
    draw = random.Random(seed)
    return {
        "lr": 10 ** draw.uniform(-4, -1),
        "decay": draw.uniform(0, 0.5),
        "size": round(4 * 32 ** draw.random()),
        "layers": draw.randint(1, 4),
        "wide": draw.randint(0, 300),
        "even": draw.randrange(10, 201, 10),
        "half": draw.randrange(5) / 2,
        "cell": draw.choice(["rnn", "gru", "lstm"]),
    }


def cost(params: dict[str, Any], digits: int) -> float:
    off = (math.log10(params["lr"]) + 2) ** 2 + 0.3 * (params["cell"] == "rnn")
    return round(off + 0.1 * params["layers"], digits)


@pytest.mark.parametrize("count", [2, 9, 20, 75, 300])
@pytest.mark.parametrize("digits", [9, 1], ids=["distinct", "tied"])
def test_it_agrees_with_optuna(count, digits):
    params = [drawn(seed) for seed in range(count)]
    costs = [cost(each, digits) for each in params]
    study = optuna.create_study(direction="minimize")
    for each, value in zip(params, costs, strict=True):
        study.add_trial(optuna.create_trial(params=each, distributions=DISTRIBUTIONS, value=value))
    expected = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    found = importances(params, costs, SPACE)
    # If the two sets of trials are equal, Optuna calls all keys equally important.
    if any(found.values()):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)
        assert list(found.values()) == sorted(found.values(), reverse=True)
    else:
        assert len(set(expected.values())) == 1


def test_the_key_that_decides_is_the_most_important_one():
    params = [drawn(seed) for seed in range(200)]
    found = importances(params, [each["decay"] for each in params], SPACE)
    assert next(iter(found)) == "decay"
    assert found["decay"] > 0.7
    assert math.fsum(found.values()) == pytest.approx(1)


def test_equal_values_have_no_important_key():
    params = [drawn(seed) for seed in range(30)]
    assert set(importances(params, [0.5] * 30, SPACE).values()) == {0.0}
    assert best_trials([0.5] * 30) == set(range(30))


def test_choices_are_equal_as_texts_and_as_numbers():
    """search.json lists overrides, and the trials have values."""
    listed = {"size": {"choices": ["8", "16", "1e2"]}}
    params = [{"size": [8, 16, 100][seed % 3]} for seed in range(40)]
    costs = [each["size"] + index / 100 for index, each in enumerate(params)]
    texts = [{"size": str(each["size"])} for each in params]
    two = {"size": listed["size"], "other": {"choices": ["1"]}}
    assert importances(params, costs, two) == importances(texts, costs, two)


def test_a_key_with_one_value_or_without_trials_has_no_importance():
    space = {"fixed": {"low": 3, "high": 3, "log": False, "integer": True}, "absent": SPACE["lr"],
             "lr": SPACE["lr"]}  # fmt: skip
    params = [{"fixed": 3, "lr": drawn(seed)["lr"]} for seed in range(30)]
    found = importances(params, [each["lr"] for each in params], space)
    assert found == {"lr": 1.0, "fixed": 0.0, "absent": 0.0}
