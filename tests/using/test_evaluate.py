"""The scores of a run equal its record's and scikit-learn's, wherever the labels come from."""

import json
import re
import shutil

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
    with pytest.raises(ValueError, match=r"^labels: sequence 0 has label 'odd'; must be one of"):
        run.evaluate(x, ["odd"] * 45, lengths)


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
