"""A LightningModule of a user's own is trained on targets; our networks refuse them."""

from pathlib import Path

import numpy as np
import pytest
from hooked import Hooked
from run_files import assert_equal, result

import seqsweep
from seqsweep.training.planned_run import plan
from seqsweep.training.resume import forget_finished_runs
from seqsweep.training.train import train, train_together

MINE = Path(__file__).parents[1] / "seams/mine"  # its regression.py is that of docs/extend.md


@pytest.fixture
def compose(tmp_path, monkeypatch):
    """Composes a run on arrays with two targets, or with classes, by default of a regression."""
    monkeypatch.syspath_prepend(MINE)
    x = np.random.default_rng(0).normal(size=(40, 5, 3))
    np.savez(tmp_path / "targets.npz", X=x, target=x.mean(axis=1)[:, :2])
    np.savez(tmp_path / "classes.npz", X=x, y=np.arange(40) % 2)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/own.yaml").write_text("_target_: regression.Regressor\nhidden: 4\n")

    def call(file, *words):
        data = ("data=npz", f"data.source.path={tmp_path / file}.npz", f"output_dir={tmp_path}")
        own = (f"hydra.searchpath=[{tmp_path}]", "trainer=cpu", "trainer.max_epochs=3")
        return seqsweep.compose([*data, *own, *(words or ("model=own", "monitor=val/rmse"))])

    return call


@pytest.mark.slow
def test_a_module_gets_its_width_and_an_interrupted_run_ends_equal(compose, at, killed, tmp_path):
    run = plan(compose("targets"))
    assert run.config["model"]["num_targets"] == 2
    whole = train(run, tmp_path / "whole").folder.path
    forget_finished_runs()
    with pytest.raises(killed):
        train_together(Hooked(run, tmp_path / "killed", at("on_train_epoch_end", 2)))
    assert_equal(result(train(run, tmp_path / "killed").folder.path), result(whole))
    with pytest.raises(ValueError, match="num_targets is missing: the data have no targets"):
        plan(compose("classes"))


@pytest.mark.parametrize("words", [("targets",), ("classes", "data.per_step=true")])
def test_a_network_of_ours_names_the_page_in_one_line(compose, words):
    with pytest.raises(ValueError, match="RNNClassifier: classifies whole sequences") as error:
        plan(compose(*words, "model=rnn"))
    said = str(error.value)
    assert said.endswith("docs/extend.md, Numbers to predict") and "\n" not in said
