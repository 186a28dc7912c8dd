"""A run under Lightning that a search prunes or pauses, and what it comes to when resumed."""

from dataclasses import replace

import pytest
from run_files import epochs_in_log

from seqsweep.runs.record import NO_RECORD
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.limits import Limits
from seqsweep.training.train import train

DROPOUT = ("model.num_layers=2", "model.dropout=0.4")
SELDOM = ("trainer.check_val_every_n_epoch=2",)
WITHOUT = ("data.val_fraction=0", "monitor=train/loss")


@pytest.mark.parametrize(("overrides", "threshold"), [((*DROPOUT, *SELDOM), 1.1), (WITHOUT, 0.0)])
def test_a_pruned_run_that_is_resumed_equals_an_undisturbed_one(
    planned, ends_undisturbed, tmp_path, overrides, threshold
):
    run = planned(*overrides)
    outcome = train(replace(run, limits=Limits({2: threshold})), tmp_path)
    assert outcome.record.status == "pruned" and outcome.record.epochs == 2
    assert outcome.record.pruned is not None
    assert outcome.record.pruned.value == outcome.record.metrics[run.config["monitor"]]
    assert not any(name.startswith("test/") for name in outcome.record.metrics)
    folder = RunFolder(tmp_path / run.run_id)
    assert folder.state() == "pruned" and folder.failure() is None
    ends_undisturbed(run)


def test_a_run_that_pauses_at_epochs_equals_an_undisturbed_one(planned, ends_undisturbed, tmp_path):
    run = planned(*DROPOUT)
    folder = RunFolder(tmp_path / run.run_id)
    for until in (1, 3, 3, 2):
        assert train(replace(run, limits=Limits(until=until)), tmp_path).record is NO_RECORD
        assert folder.record() is None and folder.failure() is None
    assert epochs_in_log(folder.path) == [0, 1, 2]  # nothing is trained twice
    ends_undisturbed(replace(run, limits=Limits(until=5)), like=run)


def test_early_stopping_before_a_limit_stays_as_it_is(planned, tmp_path):
    run = planned(
        "callbacks=early_stopping", "monitor=val/loss", "callbacks.early_stopping.patience=0",
        "callbacks.early_stopping.min_delta=100",
    )  # fmt: skip
    alone = train(run, tmp_path / "alone").record
    assert alone.epochs is not None and alone.epochs < 5
    limits = Limits({alone.epochs: -1.0}, until=alone.epochs)
    record = train(replace(run, limits=limits), tmp_path / "limited").record
    assert (record.status, record.epochs) == ("complete", alone.epochs)


def test_a_run_without_checkpoints_cannot_be_limited(planned, tmp_path):
    run = replace(planned("callbacks.checkpoint=null"), limits=Limits(until=1))
    with pytest.raises(ValueError, match=r"callbacks: must contain a BestAndLast"):
        train(run, tmp_path)
