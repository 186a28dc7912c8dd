"""Neither threads, validation nor the state of the process change the training of a run."""

import csv
import random
from typing import Any

import numpy as np
import pytest
import torch
from hooked import train_with
from lightning.pytorch.callbacks import Callback
from run_files import SMALL, assert_equal, result

from seqsweep.training.train import train

pytestmark = pytest.mark.slow

BASE = (*SMALL, "engine=autograd", "trainer.max_epochs=5")
DROPOUT = ("model.num_layers=2", "model.dropout=0.4")


class Threads(Callback):
    threads = 0

    def on_train_batch_end(self, *_: object, **__: object) -> None:
        self.threads = torch.get_num_threads()
        torch.use_deterministic_algorithms(True)


@pytest.mark.slow
def test_a_run_has_the_same_result_with_one_thread_or_two(planned, undisturbed, tmp_path):
    """The layers of 64 and 2,000 values per step are large enough for torch to use threads."""
    wide = ("model.hidden_size=64", "model.num_layers=2", "trainer.max_epochs=2")
    one, two = planned(*wide), planned(*wide, "threads=2")
    assert one.run_id == two.run_id
    undisturbed(one)  # before the other run, after which the state of torch is looked at
    seen = Threads()
    outcome = train_with(two, tmp_path, seen)
    assert_equal(result(outcome.folder.path), undisturbed(one))
    assert seen.threads == 2
    assert torch.get_num_threads() == 1  # as it was
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    "validation", ["trainer.limit_val_batches=0", "trainer.check_val_every_n_epoch=3"]
)
def test_a_run_has_the_same_training_with_validation_or_without(planned, undisturbed, validation):
    options = (*DROPOUT, "monitor=train/loss")
    always, seldom = undisturbed(planned(*options)), undisturbed(planned(*options, validation))
    rows = [[*csv.DictReader(run["csv"].decode().splitlines())] for run in (seldom, always)]
    assert ["" in [row.get("val/loss", "") for row in each] for each in rows] == [True, False]
    for name in ("train/loss", "train/acc", "train/grad_norm"):
        assert [row[name] for row in rows[0]] == [row[name] for row in rows[1]]
    assert seldom["last"]["state_dict"] == always["last"]["state_dict"]


def global_state() -> list[Any]:
    return [torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()]


def test_the_global_random_state_has_no_part(planned, undisturbed, tmp_path, diverging):
    torch.manual_seed(3)
    before = global_state()
    mixed = ("trainer.precision=bf16-mixed", "trainer.detect_anomaly=true")
    for others in (("model.cell=lstm", *mixed), diverging):
        train(planned(*others), tmp_path)
    assert global_state() == before
    outcome = train(planned(*DROPOUT), tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(planned(*DROPOUT)))
    assert global_state() == before
