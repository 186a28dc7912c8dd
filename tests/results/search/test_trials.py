"""Trials are ranked by their values, and the Pareto set is that of all pairs."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from made_search import random_search

from seqsweep.results.search.trials import (
    pareto_set,
    ranked,
    runs_of,
    trial_words,
)
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.searchfile import SearchFile, Trial


def search_of(values: list[list[float]], directions: list[str]) -> SearchFile:
    trials = [Trial(i, {"a": i}, [f"{i}"], "complete", each) for i, each in enumerate(values)]
    names = ["val/acc", "params", "epochs"][: len(directions)]
    return SearchFile("random", "none", {"a": {"low": 0, "high": 9}}, names, directions, {}, trials)


@pytest.mark.parametrize("directions", [["maximize", "minimize"], ["minimize"] * 3])
def test_no_trial_of_the_pareto_set_is_beaten(directions):
    draw = random.Random(0)
    values = [[draw.randint(0, 9) / 9 for _ in directions] for _ in range(80)]
    signs = [-1 if direction == "maximize" else 1 for direction in directions]

    def beats(a: list[float], b: list[float]) -> bool:
        pairs = [(sign * x, sign * y) for sign, x, y in zip(signs, a, b, strict=True)]
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    expected = {tuple(v) for v in values if not any(beats(other, v) for other in values)}
    front = [tuple(trial.values or ()) for trial in pareto_set(search_of(values, directions))]
    assert set(front) == expected
    assert len(front) == len(set(front))


def test_only_complete_trials_with_a_value_are_ranked():
    search = search_of([[0.5], [0.9], [0.7], [0.99]], ["maximize"])
    pruned = Trial(4, {"a": 1}, ["4"], "pruned", [1.0])
    others = [Trial(5, {"a": 1}, ["5"], "failed"), Trial(6, {"a": 1}, ["6"])]
    search = replace(search, trials=[*search.trials[:3], pruned, *others])
    assert [trial.number for trial in ranked(search)] == [1, 2, 0]


def test_of_equal_trials_the_earlier_is_first():
    """The search itself chooses in this way the trials that it trains again."""
    search = search_of([[0.5], [0.9], [0.9], [0.1]], ["maximize"])
    assert [trial.number for trial in ranked(search)] == [1, 2, 0, 3]


def test_runs_that_are_not_given_are_read(tmp_path):
    search = random_search(tmp_path, 3, seeds=1)
    assert runs_of(search, tmp_path, []).keys() == {
        entry.folder.run_id for entry in read_folder(tmp_path)
    }
    assert runs_of(search, Path("absent"), []) == {}


def test_a_trial_is_named_by_short_keys_and_numbers():
    trial = Trial(0, {"model.lr": 0.0123456, "cell": "gru", "on": True}, [])
    names = {"model.lr": "lr", "cell": "cell", "on": "on", "absent": "absent"}
    assert trial_words(trial, names) == "lr=0.01235 cell=gru on=true"
