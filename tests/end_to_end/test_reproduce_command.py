"""`seqsweep reproduce` trains a run again with the same bits, however it was trained."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from commands import StartCommand
from waiting import wait_until

from seqsweep.data.batch import SequenceDataset
from seqsweep.training.build_run import build_module
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.run_data import build_data

pytestmark = pytest.mark.slow

Command = Callable[..., Any]
RUN = (
    "data=digits",
    "model.hidden_size=8",
    "model.num_layers=2",
    "model.dropout=0.2",
    "trainer.max_epochs=12",
)


def _state(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def _is_identical(seqsweep: Command, folder: Path, lines: int = 1) -> None:
    """Checks that the run is identical and its folder unchanged."""
    (run,) = (path.parent for path in folder.rglob("record.json"))
    before = _state(folder)
    result = seqsweep("reproduce", str(run.relative_to(folder)))
    assert result.out.splitlines()[-1] == "identical"
    assert len(result.out.splitlines()) <= lines
    assert result.err == ""
    assert result.code == 0
    assert _state(folder) == before


def test_reproduce_accepts_a_member_of_a_sweep(seqsweep: Command, tmp_path: Path) -> None:
    assert seqsweep("train", "-m", *RUN, "seed=0,1").code == 0
    first, *_ = sorted(tmp_path.glob("outputs/sweeps/*/*/record.json"))
    first.unlink()  # one record is left
    _is_identical(seqsweep, tmp_path)


def test_reproduce_accepts_a_run_that_was_killed_and_resumed(
    seqsweep: Command, start_command: StartCommand, tmp_path: Path
) -> None:
    run = (*RUN[:-1], "trainer.max_epochs=1000")  # seconds, by the native engine
    process = start_command("train", *run)
    try:
        wait_until(lambda: list(tmp_path.rglob("last.ckpt")), process)
        time.sleep(random.Random(0).uniform(0, 0.1))
    finally:
        process.kill()
        process.wait()
    assert not list(tmp_path.rglob("record.json"))
    assert seqsweep("train", *run).code == 0
    (log,) = tmp_path.rglob("train.log")
    assert "checkpoints/last.ckpt" in log.read_text()  # gone on, not begun again
    _is_identical(seqsweep, tmp_path)


def test_reproduce_accepts_a_run_of_two_processes_that_counts_each_sequence_once(
    seqsweep: Command, tmp_path: Path
) -> None:
    # 359 sequences each: the first process evaluates one batch more than the second.
    shares = ("data.batch_size=200", "data.eval_batch_size=179", "loss.class_weights=balanced")
    options = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.max_epochs=2", *shares)
    assert seqsweep("train", "data=digits", *options).code == 0
    (folder,) = (path.parent for path in tmp_path.rglob("record.json"))
    record = json.loads((folder / "record.json").read_text())
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
    _is_identical(seqsweep, tmp_path)
