"""Threads, workers, validation, a progress bar and earlier runs do not change a run."""

import csv
import io
import json
import os
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from run_files import assert_equal, result

from seqsweep.training.planned_run import Outcome
from seqsweep.training.progress_bar import RunProgressBar
from seqsweep.training.train import train

DROPOUT = ("model.num_layers=2", "model.dropout=0.4")


class Threads(Callback):
    """Records the number of torch's threads in training."""

    threads = 0

    def on_train_batch_end(self, *_: object, **__: object) -> None:
        self.threads = torch.get_num_threads()


@pytest.mark.slow
def test_a_run_has_the_same_result_with_one_thread_or_two(planned, ends_undisturbed):
    """The layers of 64 and 2,000 values per step are large enough for torch to use threads."""
    wide = ("model.hidden_size=64", "model.num_layers=2", "trainer.max_epochs=2")
    one, two = planned(*wide), planned(*wide, "threads=2")
    assert one.run_id == two.run_id
    seen = Threads()
    ends_undisturbed(two, seen, like=one)
    assert seen.threads == 2
    assert torch.get_num_threads() == 1  # as it was


def column(csv_bytes: bytes, name: str) -> list[str]:
    return [row[name] for row in csv.DictReader(csv_bytes.decode().splitlines())]


@pytest.mark.parametrize(
    "validation", ["trainer.limit_val_batches=0", "trainer.check_val_every_n_epoch=3"]
)
def test_a_run_has_the_same_training_with_validation_or_without(planned, undisturbed, validation):
    options = (*DROPOUT, "monitor=train/loss")
    always, seldom = undisturbed(planned(*options)), undisturbed(planned(*options, validation))
    assert "" in column(seldom["csv"], "val/loss")
    assert "" not in column(always["csv"], "val/loss")
    for name in ("train/loss", "train/acc", "train/grad_norm"):
        assert column(seldom["csv"], name) == column(always["csv"], name)
    assert seldom["last"]["state_dict"] == always["last"]["state_dict"]


def test_a_run_has_the_same_result_with_a_progress_bar_or_without(planned, ends_undisturbed):
    screen = io.StringIO()
    bar = RunProgressBar(Console(file=screen, force_terminal=True, width=100))
    bare = planned(*DROPOUT)
    shown = planned(*DROPOUT, "trainer.progress_bar=true")
    assert shown.run_id == bare.run_id
    ends_undisturbed(shown, bar, like=bare)
    assert "epoch" in screen.getvalue()


ALONE = """
import json, sys
from pathlib import Path
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train
train(PlannedRun(**json.loads(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_run_has_the_same_result_alone_or_as_the_last_of_five(planned, tmp_path, diverging):
    """The same run trains in its own process, and after four others in one process."""
    member = planned(*DROPOUT)
    names = ("config", "run_id", "data_fingerprint", "splits", "recordings")
    planned_as = {name: getattr(member, name) for name in names}
    argument = json.dumps(planned_as)
    subprocess.run(
        [sys.executable, "-c", ALONE, argument, str(tmp_path / "alone")],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    others = (
        ("seed=1",),
        ("trainer.detect_anomaly=true", "seed=2", "trainer.max_epochs=1"),
        ("model.cell=lstm", "trainer.deterministic=false", "trainer.precision=bf16-mixed"),
        diverging,
    )
    for overrides in others:
        train(planned(*overrides), tmp_path / "five")
    outcome = train(member, tmp_path / "five")
    assert_equal(result(outcome.folder.path), result(tmp_path / "alone" / member.run_id))


def global_state() -> list[Any]:
    return [torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()]


def test_a_run_leaves_the_global_random_state_alone(planned, tmp_path):
    torch.manual_seed(3)
    before = global_state()
    outcome: Outcome = train(planned(*DROPOUT), tmp_path / "first")
    assert global_state() == before
    torch.manual_seed(4)
    again = train(planned(*DROPOUT), tmp_path / "second")
    assert_equal(result(again.folder.path), result(outcome.folder.path))
