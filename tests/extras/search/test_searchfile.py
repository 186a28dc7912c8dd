"""search.json gives back the search that was written; a damaged one counts as missing."""

import json
from dataclasses import replace
from typing import Any

import pytest

from seqsweep.extras.search.searchfile import NAME, SearchFile, Trial
from seqsweep.runs import files

TRIALS = [
    Trial(0, {"lr": 0.1, "cell": "gru"}, ["a", "b"], {1: 0.5}, 1),
    Trial(1, {"lr": 0.2, "cell": "rnn"}, [], refusal="no such combination"),
]
SEARCH = SearchFile(
    "tpe", "median", "val/acc",
    {"lr": {"low": 0.1, "high": 1, "log": True, "integer": False, "step": None},
     "cell": {"choices": ["rnn", "gru"]}},
    {"seed": 0, "sampler_options": {}}, {"trials": 2}, TRIALS, [1, 3], {0: ["e"]}, 0.5,
)  # fmt: skip


def test_a_search_is_read_as_it_was_written(tmp_path):
    SEARCH.write(tmp_path)
    assert SearchFile.read(tmp_path) == SEARCH


@pytest.mark.parametrize(
    "wrong",
    [
        {"metric": 5},
        {"settings": []},
        {"space": {"lr": {"low": "0", "high": 1}}},
        {"budget": {"trials": "2"}},
        {"rungs": [None]},
        {"confirmed": {"0": "e"}},
        {"trial": {"thresholds": {"one": 1}}},
        {"trial": {"thresholds": {"1": "0.5"}}},
        {"trial": {"params": []}},
        {"trial": {"params": {"lr": 0.1}}},
        {"trial": {"run_ids": "a"}},
        {"trial": {"ends_at": "3"}},
        {"trial": {"state": "complete"}},
    ],
    ids=str,
)
def test_a_search_that_was_changed_counts_as_missing(wrong: dict[str, Any], tmp_path, capsys):
    SEARCH.write(tmp_path)
    content = json.loads((tmp_path / NAME).read_text())
    content["trials"][0] |= wrong.get("trial", {})
    content |= {key: value for key, value in wrong.items() if key != "trial"}
    (tmp_path / NAME).write_text(json.dumps(content))
    files._said.clear()
    assert SearchFile.read(tmp_path) is None
    assert "does not match its digest; it counts as missing" in capsys.readouterr().err


def test_what_decides_the_choices_tells_two_searches_apart():
    assert SEARCH.differences(replace(SEARCH, budget={"trials": 9}, confirmed={})) == []
    others = replace(SEARCH, method="gp", space={}, rungs=[1], settings={"seed": 1})
    assert SEARCH.differences(others) == [
        "sampler=tpe", "rungs=[1, 3]", "another space", "seed=0", "another sampler_options"
    ]  # fmt: skip
