"""A single run from the command line: its output, its files, and a second call."""

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seqsweep.models.classifier import RNNClassifier

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
SHORT = ("data=digits", "trainer.max_epochs=3", "model.hidden_size=8")


def _only_run(folder: Path) -> Path:
    (record,) = folder.glob("outputs/runs/*/*/record.json")
    return record.parent


def test_a_run_leaves_its_folder_and_is_not_trained_again(
    seqsweep: Command, tmp_path: Path
) -> None:
    first = seqsweep("train", *SHORT)
    assert first.code == 0, first.err
    assert first.err == ""
    # The result, the majority class and the folder: nothing of the libraries.
    assert len(first.out.splitlines()) == 3
    run = _only_run(tmp_path)
    names = {path.name.split(".")[0] for path in run.iterdir()}
    assert names == {
        "config", "provenance", "record", "diagnostics", "metrics", "train", "events", "checkpoints"
    }  # fmt: skip
    assert {path.name for path in run.glob("checkpoints/*")} == {"best.ckpt", "last.ckpt"}
    assert "epoch 2" in (run / "train.log").read_text()

    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    again = seqsweep("train", *SHORT, "output_dir=./outputs", "data.num_workers=0")
    assert "complete already" in again.out
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_the_files_of_a_run_agree(seqsweep: Command, tmp_path: Path) -> None:
    assert seqsweep("train", *SHORT).code == 0
    run = _only_run(tmp_path)
    record = json.loads((run / "record.json").read_text())
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    best = rows[record["best_epoch"]]
    for name in ("train/loss", "val/loss", "val/acc", "val/f1"):
        assert record["metrics"][name] == float(best[name])
    assert float(best["val/acc"]) == max(float(row["val/acc"]) for row in rows)

    events = EventAccumulator(str(run))
    events.Reload()
    for name in ("train/loss", "val/acc", "lr", "train/grad_norm"):
        points = events.Scalars(name)
        assert [point.step for point in points] == [int(row["step"]) for row in rows]
        assert [point.value for point in points] == pytest.approx([float(r[name]) for r in rows])
    assert len(list(run.glob("events.*"))) == 1
    assert set(events.Tags()["scalars"] or ()) == set(rows[0]) - {"step", "epoch"}  # pyright: ignore

    weights = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    network = RNNClassifier(input_size=8, hidden_size=8, num_classes=10)
    network.load_state_dict({name.removeprefix("network."): w for name, w in weights.items()})

    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["hidden_size"] == 8
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["packages"]["torch"] == torch.__version__


@pytest.mark.parametrize(
    "options",
    [
        ("debug=fast_dev_run",),
        ("debug=profiler", "trainer.max_epochs=1"),
        ("trainer=debug",),
        ("trainer.precision=bf16-mixed",),
        ("callbacks=early_stopping", "callbacks.early_stopping.patience=0", "optimizer.lr=1"),
        ("scheduler=plateau", "optimizer=rmsprop", "logger=csv"),
        ("data.val_fraction=0", "data.test_fraction=0", "logger=none"),
        ("loss.class_weights=balanced", "loss.label_smoothing=0.1", "optimizer=adamw"),
        ("data=random", "data.num_workers=2", "optimizer=sgd", "scheduler=step"),
    ],
)
def test_every_option_of_the_config_groups_trains(
    seqsweep: Command, tmp_path: Path, options: tuple[str, ...]
) -> None:
    result = seqsweep("train", *SHORT, *options)
    assert result.code == 0, result.err
    assert result.err == ""
    assert json.loads((_only_run(tmp_path) / "record.json").read_text())["status"] == "complete"


def test_an_lstm_trains_in_half_precision_on_a_cpu_without_avx512(tmp_path: Path) -> None:
    command = ("-m", "seqsweep", "train", *SHORT, "model.cell=lstm", "data=random")
    half = ("trainer.precision=bf16-mixed", "trainer.accelerator=cpu")
    subprocess.run(
        [sys.executable, *command, *half],
        cwd=tmp_path, check=True, env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    )  # fmt: skip
    assert json.loads((_only_run(tmp_path) / "record.json").read_text())["status"] == "complete"


def test_the_overfit_experiment_learns_its_batches(seqsweep: Command, tmp_path: Path) -> None:
    assert seqsweep("train", "debug=overfit", "data=digits").code == 0
    assert (
        json.loads((_only_run(tmp_path) / "record.json").read_text())["metrics"]["train/acc"] == 1
    )


def test_a_users_arrays_train_with_the_layout_that_a_refusal_proposes(
    seqsweep: Command, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).normal(size=(6, 40, 3))  # time first: the notebook's trap
    np.savez(tmp_path / "mine.npz", X=x, y=np.array(["a", "b"] * 20))
    options = ("data=npz", "data.source.path=mine.npz", "data.batch_size=8")
    wrong = seqsweep("train", *options)
    assert wrong.code == 2
    assert "data.source.layout=time_first" in wrong.err
    right = seqsweep("train", *options, "data.source.layout=time_first", "trainer.max_epochs=1")
    assert right.code == 0, right.err


def test_two_processes_of_ddp_share_the_data(seqsweep: Command, tmp_path: Path) -> None:
    options = ("trainer=ddp", "trainer.accelerator=cpu", "data.batch_size=16")
    result = seqsweep("train", *SHORT, *options)
    assert result.code == 0, result.err
    assert result.out.count("best epoch") == 1  # one process speaks
    record = json.loads((_only_run(tmp_path) / "record.json").read_text())
    share = math.ceil(record["num_train"] / 2)
    assert record["steps"] == 3 * math.ceil(share / 16)


def test_train_reports_a_run_that_diverges(seqsweep: Command, tmp_path: Path) -> None:
    options = ("optimizer=sgd", "optimizer.lr=1000", "trainer.gradient_clip_val=null")
    result = seqsweep("train", *SHORT, *options, "model.nonlinearity=relu")
    assert result.code == 1
    assert "diverged: train/loss is" in result.err
    assert "Traceback" not in result.err
    record = json.loads((_only_run(tmp_path) / "record.json").read_text())
    assert record["status"] == "diverged"
    assert record["epoch"] == 0
    assert "metrics" not in record
