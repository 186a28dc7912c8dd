"""Predictions equal those of the network, in each format, whatever the form of the data."""

import csv
import json
import shutil

import numpy as np
import pyarrow.parquet
import pytest
import torch

import seqsweep
from seqsweep.training.checkpoints import load_sealed, save_sealed
from seqsweep.using.find_run import find_run


def rows_of(text):
    return list(csv.DictReader(text.splitlines()))


def expected_probabilities(trained, x, lengths):
    """The probabilities that torch gives for each sequence alone."""
    run = seqsweep.load_run(trained.run)
    rows = []
    for row, length in zip(x, lengths, strict=True):
        with torch.inference_mode():
            logits = run.network(*run.prepare(row[None, :length]))
        rows.append(torch.softmax(logits, dim=1)[0].numpy())
    return np.array(rows)


def test_a_row_has_the_id_the_class_and_the_probabilities(command, trained, new_data):
    done = command("predict", trained.run, new_data)
    assert done.code == 0, done.err
    rows = rows_of(done.out)
    assert list(rows[0]) == ["id", "prediction", "p_fall", "p_rise", "p_still"]
    assert [row["id"] for row in rows] == [f"s{i}" for i in range(10)]
    with np.load(new_data) as stored:
        expected = expected_probabilities(trained, stored["X"], stored["lengths"])
    found = np.array([[float(row[f"p_{name}"]) for name in trained.classes] for row in rows])
    assert np.allclose(found, expected, atol=1e-6)
    assert [row["prediction"] for row in rows] == [
        trained.classes[i] for i in expected.argmax(axis=1)
    ]
    assert done.err == f"seqsweep: {new_data}: 10 sequences\n"


def test_formats_hold_the_same_rows(command, trained, tmp_path):
    x, y, lengths = trained.test_data()
    np.savez("data.npz", X=x, y=y, lengths=lengths)
    for ending in ("csv", "parquet", "jsonl"):
        done = command("predict", trained.run, "data.npz", "--out", f"p.{ending}")
        assert done.code == 0 and done.out == ""
        assert f"45 sequences in p.{ending}; accuracy 0." in done.err
    of_csv = rows_of((tmp_path / "p.csv").read_text())
    of_jsonl = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    of_parquet = pyarrow.parquet.read_table("p.parquet").to_pylist()
    assert len(of_csv) == len(of_jsonl) == len(of_parquet) == 45
    for one, other, third in zip(of_csv, of_jsonl, of_parquet, strict=True):
        assert list(one) == list(other) == list(third)
        assert int(one["id"]) == other["id"] == third["id"]
        assert one["label"] == other["label"] == third["label"]
        assert one["prediction"] == other["prediction"] == third["prediction"]
        for name in trained.classes:
            value = np.float32(one[f"p_{name}"])
            assert value == np.float32(other[f"p_{name}"]) == np.float32(third[f"p_{name}"])
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("size", [1, 7, 500])
def test_the_batch_size_changes_no_prediction(command, trained, new_data, size):
    rows = rows_of(command("predict", trained.run, new_data, "--batch-size", str(size)).out)
    whole = rows_of(command("predict", trained.run, new_data).out)
    assert [row["prediction"] for row in rows] == [row["prediction"] for row in whole]
    assert np.allclose(
        [float(row["p_rise"]) for row in rows], [float(row["p_rise"]) for row in whole], atol=1e-6
    )


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([7, 5], [7, 5]),
        ([b"a", b"b"], ["a", "b"]),
        (np.array(["2020-01-02", "2021-01-01"], "datetime64[D]"), ["2020-01-02", "2021-01-01"]),
    ],
)
def test_ids_of_any_type_are_written(command, trained, tmp_path, ids, expected):
    data = trained.make_data(2, 2)
    np.savez("ids.npz", X=data["X"], lengths=data["lengths"], ids=ids)
    for ending in ("jsonl", "parquet", "csv"):
        assert command("predict", trained.run, "ids.npz", "--out", f"p.{ending}").code == 0
    lines = (tmp_path / "p.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == expected
    assert pyarrow.parquet.read_table("p.parquet")["id"].to_pylist() == expected
    assert [row["id"] for row in rows_of((tmp_path / "p.csv").read_text())] == list(
        map(str, expected)
    )


def test_one_split_of_a_file_is_chosen(command, trained):
    source = trained.folder / "train.npz"
    done = command("predict", trained.run, source)
    assert f"{source} (test): 45 sequences" in done.err
    done = command("predict", trained.run, source, "--split", "train")
    assert f"{source} (train): 60 sequences" in done.err
    assert len(rows_of(done.out)) == 60


def test_a_class_that_the_run_does_not_know_is_kept_as_label(command, trained):
    data = trained.make_data(4, 2)
    np.savez("other.npz", X=data["X"], y=["fall", "odd", "rise", "odd"])  # all of one length
    rows = rows_of(command("predict", trained.run, "other.npz").out)
    assert [row["label"] for row in rows] == ["fall", "odd", "rise", "odd"]


def test_whole_numbers_are_positions_in_the_class_names(command, trained):
    x, y, lengths = trained.test_data()
    positions = [trained.classes.index(name) for name in y]
    np.savez("named.npz", X=x, y=y, lengths=lengths)
    np.savez("counted.npz", X=x, y=positions, lengths=lengths)
    expected = command("predict", trained.run, "named.npz").out
    assert command("predict", trained.run, "counted.npz").out == expected
    turned = [("still", "rise", "fall").index(name) for name in y]
    order = np.array(["still", "rise", "fall"])  # the file's own order wins
    np.savez("turned.npz", X=x, y=turned, lengths=lengths, class_names=order)
    assert command("predict", trained.run, "turned.npz").out == expected


def test_the_best_run_of_a_sweep_by_validation_is_taken_and_said(command, trained, new_data):
    done = command("predict", trained.sweep, new_data)
    chosen = find_run(trained.sweep)[0]
    assert f"{chosen}: best by val/acc of 4 complete runs (hidden_size=" in done.err
    assert done.out == command("predict", chosen, new_data).out


def test_checkpoint_files_and_last_weights(command, trained, new_data, tmp_path):
    best = command("predict", trained.run, new_data).out
    last = command("predict", trained.run, new_data, "--checkpoint", "last").out
    shutil.copy(trained.run / "checkpoints" / "best.ckpt", tmp_path / "mine.ckpt")
    assert command("predict", "mine.ckpt", new_data).out == best
    shutil.copy(trained.run / "checkpoints" / "last.ckpt", tmp_path / "mine.ckpt")
    assert command("predict", "mine.ckpt", new_data).out == last


def test_an_output_that_fails_leaves_the_older_file(command, trained, new_data, tmp_path):
    (tmp_path / "p.csv").write_text("older")
    with np.load(new_data) as stored:
        x = stored["X"].copy()
        x[9, 0, 0] = np.nan
        np.savez("holes.npz", X=x, lengths=stored["lengths"])
    done = command("predict", trained.run, "holes.npz", "--out", "p.csv", "--batch-size", "4")
    assert done.code == 2
    assert "holes.npz, sequences 8 to 9 (counted from 8): x: 1 value is missing" in done.err
    assert (tmp_path / "p.csv").read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holes.npz", "new.npz", "p.csv"]


def test_python_predicts_as_the_command_does(command, trained, new_data):
    rows = rows_of(command("predict", trained.run, new_data).out)
    run = seqsweep.load_run(trained.run)
    with np.load(new_data) as stored:
        x, lengths = stored["X"], stored["lengths"]
    as_list = [row[:length] for row, length in zip(x, lengths, strict=True)]
    assert run.predict(as_list).tolist() == [row["prediction"] for row in rows]
    p = run.predict_proba(as_list)
    assert p.shape == (10, 3) and np.allclose(p.sum(axis=1), 1)
    assert np.allclose(p[:, 0], [float(row["p_fall"]) for row in rows], atol=1e-6)


@pytest.fixture
def hostile(trained, tmp_path):
    """A checkpoint with names of classes that are formulas and control a terminal."""
    content = load_sealed(trained.run / "checkpoints" / "best.ckpt")
    content["class_names"] = ["=cmd|' /C calc'!A0", "-1", "a\x1b[2J\rb"]
    save_sealed(content, tmp_path / "hostile.ckpt")
    return tmp_path / "hostile.ckpt"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_no_name_controls_the_terminal(command, trained, hostile, kind):
    x, _, lengths = trained.test_data()
    labels = np.array(["-1", "a\x1b[2J\rb", "=cmd|' /C calc'!A0"])[np.arange(len(x)) % 3]
    np.savez("data.npz", X=x, y=labels, lengths=lengths)
    for arguments in (("predict", hostile, "data.npz", "--format", kind),
                      ("evaluate", hostile, "data.npz", "--resamples", "0")):  # fmt: skip
        done = command(*arguments)
        assert done.code == 0
        assert not set("\x1b\r") & set(done.out + done.err)
        assert "[2J" in done.out


def test_a_spreadsheet_runs_no_cell_of_a_csv_file(command, trained, hostile, tmp_path):
    x, _, lengths = trained.test_data()
    ids = ["=1+1", "+1", "-x", "@SUM(A1)", "\tx", "-1.5e3", "a=b", "'=x", *map(str, range(37))]
    labels = np.array(["-1", "a\x1b[2J\rb", "=cmd|' /C calc'!A0"])[np.arange(len(x)) % 3]
    np.savez("data.npz", X=x, y=labels, ids=ids, lengths=lengths)
    assert command("predict", hostile, "data.npz", "--out", "p.csv").code == 0
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:9]] == [
        *("'=1+1", "+1", "'-x", "'@SUM(A1)", "'\tx", "-1.5e3", "a=b", "'=x")
    ]
    names = {"'=cmd|' /C calc'!A0", "-1", "a\x1b[2J\\rb"}
    assert {row[-1] for row in rows[1:]} == names
    assert {row[1] for row in rows[1:]} <= names
    assert rows[0][2:5] == [f"p_{name}" for name in ("=cmd|' /C calc'!A0", "-1", "a\x1b[2J\\rb")]
