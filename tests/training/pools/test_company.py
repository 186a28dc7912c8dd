"""A run's bits are a function of its config alone: not of company, order or threads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from seqsweep.models.classifier import RNNClassifier
from seqsweep.training.planning import Member, Outcome
from seqsweep.training.pools.run import train_pool

Plan = Callable[..., list[Member]]
ResultOf = Callable[[Path], dict[str, Any]]

# One data set; all else differs.
MIXED: tuple[tuple[str, ...], ...] = (
    ("seed=0",),
    ("seed=1", "model.num_layers=2", "model.dropout=0.3", "model.bidirectional=true"),
    ("seed=2", "model.cell=gru", "model.pooling=mean", "scheduler=cosine", "data.batch_size=5"),
    ("seed=3", "model.cell=lstm", "scheduler=plateau", "scheduler.patience=0",
     "trainer.max_epochs=7"),
    ("seed=0", "callbacks=early_stopping", "callbacks.early_stopping.patience=1",
     "optimizer=adamw", "monitor=val/loss", "trainer.max_epochs=12"),
    ("seed=1", "optimizer=sgd", "optimizer.nesterov=true", "loss.class_weights=balanced"),
    ("seed=2", "trainer.check_val_every_n_epoch=2", "optimizer=rmsprop", "optimizer.lr=0.003"),
    ("seed=5", "optimizer=sgd", "optimizer.lr=1000", "optimizer.momentum=0",
     "model.nonlinearity=relu", "trainer.gradient_clip_val=null"),
)  # fmt: skip


@pytest.mark.parametrize(("threads", "step"), [(1, 1), (2, -1)], ids=["1 thread", "2, reversed"])
def test_alone_equals_in_company(
    members_of: Plan, result_of: ResultOf, tmp_path: Path, threads: int, step: int
) -> None:
    members = members_of(members=MIXED)
    outcomes = train_pool(members[::step], tmp_path / "all", threads)
    assert all(isinstance(outcome, Outcome) for outcome in outcomes), outcomes
    for member in members:
        train_pool([member], tmp_path / "alone", 1)
        one, other = (result_of(tmp_path / how / member.run_id) for how in ("all", "alone"))
        assert one == other
    statuses = {result_of(tmp_path / "all" / m.run_id)["record"]["status"] for m in members}
    assert statuses == {"complete", "diverged"}
