"""Predictions equal those of the network, in each format, whatever the form of the data."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch
from made_sweeps import sweep_of

import seqsweep
from seqsweep.runs.files import temporary_name
from seqsweep.training.checkpoint_files import load_sealed, save_sealed
from seqsweep.using.find_run import find_run
from seqsweep.using.prediction_files import write_table

OTHER_VALUES = "other values than in training; check units and sensors: channel"


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
    best = expected.argmax(axis=1)
    assert [row["prediction"] for row in rows] == [trained.classes[i] for i in best]
    assert done.err == f"seqsweep: {new_data}: 10 sequences\n"
    # Python predicts as the command does.
    run = seqsweep.load_run(trained.run)
    with np.load(new_data) as stored:
        pairs = zip(stored["X"], stored["lengths"], strict=True)
        as_list = [row[:length] for row, length in pairs]
    assert run.predict(as_list).tolist() == [row["prediction"] for row in rows]
    assert np.allclose(run.predict_proba(as_list), found, atol=1e-6)


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
        for key in ("label", "prediction"):
            assert one[key] == other[key] == third[key]
        for name in trained.classes:
            value = np.float32(one[f"p_{name}"])
            assert value == np.float32(other[f"p_{name}"]) == np.float32(third[f"p_{name}"])
    assert list(tmp_path.glob(".*")) == []


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
    # A class that the run does not know is kept as the label.
    names = ["fall", "odd", "rise", "odd"]
    np.savez("other.npz", X=x[:4], y=names, lengths=lengths[:4])
    rows = rows_of(command("predict", trained.run, "other.npz").out)
    assert [row["label"] for row in rows] == names
    # Classes with numbers as names are meant by these, not by their positions.
    content = load_sealed(trained.run / "checkpoints" / "best.ckpt")
    save_sealed(content | {"class_names": ["0", "2", "1"]}, Path("numbers.ckpt"))
    rows = rows_of(command("predict", "numbers.ckpt", "counted.npz").out)
    assert [int(row["label"]) for row in rows] == positions


def test_the_best_run_of_a_sweep_by_validation_is_taken(command, trained, new_data, tmp_path):
    done = command("predict", trained.sweep, new_data)
    chosen = find_run(trained.sweep)[0]
    assert f"{chosen}: best by val/acc of 4 complete runs (hidden_size=" in done.err
    assert done.out == command("predict", chosen, new_data).out
    # A copy of a checkpoint predicts what its run does, and so do the last weights.
    for name in ("best", "last"):
        shutil.copy(chosen / "checkpoints" / f"{name}.ckpt", tmp_path / "mine.ckpt")
        given = command("predict", chosen, new_data, "--checkpoint", name)
        assert command("predict", "mine.ckpt", new_data).out == given.out


def test_a_link_under_the_temporary_name_of_predictions_is_not_followed(tmp_path, monkeypatch):
    """The file is not built in memory, so it has a writer of its own."""
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.write_text("of another")
    folder.mkdir()
    monkeypatch.setattr("os.urandom", bytes)  # the name is known for once
    Path(temporary_name(folder / "p.csv")).symlink_to(outside)
    with pytest.raises(FileExistsError):
        write_table(folder / "p.csv", "csv", [])
    assert outside.read_text() == "of another"


def test_an_output_that_fails_leaves_the_older_file(command, trained, new_data, tmp_path):
    (tmp_path / "p.csv").write_text("older")
    with np.load(new_data) as stored:
        x = stored["X"].copy()
        x[9, 0, 0] = np.nan
        np.savez("holes.npz", X=x, lengths=stored["lengths"])
    done = command("predict", trained.run, "holes.npz", "--out", "p.csv", "--batch-size", "4")
    assert done.code == 2
    assert "holes.npz: x: 1 missing value (NaN); the first is in sequence 9, step 0" in done.err
    assert (tmp_path / "p.csv").read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holes.npz", "new.npz", "p.csv"]


@pytest.fixture
def hostile(trained, tmp_path):
    """A checkpoint and data with names that are formulas and control a terminal."""
    content = load_sealed(trained.run / "checkpoints" / "best.ckpt")
    content["class_names"] = ["=cmd|' /C calc'!A0", "-1", "a\x1b[2J\rb"]
    save_sealed(content, tmp_path / "hostile.ckpt")
    x, _, lengths = trained.test_data()
    labels = np.array(["-1", "a\x1b[2J\rb", "=cmd|' /C calc'!A0"])[np.arange(len(x)) % 3]
    ids = ["=1+1", "+1", "-x", "@SUM(A1)", "\tx", "-1.5e3", "a=b", "'=x", *map(str, range(37))]
    np.savez(tmp_path / "data.npz", X=x, y=labels, ids=ids, lengths=lengths)
    return tmp_path / "hostile.ckpt"


def test_no_name_controls_the_terminal(command, hostile):
    for words in ("predict", "predict --format jsonl", "evaluate --resamples 0"):
        verb, *options = words.split()
        done = command(verb, hostile, "data.npz", *options)
        assert done.code == 0
        assert not set("\x1b\r") & set(done.out + done.err)
        assert "[2J" in done.out


def test_a_spreadsheet_runs_no_cell_of_a_csv_file(command, hostile, tmp_path):
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


def test_the_lowest_loss_is_the_best_and_none_of_several_data_sets(tmp_path):
    sweep_of(
        tmp_path / "losses", {"monitor": ["val/loss"]}, 3,
        lambda c: {"val/loss": (0.5, 0.2, 0.3)[c["seed"]]},
    )  # fmt: skip
    path, choice = find_run(tmp_path / "losses")
    assert path.name == f"{1:016x}"
    assert str(choice).startswith("best by val/loss of 3 complete runs (seed=")
    for data, accuracies in (("digits", [0.9]), ("order", [0.5, 0.6])):
        target = {"data.source._target_": [f"seqsweep.data.{data}"], "val/acc": accuracies}
        sweep_of(tmp_path, target, 1, data_fingerprint=data)
    with pytest.raises(ValueError, match="have 2 data sets, whose scores cannot be") as error:
        find_run(tmp_path)
    assert f"digits: {tmp_path / f'{0:016x}'}; order: {tmp_path / f'{2:016x}'}" in str(error.value)


def test_a_channel_of_other_values_is_named_once(command, trained, tmp_path):
    x, y, lengths = trained.test_data()
    for name, values in (("right", x), ("wrong", x * [1, 1000])):
        np.savez(tmp_path / f"{name}.npz", X=values, y=y, lengths=lengths)
    for used in ("predict", "evaluate"):
        assert OTHER_VALUES not in command(used, trained.run, "right.npz").err
        told = command(used, trained.run, "wrong.npz", "--batch-size", "20")
        assert told.code == 0
        assert told.err.count(f"seqsweep: wrong.npz: {OTHER_VALUES} 'right' (") == 1


@pytest.mark.slow
def test_another_sampling_rate_is_named(command, tmp_path):
    rng = np.random.default_rng(0)
    rows = ["id,time,a,label"]
    for n in range(20):
        for t in range(12):
            rows.append(f"r{n},2024-01-01 00:00:{2 * t:02},{rng.normal():.3f},{'xy'[n % 2]}")
    (tmp_path / "all.csv").write_text("\n".join(rows))
    (tmp_path / "half.csv").write_text("\n".join([rows[0], *rows[1::2]]))
    seqsweep.train(
        [
            "data=csv", f"data.source.path={tmp_path}/all.csv", "model.hidden_size=4",
            "trainer.max_epochs=1", f"output_dir={tmp_path}/out", "name=run",
        ]
    )  # fmt: skip
    (run,) = (tmp_path / "out" / "runs" / "run").iterdir()
    assert command("bundle", run, "--out", "a.zip").code == 0
    for of in (run, "a.zip"):
        for used in ("predict", "evaluate"):
            assert "check" not in command(used, of, "all.csv").err
            line = "half.csv: a step is 4, in training 2; check the sampling rate\n"
            assert command(used, of, "half.csv").err.count(line) == 1
