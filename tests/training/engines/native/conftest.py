"""The fixtures of the tests of pools: members of all kinds, and their results when left alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from run_files import assert_equal, result

from seqsweep.native.step import Data, Stop, Work
from seqsweep.training.engines.native import pool_data
from seqsweep.training.planned_run import PlannedRun

Step = Callable[[Sequence[Work], Data, Data | None, Stop], Any]

MIXED: tuple[tuple[str, ...], ...] = (
    ("seed=0",),
    ("seed=1", "model.num_layers=2", "model.dropout=0.3", "model.bidirectional=true",
     "model.cell=minlstm"),
    ("seed=2", "model.cell=gru", "model.pooling=mean", "scheduler=cosine", "data.batch_size=5",
     "data.transform.jitter=0.3", "data.transform.time_mask=2"),
    ("seed=3", "model.cell=lstm", "scheduler=plateau", "scheduler.patience=0",
     "trainer.max_epochs=7"),
    ("seed=0", "callbacks=early_stopping", "callbacks.early_stopping.patience=1",
     "optimizer=adamw", "monitor=val/loss", "trainer.max_epochs=12", "model.cell=indrnn"),
    ("seed=1", "optimizer=sgd", "optimizer.nesterov=true", "loss.class_weights=balanced",
     "model.cell=mingru"),
    ("seed=2", "trainer.check_val_every_n_epoch=2", "optimizer=rmsprop", "optimizer.lr=0.003",
     "model.cell=lru", "model.num_layers=2"),
    ("seed=5", "optimizer=sgd", "optimizer.lr=1000", "optimizer.momentum=0",
     "model.nonlinearity=relu", "trainer.gradient_clip_val=null"),
)  # fmt: skip
"""Members of one data set that differ in all else; the last one diverges."""


@pytest.fixture
def mixed_members(members_of: Callable[..., list[PlannedRun]]) -> list[PlannedRun]:
    return members_of(members=MIXED)


@pytest.fixture
def assert_undisturbed(
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
) -> Callable[[Sequence[PlannedRun], Path], None]:

    def call(members: Sequence[PlannedRun], root: Path) -> None:
        for member in members:
            assert_equal(result(root / member.run_id), undisturbed(member))

    return call


@pytest.fixture
def replace_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[Step], None]:
    """Lets something else train the members of a task, instead of the library."""
    return lambda step: monkeypatch.setattr(pool_data, "run", step)
