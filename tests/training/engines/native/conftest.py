"""What tests of pools share: members of all kinds, and their results when left alone."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from seqsweep.training.planned_run import Outcome, PlannedRun
from seqsweep.training.train import train_pool

MIXED: tuple[tuple[str, ...], ...] = (
    ("seed=0",),
    ("seed=1", "model.num_layers=2", "model.dropout=0.3", "model.bidirectional=true"),
    ("seed=2", "model.cell=gru", "model.pooling=mean", "scheduler=cosine", "data.batch_size=5",
     "data.transform.jitter=0.3", "data.transform.time_mask=2"),
    ("seed=3", "model.cell=lstm", "scheduler=plateau", "scheduler.patience=0",
     "trainer.max_epochs=7"),
    ("seed=0", "callbacks=early_stopping", "callbacks.early_stopping.patience=1",
     "optimizer=adamw", "monitor=val/loss", "trainer.max_epochs=12"),
    ("seed=1", "optimizer=sgd", "optimizer.nesterov=true", "loss.class_weights=balanced"),
    ("seed=2", "trainer.check_val_every_n_epoch=2", "optimizer=rmsprop", "optimizer.lr=0.003"),
    ("seed=5", "optimizer=sgd", "optimizer.lr=1000", "optimizer.momentum=0",
     "model.nonlinearity=relu", "trainer.gradient_clip_val=null"),
)  # fmt: skip
"""Members of one data set that differ in all else; the last one diverges."""


@pytest.fixture
def mixed_members(members_of: Callable[..., list[PlannedRun]]) -> list[PlannedRun]:
    return members_of(members=MIXED)


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, result_of: Callable[[Path], dict[str, Any]]
) -> Callable[[Sequence[PlannedRun]], list[dict[str, Any]]]:
    """The results of members left alone; each config is trained once for all tests."""
    results: dict[str, dict[str, Any]] = {}

    def call(members: Sequence[PlannedRun]) -> list[dict[str, Any]]:
        keys = [json.dumps(member.config) for member in members]
        missing = [member for key, member in zip(keys, members, strict=True) if key not in results]
        # In a folder of their own: a longer run must not begin where a shorter one ended.
        alone = tmp_path_factory.mktemp("left alone")
        outcomes = train_pool(missing, alone, 1) if missing else []
        for member, outcome in zip(missing, outcomes, strict=True):
            assert isinstance(outcome, Outcome), outcome
            results[json.dumps(member.config)] = result_of(alone / member.run_id)
        return [results[key] for key in keys]

    return call


@pytest.fixture
def assert_undisturbed(
    undisturbed: Callable[[Sequence[PlannedRun]], list[dict[str, Any]]],
    result_of: Callable[[Path], dict[str, Any]],
) -> Callable[[Sequence[PlannedRun], Path], None]:
    """Asserts that members in a folder have come to what they come to when left alone."""

    def call(members: Sequence[PlannedRun], root: Path) -> None:
        for member, expected in zip(members, undisturbed(members), strict=True):
            assert result_of(root / member.run_id) == expected

    return call
