"""The script that collects the data sets of packages writes exact numbers, without a download."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqsweep import compose
from seqsweep.data.aeon_sets import archive
from seqsweep.training.run_data import data_of


@pytest.fixture(name="script")
def _script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "scripts")
    return importlib.import_module("archive_sets")


def test_digits_are_split_as_a_run_splits_them(script: Any, tmp_path: Path) -> None:
    name, files = next(script.data_sets())
    for part, content in zip(("TRAIN", "TEST"), files, strict=True):
        (tmp_path / f"{name}_{part}.ts").write_bytes(content)
    read = archive(name, str(tmp_path))
    split = data_of(compose(["data=digits", "data.standardize=false"])["data"]).prepared
    assert split.val is not None and split.test is not None and read.test is not None
    assert np.array_equal(read.test.x, split.test.x)
    assert np.array_equal(read.test.labels, split.test.labels)
    joined = [*zip(split.train.x.tolist(), split.train.labels.tolist(), strict=True)]
    joined += zip(split.val.x.tolist(), split.val.labels.tolist(), strict=True)
    rows = zip(read.train.x.tolist(), read.train.labels.tolist(), strict=True)
    assert sorted(rows) == sorted(joined)


def test_a_case_has_its_channels_and_all_digits_of_its_numbers(script: Any) -> None:
    x = [np.array([[0.1, 1e-7], [1 / 3, -2.0]]), np.array([[5.0, 6.0]])]
    lines = script.ts("Own", x, ["b", "a"]).decode().splitlines()
    assert lines[1:4] == ["@univariate false", "@equalLength false", "@classLabel true a b"]
    assert lines[5:] == ["0.1,0.3333333333333333:1e-07,-2.0:b", "5.0:6.0:a"]
