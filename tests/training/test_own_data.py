"""A plain LightningDataModule trains, and what it lacks is named before anything starts."""

import json
from pathlib import Path

import pytest
import torch

import seqsweep
from seqsweep.errors import RunFailed
from seqsweep.training.user_code import with_code

MODULE = '''\
import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset


class My(L.LightningDataModule):
    """Sequences of two channels whose class is in their mean."""

    num_classes = 3
    input_size = 2

    def __init__(self, path: str | None = None, shift: float = 0.0) -> None:
        super().__init__()
        self.shift = shift

    def loader(self, seed: int, shuffle: bool = False) -> DataLoader:
        draw = torch.Generator().manual_seed(seed)
        y = torch.randint(3, (40,), generator=draw)
        x = torch.randn(40, 7, 2, generator=draw) + y[:, None, None] + self.shift
        lengths = torch.randint(2, 8, (40,), generator=draw)
        return DataLoader(TensorDataset(x, lengths, y), 8, shuffle=shuffle)

    def train_dataloader(self):
        return self.loader(0, shuffle=True)

    def val_dataloader(self):
        return self.loader(1)

    def test_dataloader(self):
        return self.loader(2)


class Named(My):
    @property
    def fingerprint(self):
        return "rows of May"


class NoSizes(L.LightningDataModule):
    def train_dataloader(self):
        return []


class Dicts(My):
    def train_dataloader(self):
        return DataLoader([{"x": torch.zeros(7, 2), "y": 0}] * 8, 4)


class NotAModule:
    num_classes = input_size = 2
'''


@pytest.fixture
def config(tmp_path, monkeypatch):
    (tmp_path / "dm.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)

    def call(name: str = "My", *overrides: str, **arguments: object):
        shared = ["trainer.max_epochs=2", "trainer.accelerator=cpu", "model.hidden_size=4"]
        words = ["data=digits", f"output_dir={tmp_path}/outputs", *shared, *overrides]
        return seqsweep.compose(words) | {"data": {"_target_": f"dm.{name}", **arguments}}

    return call


def test_a_plain_data_module_trains_by_autograd_and_can_be_loaded(config):
    record = seqsweep.train(config("Named"))
    assert record["status"] == "complete"
    assert {"val/acc", "test/acc"} <= record["metrics"].keys()
    assert record["classes"] == ["0", "1", "2"]
    assert not {"splits", "num_train", "samples_per_s"} & record.keys()
    folder = Path(record["folder"])
    assert json.loads((folder / "provenance.json").read_text())["engine"] == "autograd"
    run = seqsweep.load_run(folder)
    assert (run.class_names, run.channel_names) == (("0", "1", "2"), ("channel_0", "channel_1"))
    with pytest.raises(ValueError, match=r"holds no scaling; dm\.Named prepares its sequences"):
        run.predict(torch.zeros(1, 3, 2))


def run_id(config):
    return Path(seqsweep.train(config)["folder"]).name


@pytest.mark.slow
def test_arguments_stand_for_the_data_or_a_fingerprint_stands_for_its_path(config):
    plain = [run_id(config("My", path=path)) for path in (None, "a.npy", "b.npy")]
    assert len(set(plain)) == 3
    record = seqsweep.train(config("Named", path="a.npy"))
    assert record["data_fingerprint"] == record["recordings"] == "rows of May"
    code = with_code({"data": config("My")["data"]})
    assert seqsweep.train(config("My"))["recordings"] == code["code"]  # without a network's code
    assert run_id(config("Named", path="b.npy")) == record["run_id"]
    assert run_id(config("Named", path="b.npy", shift=1.0)) != record["run_id"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NoSizes", "model.input_size is missing: the data module has no attribute input_size"),
        ("NotAModule", "must make a lightning.LightningDataModule, got NotAModule"),
    ],
)
def test_what_a_data_module_lacks_is_named_before_anything_starts(config, tmp_path, name, message):
    with pytest.raises((ValueError, TypeError), match=message):
        seqsweep.train(config(name))
    assert not (tmp_path / "outputs").exists()


def test_several_devices_are_refused(config):
    with pytest.raises(ValueError, match=r"devices=2: .* \(1 for a data module without"):
        seqsweep.train(config("My", "trainer.devices=2", "trainer.strategy=ddp"))


def test_a_batch_of_another_form_fails_with_the_form_that_is_expected(config):
    words = r"a batch must be \(x, y\) or \(x, lengths, y\), got dict"
    with pytest.raises(RunFailed, match=words):
        seqsweep.train(config("Dicts"))
