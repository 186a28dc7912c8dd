"""A folder of runs as a table has a row per run, and every value keeps its type."""

import sys
from pathlib import Path

import pytest
from made_sweeps import finish_run, start_run, sweep_of, write_rows
from own_metric_runs import finish_own_runs, value

from seqsweep.results.frame import load_curves, load_sweep
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile

HEAD = "epoch,step,lr,train/loss,val/acc"
RECORD = {"epochs": 2, "samples_per_s": 99.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two finished runs, a failed, a killed and a not started one."""
    tmp_path = tmp_path_factory.mktemp("sweep")
    configs = {
        name: {"monitor": "val/acc", "seed": seed, "model.hidden_size": 8 * size,
               "model.bidirectional": size == 2, "model.dropout": 0.1 if seed else None,
               "optimizer.lr": 1 if seed else 0.5}
        for name, seed, size in zip("dcbae", (0, 1, 2, 0, 1), (1, 1, 1, 2, 2), strict=True)
    }  # fmt: skip
    SweepFile(["seqsweep"], 0.0, configs).write(tmp_path)
    for name, rows, scores in (
        ("d", [[0, 6, 0.1, 2.0, ""], [1, 12, 0.1, 1.0, 0.5]], {"val/acc": 0.5}),
        ("c", [[0, 6, 0.1, 3.0, 0.25]], {"val/acc": 0.25, "test/acc": 0.75}),
    ):
        finish_run(tmp_path / name, configs[name], {"lr": 0.5, **scores}, **RECORD)
        write_rows(tmp_path / name, HEAD, rows)
    model = {"hidden_size": 8, "bidirectional": False, "dropout": 0.1}
    nested = {"monitor": "val/acc", "seed": 2, "optimizer": {"lr": 1}, "model": model}
    RunFolder(tmp_path / "b").refuse(nested, ValueError("no luck"))
    both = {"model": model | {"bidirectional": True}}
    start_run(tmp_path / "a", nested | {"seed": 0, "optimizer": {"lr": 0.5}} | both)
    (tmp_path / "a/metrics.csv").write_text(f"{HEAD}\n0,6,0.1,4.0,0.125\n1,12,0.1,")
    finish_run(tmp_path / "other", configs["c"] | {"seed": 7}, {"val/acc": 0.1}, **RECORD)
    return tmp_path


def test_a_sweep_has_a_row_per_run_in_its_order_and_values_keep_their_types(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    table = load_sweep(folder.name)
    assert list(table["run_id"]) == ["d", "c", "b", "a", "e", "other"]
    assert list(table["state"]) == [
        "complete", "complete", "failed", "incomplete", "not started", "complete",
    ]  # fmt: skip
    assert [error for error in table["error"] if isinstance(error, str)] == ["ValueError: no luck"]
    floats = dict.fromkeys(("dropout", "lr", "val/acc", "test/acc", "train_seconds"), "float64")
    types = {name: str(dtype) for name, dtype in table.dtypes.items()}
    assert list(types) == [
        "run_id", "seed", "hidden_size", "bidirectional", "dropout", "lr", "state", "val/acc",
        "test/acc", "best_epoch", "epochs", "params", "train_seconds", "samples_per_s", "error",
        "folder",
    ]  # fmt: skip
    assert types == types | floats | {"seed": "int64", "hidden_size": "int64"}
    assert types == types | {"bidirectional": "bool", "best_epoch": "Int64", "params": "Int64"}
    assert list(table["params"].isna()) == [False, False, True, True, True, False]
    assert list(table["test/acc"].isna()) == [True, False, True, True, True, True]
    # A folder is given from where the sweep was named.
    started = table[table["state"] != "not started"]
    assert list(table["folder"].isna()) == list(table["state"] == "not started")
    paths = [Path(str(path)) for path in started["folder"]]
    assert [path.name for path in paths] == list(started["run_id"])
    assert all((path / "config.yaml").is_file() for path in paths)


def test_integers_and_booleans_with_a_gap_keep_their_types(tmp_path):
    whole = {"n": 3, "flag": True, "betas": [0.9, 0.99], "mixed": 1, "big": 2**70}
    sweep_of(tmp_path, [whole, {"betas": [0.8, 0.99], "mixed": "x", "big": 1}])
    table = load_sweep(tmp_path)
    types = {name: str(dtype) for name, dtype in table.dtypes.items()}
    assert (types["n"], types["flag"]) == ("Int64", "boolean")
    assert list(table["betas"]) == [(0.9, 0.99), (0.8, 0.99)]
    assert len(table.groupby("betas")) == 2
    assert list(table["mixed"]) == [1, "x"]
    assert list(table["big"]) == [2**70, 1]


def test_the_column_of_a_key_named_like_a_result_has_the_full_name(tmp_path):
    table = load_sweep(sweep_of(tmp_path, [{"model.params": n, "state": n} for n in (0, 1)]))
    assert list(table["model.params"]) == [0, 1] and list(table["params"]) == [1200, 1200]
    assert list(table["config.state"]) == [0, 1]


def test_curves_have_a_row_per_epoch_and_the_keys(folder):
    """A partial line, of an epoch that was being written, is left out."""
    curves = load_curves(folder)
    assert list(curves.columns) == [
        "run_id", "seed", "hidden_size", "bidirectional", "dropout", "lr", "epoch", "step",
        "train/lr", "train/loss", "val/acc",
    ]  # fmt: skip
    assert list(zip(curves["run_id"], curves["epoch"], strict=True)) == [
        ("d", 0), ("d", 1), ("c", 0), ("a", 0),
    ]  # fmt: skip
    assert str(curves["epoch"].dtype) == str(curves["hidden_size"].dtype) == "int64"
    assert list(curves["train/loss"]) == [2, 1, 3, 4]
    assert list(curves["val/acc"].isna()) == [True, False, False, False]


def test_without_pandas_the_error_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for load in (load_sweep, load_curves):
        with pytest.raises(ImportError, match=r"pip install 'seqsweep\[pandas\]'"):
            load(folder)


def test_the_columns_of_a_users_own_metrics_have_their_names(tmp_path):
    finish_own_runs(tmp_path)
    runs, curves = load_sweep(tmp_path), load_curves(tmp_path)
    assert list(runs["test_acc"][:2]) == [value("test_acc", 4, seed) for seed in (0, 1)]
    assert list(curves["train_loss"].isna()[:3]) == [True, False, False]
    assert list(curves["val_loss"][:3]) == [value("val_loss", 4, 0, epoch) for epoch in range(3)]
