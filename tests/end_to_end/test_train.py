"""A single run from the command line: its output, its files, and a second call."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from run_files import curves, rows

from seqsweep.data.batch import SequenceDataset
from seqsweep.training.build_run import build_module
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.run_data import build_data

pytestmark = pytest.mark.slow

SHORT = ("data=digits", "trainer.max_epochs=3", "model.hidden_size=8")


def _only_run(folder: Path) -> Path:
    (record,) = folder.glob("outputs/runs/*/*/record.json")
    return record.parent


def test_a_run_is_trained_once_and_its_files_agree(seqsweep, tmp_path):
    first = seqsweep("train", *SHORT)
    assert first.code == 0, first.err
    assert first.err == ""
    # The result, the majority class, the folder and TensorBoard: nothing of the libraries.
    lines = first.out.splitlines()
    assert len(lines) == 4 and lines[3] == "  seqsweep tensorboard outputs/runs/default"
    run = _only_run(tmp_path)
    assert {path.name.split(".")[0] for path in run.iterdir()} == {
        "config", "provenance", "record", "diagnostics", "metrics", "train", "events", "checkpoints"
    }  # fmt: skip
    assert {path.name for path in run.glob("checkpoints/*")} == {"best.ckpt", "last.ckpt"}
    assert "epoch 2" in (run / "train.log").read_text()

    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    again = seqsweep("train", *SHORT, "output_dir=./outputs", "data.num_workers=0")
    assert "complete already" in again.out
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before

    record = json.loads((run / "record.json").read_text())
    written = rows(run)
    assert [int(row["epoch"]) for row in written] == [0, 1, 2]
    best = written[record["best_epoch"]]
    for name in ("train/loss", "val/loss", "val/acc", "val/f1"):
        assert record["metrics"][name] == float(best[name])
    assert float(best["val/acc"]) == max(float(row["val/acc"]) for row in written)
    assert len(list(run.glob("events.*"))) == 1
    assert curves(run).keys() == written[0].keys() - {"step", "epoch"}
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["hidden_size"] == 8
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["packages"]["torch"] == torch.__version__


@pytest.mark.parametrize(
    "options",
    [
        ("debug=fast_dev_run",),
        ("debug=profiler", "trainer.max_epochs=1"),
        ("trainer=debug", "data=random", "optimizer=sgd", "scheduler=step", "trainer.max_epochs=2"),
        pytest.param(("data.num_workers=1", "trainer.max_epochs=1"), marks=pytest.mark.durability),
        ("trainer.precision=bf16-mixed", "optimizer=rmsprop", "scheduler=plateau", "logger=csv"),
        ("callbacks=early_stopping", "callbacks.early_stopping.patience=0", "optimizer.lr=1"),
        ("data.val_fraction=0", "data.test_fraction=0", "logger=none", "optimizer=adamw",
         "loss.class_weights=balanced", "loss.label_smoothing=0.1"),
    ],
)  # fmt: skip
def test_the_options_of_the_config_groups_train(seqsweep, tmp_path, options):
    result = seqsweep("train", *SHORT, *options)
    assert result.code == 0, result.err
    assert result.err == ""
    has_events = not {"logger=csv", "logger=none", "debug=fast_dev_run"} & {*options}
    assert ("seqsweep tensorboard" in result.out) == has_events
    assert json.loads((_only_run(tmp_path) / "record.json").read_text())["status"] == "complete"


@pytest.mark.durability
def test_an_lstm_trains_in_half_precision_on_a_cpu_without_avx512(seqsweep, tmp_path):
    half = ("model.cell=lstm", "trainer.precision=bf16-mixed", "trainer.accelerator=cpu")
    old_cpu = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    new = {"PYTHONPATH": str(tmp_path), **old_cpu}
    assert seqsweep("train", *SHORT, *half, "data=random", **new).code == 0
    assert json.loads((_only_run(tmp_path) / "record.json").read_text())["status"] == "complete"


@pytest.mark.durability
def test_the_overfit_experiment_learns_its_batches(seqsweep, tmp_path):
    assert seqsweep("train", "debug=overfit", "data=digits").code == 0
    record = json.loads((_only_run(tmp_path) / "record.json").read_text())
    assert record["metrics"]["train/acc"] == 1


# Takes some 10 s, since the second process is a new Python.
@pytest.mark.durability
def test_two_processes_share_the_data_and_count_each_sequence_once(seqsweep, tmp_path):
    # 359 sequences each: the first process evaluates one batch more than the second.
    shares = ("data.batch_size=200", "data.eval_batch_size=179", "loss.class_weights=balanced")
    options = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.max_epochs=2", *shares)
    result = seqsweep("train", "data=digits", *options)
    assert result.code == 0, result.err
    assert result.out.count("best epoch") == 1  # one process speaks
    folder = _only_run(tmp_path)
    record = json.loads((folder / "record.json").read_text())
    assert record["steps"] == 2 * math.ceil(math.ceil(record["num_train"] / 2) / 200)
    splits = {name: record["splits"][name]["sequences"] for name in ("val", "test")}
    assert splits == {"val": 359, "test": 359}
    assert {name: np.sum(counts) for name, counts in record["confusion"].items()} == splits

    config = yaml.safe_load((folder / "config.yaml").read_text())
    data = build_data(config)
    module = build_module(config, data.splits)
    module.load_state_dict(load_sealed(folder / "checkpoints/best.ckpt")["state_dict"])
    test = SequenceDataset(data.splits.test)
    with torch.no_grad():
        logits = module.network.eval()(test.x, test.lengths)
    counts = np.zeros((10, 10), dtype=int)
    np.add.at(counts, (test.labels.numpy(), logits.argmax(1).numpy()), 1)
    assert counts.tolist() == record["confusion"]["test"]
    loss = torch.nn.functional.cross_entropy(logits, test.labels)
    assert record["metrics"]["test/loss"] == pytest.approx(float(loss), abs=1e-5)
    assert seqsweep("reproduce", str(folder)).out.splitlines()[-1] == "identical"
