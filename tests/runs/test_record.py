"""The content of record.json has a type where it is read."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import finish_run

from seqsweep.runs.documents import sealed, write_sealed
from seqsweep.runs.files import json_text
from seqsweep.runs.record import NO_RECORD, Pruned, Record, read_record
from seqsweep.runs.run_folder import RunFolder

SPLITS = {"test": {"sequences": 54, "fingerprint": "a", "also_in_train": 0}}


def of_file(folder: Path, **keys: Any) -> Record:
    run = RunFolder(finish_run(folder / "a", {"seed": 0}, {}, **keys))
    return read_record(run.path / "record.json")


def test_each_value_of_the_file_is_an_attribute(tmp_path):
    keys = {"epochs": 3, "train_seconds": 1, "classes": ["a", "b"], "splits": SPLITS}
    record = of_file(tmp_path, **keys)
    assert (record.status, record.config["seed"]) == ("complete", 0)
    assert {name: getattr(record, name) for name in keys} == keys
    assert record.digest == record.content["digest"]


@pytest.mark.parametrize("value", [1, 0.1, 1e300, -0.0, True, None, "ü\n", [0.5, 1], {}, {"a": {}}])
def test_the_text_is_the_json_of_the_content_and_its_digest(value, tmp_path):
    write_sealed(tmp_path / "a", {"digest": "old", "value": value, "config": {"b": [value]}})
    content = sealed({"value": value, "config": {"b": [value]}})
    text = (tmp_path / "a").read_text()
    assert text == json_text(content) + "\n" and json.loads(text) == content


def test_a_key_of_another_program_is_kept_and_disturbs_nothing(tmp_path):
    record = of_file(tmp_path, note={"of": "mine"}, content="x")
    assert record.content["note"] == {"of": "mine"} and record.content["content"] == "x"
    assert record.status == "complete"


@pytest.mark.parametrize(
    "name", ["directions", "best_epoch", "params", "train_seconds", "confusion", "splits"]
)
def test_a_value_of_another_type_counts_as_missing(name, tmp_path):
    record = of_file(tmp_path, **{name: ["x"]})
    assert getattr(record, name) == getattr(NO_RECORD, name)


def test_a_pruned_run_says_where_and_why(tmp_path):
    pruned = {"epoch": 2, "value": 0.5, "threshold": None}
    record = of_file(tmp_path, status="pruned", pruned=pruned)
    assert record.pruned == Pruned(2, 0.5, None)
