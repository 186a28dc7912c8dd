"""Targets are numbers to predict, or values by row, in place of the classes of sequences."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from prepared import prepared

from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.data.readers import npz
from seqsweep.data.tables import table

TWO: dict[str, Any] = {"features": ["a", "b"], "target": ["wear", "other"]}
STEPS: dict[str, Any] = {"features": ["a", "b"], "target": "left"}


@pytest.fixture(scope="module")
def pumps(tmp_path_factory):
    """A table, a folder and arrays of equal pumps, whose `left` changes by row."""
    root, rng = tmp_path_factory.mktemp("pumps"), np.random.default_rng(0)
    (root / "folder").mkdir()
    lengths, wear = rng.integers(3, 7, 120), rng.normal(size=(120, 2)).round(3)
    x, left = rng.normal(size=(120, 6, 2)).round(3), rng.normal(size=(120, 6)).round(3)
    rows = pd.DataFrame({"id": np.repeat(np.arange(120), 6), "t": np.tile(np.arange(6), 120)})
    rows[["a", "b"]], rows["left"], rows["site"] = x.reshape(-1, 2), left.ravel(), rows.id % 30
    rows[["wear", "other"]] = wear[rows.id]
    rows = rows[rows.t < lengths[rows.id]]
    rows.to_csv(root / "table.csv", index=False)
    for n, pump in rows.drop(columns=["id", "site"]).groupby(rows.id):
        pump.to_csv(root / f"folder/p{n:03}.csv", index=False)
    arrays: dict[str, Any] = {"X": x, "lengths": lengths, "channel_names": ["a", "b"]}
    np.savez(root / "two.npz", target=wear, **arrays)
    np.savez(root / "steps.npz", target=left, **arrays)
    return root


def test_a_table_a_folder_and_arrays_give_equal_batches(pumps):
    for options, name in ((TWO, "two.npz"), (STEPS, "steps.npz")):
        sources = [table(str(pumps / path), **options) for path in ("table.csv", "folder")]
        batches = []
        for source in (*sources, npz(str(pumps / name))):
            data = SequenceDataModule(source, 50, per_step=options is STEPS)
            batches.append([part.numpy() for part in next(iter(data.train_dataloader()))])
        x, lengths, y = batches[0]
        is_padding = np.arange(x.shape[1]) >= lengths[:, None]
        assert y.dtype == np.float32 and sources[0].num_classes == 0
        assert y.shape == (50, 2) if options is TWO else (np.isnan(y[:, :, 0]) == is_padding).all()
        for other in batches[1:]:
            for one, same in zip(other, batches[0], strict=True):
                np.testing.assert_array_equal(one, same)


GAPS = "id,t,x,label,z\na,0,1,u,\na,1,2,,5\nb,0,3,v,6\n"
NAN = np.nan


@pytest.mark.parametrize(("role", "column", "expected"), [
    ("label", "label", [[0, -100], [1, -100]]),
    ("target", "z", [[NAN, 5], [6, NAN]]),
])  # fmt: skip
def test_padding_and_a_row_without_a_value_are_marked(write, role, column, expected):
    source = table(write(GAPS), features="x", **{role: column})
    part: Any = prepared(source, val_fraction=0, test_fraction=0, per_step=True).train
    np.testing.assert_array_equal(part.targets.reshape(2, 2), expected)


@pytest.mark.parametrize("split_by", [None, "time"])
def test_a_window_has_the_target_of_its_last_row_or_of_all(pumps, split_by):
    source: Any = table(str(pumps / "table.csv"), **STEPS)
    options: dict[str, Any] = {"transform": {"window": 3}, "val_fraction": 0, "test_fraction": 0}
    last: Any = prepared(source, split_by=split_by, **options).train.targets
    rows: Any = prepared(source, split_by=split_by, per_step=True, **options).train.targets
    assert rows.shape == (len(last), 3, 1) and np.array_equal(last, rows[:, -1])
    assert np.array_equal(rows[0], source.train.targets[0, :3])


def test_splits_have_the_same_share_of_each_bin_and_groups_stay_whole(pumps):
    source: Any = table(str(pumps / "table.csv"), **TWO)
    edges = np.quantile(source.train.targets[:, 0], np.linspace(0, 1, 11))[1:-1]
    for options in ({}, {"folds": 4, "fold": 1}):
        parts: list[Any] = list(prepared(source, **options).parts.values())
        for part in parts:
            counts = np.bincount(np.searchsorted(edges, part.targets[:, 0], "right"), minlength=10)
            assert counts.max() - counts.min() <= 3, options
    grouped = prepared(table(str(pumps / "table.csv"), group="site", **TWO), folds=4)
    groups: list[Any] = [part.groups for part in grouped.parts.values()]
    assert sum(len(np.unique(of_part)) for of_part in groups) == 30


@pytest.mark.parametrize(("cell", "options", "message"), [
    ("", {"target": "z"}, r"my.csv:3: the target \(column 'z'\) is missing"),
    ("4", {"target": "z"}, r"my.csv:3: the target .* is 4, but 3 at .*my.csv:2"),
    ("lots", {"target": "z"}, "my.csv:3: column 'z': 'lots' is not a number"),
    ("3", {"target": "z", "label": "label"}, "target and label: give only one"),
])  # fmt: skip
def test_what_is_not_a_target_is_refused_with_its_place(write, cell, options, message):
    rows = write(f"id,t,x,z,label\na,0,1,3,u\na,1,2,{cell},u\nb,0,3,1,v\n")
    with pytest.raises(ValueError, match=message):
        prepared(table(rows, features="x", **options))
