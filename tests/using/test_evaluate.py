"""The scores of a run equal its record's and scikit-learn's, wherever the labels come from."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import seqsweep
from seqsweep.runs.run_folder import RunFolder


@pytest.fixture
def labelled(trained, tmp_path):
    x, y, lengths = trained.test_data()
    path = tmp_path / "test.npz"
    np.savez(path, X=x, y=y, lengths=lengths)
    return path


def evaluated(command, tmp_path, *arguments):
    done = command("evaluate", *arguments, "--out", "out.json", "--resamples", "50")
    assert done.code == 0, done.err
    return json.loads((tmp_path / "out.json").read_text()), done


def test_the_own_test_split_gives_the_scores_of_the_record(command, trained, tmp_path, labelled):
    record = RunFolder(trained.run).record()
    assert record is not None
    of_file, _ = evaluated(command, tmp_path, trained.run, labelled)
    own, done = evaluated(command, tmp_path, trained.run)
    assert own["metrics"] == of_file["metrics"]
    for content in (of_file, own):
        metrics = {name: score["value"] for name, score in content["metrics"].items()}
        assert metrics["accuracy"] == record.metrics["test/acc"]
        assert metrics["macro_f1"] == record.metrics["test/f1"]
        assert metrics["log_loss"] == pytest.approx(record.metrics["test/loss"], rel=1e-6)
        assert content["confusion"] == record.confusion["test"]
    assert f"{trained.run} (test): 45 sequences" in done.out
    validation, _ = evaluated(command, tmp_path, trained.run, "--split", "val")
    assert validation["metrics"]["accuracy"]["value"] == record.metrics["val/acc"]


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A run on twelve classes with the names 1 to 12, which texts have in another order."""
    folder = tmp_path_factory.mktemp("numbered")
    rng = np.random.default_rng(0)
    y = np.append(np.arange(240) % 12, rng.integers(0, 12, 60)) + 1
    x = rng.normal(size=(300, 4, 2)) + np.stack([y % 4, y // 4], axis=1)[:, None]
    np.savez(folder / "mine.npz", X=x, y=y)
    record = seqsweep.train(
        seqsweep.compose(
            [
                "data=npz", f"data.source.path={folder}/mine.npz", f"output_dir={folder}",
                "optimizer.lr=0.05", "trainer.max_epochs=5", "logger=csv", "diagnostics=false",
            ]
        )
    )  # fmt: skip
    return Path(record["folder"]), x, y


def test_numbers_as_classes_are_scored_as_by_hand(command, numbered, tmp_path):
    """Eleven classes or more have another order as texts: 1, 10, 11, 12, 2."""
    folder, x, y = numbered
    run = seqsweep.load_run(folder)
    assert run.class_names == tuple(map(str, range(1, 13)))
    predicted = run.predict_proba(x).argmax(1) + 1
    confusion = np.zeros((12, 12), dtype=int)
    np.add.at(confusion, (y - 1, predicted - 1), 1)
    assert 0.5 < np.mean(predicted == y) < 1
    np.savez(tmp_path / "new.npz", X=x, y=y)
    for content in (
        evaluated(command, tmp_path, folder, "new.npz")[0],
        run.evaluate(x, list(map(str, y)), resamples=0).as_json(),
    ):
        assert content["metrics"]["accuracy"]["value"] == np.mean(predicted == y)
        assert content["confusion"] == confusion.tolist()
    done = command("predict", folder, "new.npz", "--out", "made.csv")
    assert f"accuracy {np.mean(predicted == y):.4f}" in done.err
    with (tmp_path / "made.csv").open() as file:
        for row, expected in zip(csv.DictReader(file), predicted, strict=True):
            likeliest = max(run.class_names, key=lambda name: float(row[f"p_{name}"]))
            assert row["prediction"] == likeliest == str(expected)


def test_the_terminal_shows_scores_classes_and_confusion(command, trained, tmp_path, labelled):
    content, done = evaluated(command, tmp_path, trained.run, labelled)
    score = content["metrics"]["accuracy"]
    shown = rf"accuracy +{score['value']:.4f} +\[{score['low']:.4f}, {score['high']:.4f}\]"
    assert re.search(shown, done.out)
    assert "ROC AUC" in done.out and "calibration error" in done.out
    for index, name in enumerate(trained.classes):
        assert re.search(rf"^{name} +\d\.\d{{3}} .* +15 *$", done.out, re.MULTILINE)
        cells = [str(number or ".") for number in content["confusion"][index]]
        assert re.search(rf"^{name} +{' +'.join(map(re.escape, cells))} *$", done.out, re.MULTILINE)


def test_python_evaluates_as_the_command_does(command, trained, tmp_path, labelled):
    content, _ = evaluated(command, tmp_path, trained.run, labelled)
    x, y, lengths = trained.test_data()
    run = seqsweep.load_run(trained.run)
    result = run.evaluate(x, y, lengths, resamples=50)
    assert result.as_json()["metrics"] == content["metrics"]
    assert content["intervals"] == {"level": 0.95, "resamples": 50, "seed": 0}
    assert run.evaluate(x, y, lengths, resamples=50, seed=1).metrics != result.metrics
    positions = [run.class_names.index(name) for name in y]
    assert run.evaluate(x, positions, lengths, 50).metrics == result.metrics


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["odd"] * 45, r"labels: sequence 0 has label 'odd'; must be one of fall, rise, still"),
        ([0] * 44, "labels: expected 45, got 44"),
    ],
)
def test_wrong_labels_are_refused_in_python(trained, labels, message):
    x, _, lengths = trained.test_data()
    with pytest.raises(ValueError, match=message):
        seqsweep.load_run(trained.run).evaluate(x, labels, lengths)


def test_the_file_of_the_training_is_named(command, trained, tmp_path, labelled):
    file = trained.folder / "train.npz"
    line = "the run was trained on this file, so scores on it are optimistic"
    shutil.copy(file, tmp_path / "copy.npz")
    fast = ("--resamples", "0")
    for path in (file, "copy.npz"):
        done = command("evaluate", trained.run, path, "--split", "train", *fast)
        assert f"{path}: {line}" in done.err
        assert "in brackets" not in done.out, "without resamples there are no intervals"
        assert f"{path}: {line}" in command("predict", trained.run, path, "--split", "train").err
    for other in ([file], [labelled], ["copy.npz", "--split", "test"]):
        assert line not in command("evaluate", trained.run, *other, *fast).err
