"""A run on a data module of the user's own, which makes its splits in `setup`, can be used."""

import json
from pathlib import Path

import pytest

import seqsweep

MODULE = """
import torch
from their_modules import SplitData
from torch import nn
from torch.utils.data import TensorDataset, random_split


class Waves(SplitData):
    num_classes, input_size = 3, 2

    def prepare_data(self):
        draw = torch.Generator().manual_seed(0)
        y = torch.arange(90) % 3
        x = torch.randn(90, 7, 2, generator=draw) + 0.5 * y[:, None, None]
        self.whole = TensorDataset(x, torch.randint(2, 6, (90,), generator=draw), y)

    def setup(self, stage):
        self.parts = random_split(self.whole, [30, 25, 35])  # draws from the global generator

    def test_dataloader(self):
        part, _ = random_split(self.parts[2], [20, 15])  # goes on after the draws of `setup`
        return self.loader(part)


class Mean(nn.Module):
    def __init__(self, input_size, num_classes):
        super().__init__()
        self.fc = nn.Linear(input_size, num_classes)

    def forward(self, x, lengths):
        return self.fc(x.mean(1))  # reads the padding, too
"""
ALLOW = ("--allow", "waves.Waves", "--allow", "waves.Mean")


@pytest.fixture
def config(tmp_path, monkeypatch):
    (tmp_path / "waves.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["data=digits", "trainer.max_epochs=2", "trainer.accelerator=cpu", "logger=csv",
             "model.hidden_size=4", f"output_dir={tmp_path}/outputs"]  # fmt: skip
    return seqsweep.compose(words) | {"data": {"_target_": "waves.Waves"}}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["rnn", "own"])
def test_evaluate_gives_the_scores_of_the_record(command, config, tmp_path, model):
    config |= {"model": {"_target_": "waves.Mean"}} if model == "own" else {}
    record = seqsweep.train(config)
    for split in ("test", "val"):
        given = ("--split", split, "--out", "out.json", "--resamples", "0")
        done = command("evaluate", record["folder"], *ALLOW, *given)
        assert done.code == 0, done.err
        content = json.loads((tmp_path / "out.json").read_text())
        assert content["confusion"] == record["confusion"][split]
        assert content["metrics"]["accuracy"]["value"] == record["metrics"][f"{split}/acc"]
        loss = content["metrics"]["log_loss"]["value"]
        assert loss == pytest.approx(record["metrics"][f"{split}/loss"], rel=1e-5)
    named = "the run's data have only train, val, test; did you mean 'test'?"
    assert named in command("evaluate", record["folder"], *ALLOW, "--split", "tests").err
    assert "give --allow waves." in command("evaluate", record["folder"]).err


def test_explain_takes_the_first_batch_after_setup(command, config, tmp_path):
    folder = tmp_path / "conf" / "data"
    folder.mkdir(parents=True)
    (folder / "waves.yaml").write_text("_target_: waves.Waves")
    done = command("explain", "--config-dir", Path("conf"), "data=waves", "model.cell=gru")
    assert done.code == 0, done.err
    assert "(8, 7, 2)" in done.out and "(8, 3)" in done.out
