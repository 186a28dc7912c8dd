"""Runs on windows: a row for each window, intervals and comparisons by recording."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from prepared import prepared

import seqsweep
from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Splits
from seqsweep.data.tables import table
from seqsweep.data.transforms import TransformOptions
from seqsweep.extras.export.contents import metadata
from seqsweep.runs.record import read_record
from seqsweep.training.findings import recording_scores
from seqsweep.using.load import Inputs
from seqsweep.using.scores import evaluate

WINDOW, STRIDE = 8, 4


def write_recordings(path: Path, seed: int, by_row: bool = False) -> None:
    """Writes recordings of two classes, five riders and 20 to 30 steps."""
    rng = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "x", "label", "rider"])
        for n in range(20):
            for t in range(int(rng.integers(20, 31))):
                label = "ab"[(t > 11) if by_row else n % 2]
                x = rng.normal() + (label == "b") * 0.7
                table.writerow([f"r{n:02}", f"{x:.3f}", label, f"s{n // 4}"])


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Runs on windows of two sizes, for labels by recording and by row."""
    folder = tmp_path_factory.mktemp("windows")
    for name, by_row in (("whole", False), ("rows", True)):
        write_recordings(folder / f"{name}.csv", 0, by_row)
        write_recordings(folder / f"{name}_new.csv", 1, by_row)
        seqsweep.sweep(
            [
                "data=csv", f"data.source.path={folder}/{name}.csv", "model.hidden_size=4",
                "data.source.group=rider", f"data.transform.window={WINDOW},12",
                f"data.transform.stride={STRIDE}", "trainer.max_epochs=2", "optimizer.lr=0.05",
                f"sweep.name={name}", "seed=0,1", "sweep.report=false", "diagnostics=false",
                f"output_dir={folder}/outputs",
            ]
        )  # fmt: skip
    return folder


def runs_of(folder: Path, name: str, window: int = WINDOW) -> list[Path]:
    records = sorted((folder / "outputs" / "sweeps" / name).glob("*/record.json"))
    key = "data.transform.window"
    return [path.parent for path in records if read_record(path).config[key] == window]


@pytest.fixture
def run(folder) -> Path:
    return runs_of(folder, "whole")[0]


@pytest.mark.slow
def test_a_row_of_a_prediction_is_that_of_the_window_alone(folder, run, command):
    done = command("predict", run, folder / "whole_new.csv")
    rows = rows_of(done.out)
    given = rows_of((folder / "whole_new.csv").read_text())
    values = {
        n: [float(row["x"]) for row in given if row["id"] == n] for n in {r["id"] for r in rows}
    }
    spans = [(row["id"], int(row["first_step"]), int(row["last_step"])) for row in rows]
    assert spans == [
        (n, first, first + WINDOW - 1)
        for n, of in sorted(values.items())
        for first in range(0, len(of) - WINDOW + 1, STRIDE)
    ]
    alone = [np.array(values[n][first : last + 1])[:, None] for n, first, last in spans]
    loaded = seqsweep.load_run(run)
    found = [[float(row["p_a"]), float(row["p_b"])] for row in rows]
    assert np.allclose(loaded.predict_proba(alone), found, rtol=0, atol=1e-7)
    assert f"{len(rows)} windows of 20 recordings" in done.err


def test_a_bundle_cuts_files_as_its_run_does(folder, run, command):
    assert command("bundle", run, "--out", "a.zip").code == 0
    first, second = (command("predict", of, folder / "whole_new.csv") for of in (run, "a.zip"))
    assert first.out == second.out and first.code == 0


def test_an_exported_file_names_its_windows(run):
    named = metadata(seqsweep.load_run(run), {})
    assert (named["window"], named["stride"]) == (str(WINDOW), str(STRIDE))


def test_the_accuracy_by_recording_is_that_of_the_majority_of_its_windows(run, tmp_path):
    config = read_record(run / "record.json").config
    section = {k.removeprefix("data."): v for k, v in config.items() if k.startswith("data.")}
    transform: TransformOptions = {"window": WINDOW, "stride": STRIDE}
    source = table(section["source.path"], group="rider")
    splits = prepared(source, standardize=True, transform=transform)
    loaded, metrics = seqsweep.load_run(run), read_record(run / "record.json").metrics
    of_torch = loaded.config | {"engine": "autograd", "output_dir": str(tmp_path)}
    again = seqsweep.train(of_torch)["metrics"]
    for name in ("val", "test"):
        part = splits.parts[name]
        inputs = Inputs(*map(torch.from_numpy, (part.x, part.lengths)))
        probabilities = loaded.apply(inputs)
        right = list[bool]()
        for recording in np.unique(np.asarray(part.recordings)):
            mine = part.recordings == recording
            votes = Counter(probabilities[mine].argmax(axis=1).tolist())
            mean = probabilities[mine].mean(axis=0)
            most = max(range(2), key=lambda c: (votes[c], mean[c]))
            right.append(most == part.labels[mine][0])
        assert metrics[f"{name}/recording_acc"] == np.mean(right) and len(right) == 4
        assert again[f"{name}/recording_acc"] == np.mean(right)


def test_many_windows_outvote_a_sure_one():
    x = np.arange(12, dtype=np.float32).reshape(2, 6, 1)
    part = make_sequences(x, ["a", "b"])
    options: TransformOptions = {"window": 2}
    splits = prepared(Splits(part, test=part), val_fraction=0.0, transform=options)
    p = np.array([[0.51, 0.49], [0.51, 0.49], [0.01, 0.99]])
    logits = np.log(np.concatenate([p, p[:, ::-1]]))
    assert recording_scores(splits, lambda _: logits) == {"test/recording_acc": 1.0}


def test_windows_of_other_sizes_are_compared_by_recording_or_not_at_all(folder, command):
    done = command("leaderboard", folder / "outputs" / "sweeps" / "whole", "--json")
    board = json.loads(done.out)["sets"][0]
    assert (board["monitor"], board["score"]) == ("val/recording_acc", "test/recording_acc")
    assert "difference" in board["configs"][1]
    printed = command("leaderboard", folder / "outputs" / "sweeps" / "whole").out
    assert "configs with other windows are compared by recording" in printed
    done = command("leaderboard", folder / "outputs" / "sweeps" / "rows", "--json")
    board = json.loads(done.out)["sets"][0]
    assert (board["monitor"], board["score"]) == ("val/acc", "test/acc")
    assert "difference" not in board["configs"][1]


def test_scores_with_labels_by_row_have_intervals_over_groups(folder, command):
    run = runs_of(folder, "rows")[0]
    own = json.loads(command("evaluate", run, "--json").out)
    assert own["units"] == 1 and own["sequences"] > 10
    assert (
        own["metrics"]["accuracy"]["value"] == read_record(run / "record.json").metrics["test/acc"]
    )
    assert "no intervals, because one recording or group decides\n" in command("evaluate", run).out
    new = json.loads(command("evaluate", run, folder / "rows_new.csv", "--json").out)
    assert new["units"] == 5 and 4.5 < new["effective_units"] < 5
    assert "low" in new["metrics"]["accuracy"] and "low" not in new["metrics"]["macro_f1"]
    done = command("predict", run, folder / "rows_new.csv")
    right = [row["prediction"] == row["label"] for row in rows_of(done.out)]
    assert new["metrics"]["accuracy"]["value"] == pytest.approx(np.mean(right))


def test_windows_without_a_label_do_not_count_in_the_accuracy(folder, command, tmp_path):
    lines = (folder / "rows_new.csv").read_text().splitlines()
    lines = [line.replace(",a,s0", ",,s0") for line in lines]
    (tmp_path / "part.csv").write_text("\n".join(lines))
    done = command("predict", runs_of(folder, "rows")[0], "part.csv")
    rows = [row for row in rows_of(done.out) if row["label"]]
    assert 0 < len(rows) < len(rows_of(done.out)), done.err
    right = np.mean([row["prediction"] == row["label"] for row in rows])
    assert f"; accuracy {right:.4f}" in done.err


def test_equal_windows_of_a_recording_count_once():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    of = np.repeat(np.arange(40), 7)
    once = evaluate(p, labels, ("a", "b", "c"), resamples=50, units=np.arange(40))
    often = evaluate(p[of], labels[of], ("a", "b", "c"), resamples=50, units=of)
    for name, score in once.metrics.items():
        assert often.metrics[name] == pytest.approx(score, abs=1e-9), name
    for name, scores in once.classes.items():
        for key, score in scores.items():
            assert often.classes[name][key] == pytest.approx(score, abs=1e-9), (name, key)
