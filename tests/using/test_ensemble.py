"""One answer of all seeds: the mean of their probabilities, of equal runs alone."""

import json

import numpy as np
import pytest
from made_sweeps import finish_run

import seqsweep
from seqsweep.errors import FolderError
from seqsweep.using.find_run import find_seeds


@pytest.fixture
def labelled(trained, tmp_path):
    x, y, lengths = trained.test_data()
    np.savez(tmp_path / "test.npz", X=x, y=y, lengths=lengths)
    return tmp_path / "test.npz"


def test_the_ensemble_is_the_mean_of_the_seeds_in_python_and_in_both_commands(
    command, trained, labelled
):
    x, y, lengths = trained.test_data()
    rank = 2
    entries, _ = find_seeds(trained.sweep, rank)
    runs = [seqsweep.load_run(entry.folder.path) for entry in entries]
    each = np.array([run.predict_proba(x, lengths) for run in runs])
    ensemble = seqsweep.load_ensemble(trained.sweep, config=rank)
    assert [run.config["seed"] for run in ensemble.members] == [0, 1]
    assert np.abs(ensemble.predict_proba(x, lengths) - each.mean(axis=0)).max() < 1e-12
    right = np.array(trained.classes)[each.mean(axis=0).argmax(axis=1)] == y
    chosen = trained.sweep, labelled, "--ensemble", "--config", str(rank), "--json"
    told = json.loads(command("predict", *chosen).out)
    assert told["accuracy"] == right.mean() and len(told["members"]) == 2
    first = [told["predictions"][0][f"p_{name}"] for name in trained.classes]
    assert np.abs(first - each.mean(axis=0)[0]).max() < 1e-6
    told = json.loads(command("evaluate", *chosen, "--resamples", "0").out)
    assert told["metrics"]["accuracy"]["value"] == right.mean()
    alone = (np.array(trained.classes)[each.argmax(axis=2)] == y).mean(axis=1)
    assert told["mean_of_seeds"]["mean"] == pytest.approx(alone.mean(), abs=1e-12)
    own = json.loads(command("evaluate", *chosen[:1], *chosen[2:], "--resamples", "0").out)
    assert own["metrics"] == told["metrics"]
    shown = command("evaluate", trained.sweep, "--ensemble", "--config", str(rank))
    assert f"  mean of 2 seeds  {alone.mean():.4f}" in shown.out
    with pytest.raises(ValueError, match="cannot be used step by step"):
        ensemble.stream()


@pytest.mark.parametrize(
    ("varied", "message"),
    [
        ({"data.fold": 1}, "the runs of the config differ in data.fold, so one run would be"),
        ({"train": "another"}, "differ in data, so one"),
        (None, "has one run of the config; an ensemble needs several seeds"),
    ],
)
def test_runs_on_other_splits_are_no_members(tmp_path, varied, message):
    for number, changed in enumerate(({}, varied)):
        if changed is not None:
            config = {"data.fold": 0, "data.split_seed": 0, "seed": number, "val/acc": 0.9}
            config |= {key: value for key, value in changed.items() if key != "train"}
            train = {"train": {"fingerprint": changed.get("train", "the same")}}
            finish_run(tmp_path / f"{number:016x}", config, splits=train)
    with pytest.raises(FolderError, match=message):
        seqsweep.load_ensemble(tmp_path)


def test_wrong_words_cost_one_line(command, trained):
    for words, message in (
        (["--config", "2"], "--config=2: needs --ensemble or --importance"),
        (["--ensemble", "--config", "3"], f"--config=3: {trained.sweep} has only 2 configs"),
        (["--ensembel"], "no such option of seqsweep evaluate; did you mean '--ensemble'"),
    ):
        done = command("evaluate", trained.sweep, *words)
        assert (done.code, done.err.count("\n")) == (2, 1) and message in done.err
