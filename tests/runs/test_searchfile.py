"""search.json gives back the search that was written; a damaged one counts as missing."""

import json
from typing import Any

import pytest

from seqsweep.runs import files
from seqsweep.runs.searchfile import NAME, SearchFile, Trial

TRIALS = [
    Trial(0, {"lr": 0.1, "cell": "gru"}, ["a", "b"], "complete", [0.5], 9, 1.5),
    Trial(1, {"lr": 0.2, "cell": "rnn"}, ["c", "d"]),
]
SEARCH = SearchFile(
    "tpe",
    "none",
    {"lr": {"low": 0.1, "high": 1, "log": True, "integer": False, "step": None},
     "cell": {"choices": ["rnn", "gru"]}},
    ["val/acc"], ["maximize"], {"trials": 2}, TRIALS, [1, 3], {0: ["e"]}, 0.5,
)  # fmt: skip


def test_a_search_is_read_as_it_was_written(tmp_path):
    SEARCH.write(tmp_path)
    assert SearchFile.read(tmp_path) == SEARCH


@pytest.mark.parametrize(
    "wrong",
    [
        {"directions": ["up"]},
        {"objectives": [5]},
        {"space": {"lr": {"low": "0", "high": 1}}},
        {"budget": {"trials": "2"}},
        {"rungs": [None]},
        {"confirmed": {"0": "e"}},
        {"trial": {"values": [None]}},
        {"trial": {"run_ids": "a"}},
        {"trial": {"state": "done"}},
    ],
    ids=str,
)
def test_a_search_with_values_of_other_types_counts_as_missing(
    wrong: dict[str, Any], tmp_path, capsys
):
    SEARCH.write(tmp_path)
    content = json.loads((tmp_path / NAME).read_text())
    content["trials"][0] |= wrong.get("trial", {})
    content |= {key: value for key, value in wrong.items() if key != "trial"}
    (tmp_path / NAME).write_text(json.dumps(content))
    files._said.clear()
    assert SearchFile.read(tmp_path) is None
    assert "is not what a search writes; it counts as missing" in capsys.readouterr().err
