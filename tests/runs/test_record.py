"""The content of record.json has a type where it is read."""

from pathlib import Path
from typing import Any

import pytest
from made_sweeps import finish_run

from seqsweep.runs.record import NO_RECORD, Record, read_record
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


@pytest.mark.parametrize(
    "name", ["directions", "best_epoch", "params", "train_seconds", "confusion", "splits"]
)
def test_a_value_of_another_type_counts_as_missing(name, tmp_path):
    record = of_file(tmp_path, **{name: ["x"]})
    assert getattr(record, name) == getattr(NO_RECORD, name)
