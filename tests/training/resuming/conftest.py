"""Fixtures that train small runs, interrupt them and compare their results to the bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hooked import train_with
from lightning.pytorch.callbacks import Callback
from run_files import SMALL, assert_equal, result

from seqsweep.config.schema import Config
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.resume import forget_finished_runs
from seqsweep.training.train import train

BASE = (*SMALL, "data.eval_batch_size=4", "trainer.max_epochs=5", "engine=autograd")


@pytest.fixture
def planned(checked: Callable[..., Config]) -> Callable[..., PlannedRun]:
    return lambda *overrides: plan(checked(*BASE, *overrides))


@pytest.fixture
def train_anew() -> Callable[..., Outcome]:
    """Trains a run as a new process does, which reads the finished runs again."""

    def call(member: PlannedRun, root: Path, watcher: Any = None) -> Outcome:
        forget_finished_runs()
        if isinstance(watcher, Callback):
            return train_with(member, root, watcher)
        return train(member, root, watcher)

    return call


@pytest.fixture
def ends_undisturbed(
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    train_anew: Callable[..., Outcome],
    tmp_path: Path,
) -> Callable[..., Outcome]:
    """Trains a run to its end; it must come to what it, or `like`, comes to when left alone."""

    def call(
        member: PlannedRun,
        watcher: Any = None,
        root: Path = tmp_path,
        like: PlannedRun | None = None,
    ) -> Outcome:
        outcome = train_anew(member, root, watcher)
        assert_equal(result(outcome.folder.path), undisturbed(like or member))
        return outcome

    return call


@pytest.fixture
def interrupt(
    killed: type[BaseException], train_anew: Callable[..., Outcome], tmp_path: Path
) -> Callable[..., None]:

    def call(member: PlannedRun, at: Callback, error: type[BaseException] = killed) -> None:
        with pytest.raises(error):
            train_anew(member, tmp_path, at)

    return call


@pytest.fixture
def diverging() -> tuple[str, ...]:
    return (
        "optimizer=sgd", "optimizer.lr=1000", "optimizer.momentum=0.0", "model.num_layers=2",
        "model.nonlinearity=relu", "trainer.gradient_clip_val=null", "trainer.max_epochs=20",
        "data.batch_size=24", "data.val_fraction=0", "monitor=train/loss",
    )  # fmt: skip
