"""`reproduce` finds a run identical, or reports where it first differs."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from run_files import SMALL

from seqsweep.config.schema import Config
from seqsweep.runs.documents import write_sealed
from seqsweep.runs.files import read_json, read_object, write_json
from seqsweep.sweeping.reproduce import reproduce
from seqsweep.training.checkpoint_files import load_sealed, save_sealed
from seqsweep.training.planned_run import plan
from seqsweep.training.saved_config import own_targets, refuse_foreign_targets
from seqsweep.training.train import train

CONFIG = ("model.num_layers=2", "model.dropout=0.3", "trainer.max_epochs=4")


@pytest.fixture(scope="module")
def trained(
    checked: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Trains the config with further overrides and returns the run's folder."""

    def call(*overrides: str, data: tuple[str, ...] = SMALL) -> Path:
        root = tmp_path_factory.mktemp("runs")
        return train(plan(checked(*data, *CONFIG, *overrides)), root).folder.path

    return call


@pytest.fixture(scope="module")
def original(trained: Callable[..., Path]) -> Path:
    return trained()


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, which a test may change."""
    return shutil.copytree(original, tmp_path / "runs" / original.name)


def edit_config(folder: Path, *key: str, value: Any) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    node = config
    for name in key[:-1]:
        node = node[name]
    node[key[-1]] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


@pytest.mark.parametrize(
    "overrides",
    [
        ("data.val_fraction=0", "monitor=train/loss", "logger=none", "rerun=true"),
        ("callbacks=early_stopping", "callbacks.early_stopping.patience=1", "seed=3",
         "when_locked=skip", "trainer.limit_train_batches=2"),
    ],
    ids=["without validation", "early stopping"],
)  # fmt: skip
def test_reproduce_finds_an_unchanged_run_identical(trained, monkeypatch, capsys, overrides):
    """An `engine=auto` means autograd where there was no native engine."""
    monkeypatch.setenv("SEQSWEEP_NATIVE", "off")
    folder = trained(*overrides)
    assert read_object(folder / "provenance.json")["engine"] == "autograd"
    monkeypatch.delenv("SEQSWEEP_NATIVE")
    capsys.readouterr()
    assert reproduce(folder) == 0
    assert capsys.readouterr().out == "identical\n"


@pytest.mark.parametrize("name", ["last", "best"])
def test_reproduce_reports_changed_weights(run, capsys, name):
    path = run / "checkpoints" / f"{name}.ckpt"
    content = load_sealed(path)
    flat = next(iter(content["state_dict"].values())).view(-1)
    flat[-1] = torch.nextafter(flat[-1], torch.tensor(9.0))
    path.unlink()  # it may be the same file as another checkpoint
    save_sealed(content, path)
    assert reproduce(run) == 1
    assert capsys.readouterr().out.startswith(f"differs: the weights of {name}.ckpt, by at most ")


def test_reproduce_names_the_first_epoch_with_a_changed_metric(run, capsys):
    path = run / "metrics.csv"
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    place = lines[0].index("val/acc")
    lines[1][place] = str(float(lines[1][place]) + 0.25)
    lines[2][place] = str(float(lines[2][place]) + 0.5)
    path.write_text("".join(f"{','.join(line)}\n" for line in lines), encoding="utf-8")
    assert reproduce(run) == 1
    assert capsys.readouterr().out.startswith("differs from epoch 0 (val/acc), by at most 0.5\n")


def test_reproduce_reports_deleted_files(run, capsys):
    (run / "checkpoints/last.ckpt").unlink()
    assert reproduce(run) == 0
    assert "identical, but for last.ckpt, which is gone" in capsys.readouterr().out
    for gone in ("metrics.csv", "checkpoints/best.ckpt"):
        (run / gone).unlink()
        assert reproduce(run) == 1
        assert "identical" not in capsys.readouterr().out


def test_reproduce_reports_a_changed_result_in_the_record(run, capsys):
    """The record is the only file with the test accuracy, which the tables show."""
    record = read_json(run / "record.json")
    assert record is not None
    record["metrics"]["test/acc"] = 0.99
    write_sealed(run / "record.json", record)
    assert reproduce(run) == 1
    assert "test/acc" in capsys.readouterr().out


def test_reproduce_names_a_changed_environment(run, capsys):
    provenance = read_json(run / "provenance.json")
    assert provenance is not None
    provenance["packages"]["torch"] = "1.0"
    provenance["cpu_capability"] = "AVX9000"
    write_json(run / "provenance.json", provenance)
    assert reproduce(run) == 0  # what is equal is identical, wherever
    edit_config(run, "seed", value=1)
    capsys.readouterr()
    assert reproduce(run) == 1
    out = capsys.readouterr().out
    assert re.match(r"differs from epoch 0 \(train/loss\), by at most \d", out)
    assert "cpu_capability: AVX9000 then" in out
    assert "'torch': '1.0'" in out
    assert "started" not in out


def test_reproduce_finds_the_data_of_a_relative_path_and_names_a_change(
    trained, tmp_path, monkeypatch, capsys
):
    x, y = np.random.default_rng(0).standard_normal((40, 5, 3)), np.arange(40) % 4
    np.savez(tmp_path / "my.npz", X=x, y=y)
    monkeypatch.chdir(tmp_path)
    folder = trained(data=("data=npz", "data.source.path=my.npz", "data.batch_size=8"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert reproduce(folder) == 0
    assert capsys.readouterr().out == "identical\n"
    np.savez(tmp_path / "my.npz", X=x + 0.5, y=np.roll(y, 1))
    assert reproduce(folder) == 1
    said, difference = capsys.readouterr().out.splitlines()[:2]
    assert said == "the data have changed since the run was trained"
    assert difference.startswith("differs from epoch 0")
    (tmp_path / "my.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"my\.npz"):
        reproduce(folder)


def test_reproduce_refuses_what_is_not_one_whole_run(original, run, tmp_path):
    best = re.escape(f"seqsweep reproduce {original}")
    with pytest.raises(ValueError, match=f"expected one run, .*; the best: {best}"):
        reproduce(original.parent)
    path = run / "checkpoints" / "best.ckpt"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"best\.ckpt is damaged"):
        reproduce(run)
    for number, lost in enumerate(("config.yaml", "record.json")):
        copied = shutil.copytree(original, tmp_path / f"copy{number}")
        (copied / lost).unlink()
        with pytest.raises(ValueError, match=f"copy{number}: not the folder of a complete run"):
            reproduce(copied)


def test_a_foreign_target_in_a_list_is_found():
    config = {"callbacks": {"mine": [{"a": 1}, {"deep": {"_target_": "os.system"}}]}}
    with pytest.raises(ValueError, match=r"here: callbacks\.mine\.1\.deep\._target_=os\.system"):
        refuse_foreign_targets(config, [*own_targets()], "here")


def test_allow_covers_exactly_the_given_name(trained, tmp_path, monkeypatch, capsys):
    run = trained("engine=autograd")  # the engine of networks that are not ours
    (tmp_path / "mine_allowed.py").write_text(
        "from seqsweep.models.classifier import RNNClassifier\n"
        "class Net(RNNClassifier):\n"
        "    def __init__(self, **options):\n"
        "        super().__init__(**options)\n"
        "class Nets(Net):\n"
        "    pass\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name, value in {"_target_": "mine_allowed.Net", "input_size": 3, "num_classes": 3}.items():
        edit_config(run, "model", name, value=value)
    for allowed in ([], ["mine_allowed"], ["mine_allowed.Ne"], ["mine_allowed.*"], ["torch.load"]):
        with pytest.raises(ValueError, match=r"\.yaml: .*Net is not a target .* --allow mine"):
            reproduce(run, allowed)
    assert reproduce(run, ["torch.load", "mine_allowed.Net"]) == 0
    assert capsys.readouterr().out == "identical\n"
    edit_config(run, "model", "_target_", value="mine_allowed.Nets")
    with pytest.raises(ValueError, match=r"mine_allowed\.Nets is not a target"):
        reproduce(run, ["mine_allowed.Net"])
