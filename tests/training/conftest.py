"""The fixtures of the tests of interrupted work: runs and their results."""

import functools
import json
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.callbacks import Callback
from run_files import assert_equal, result
from their_modules import STYLES

import seqsweep
from seqsweep import pace
from seqsweep.config.schema import Config
from seqsweep.native.step import Data, Stop, Work
from seqsweep.training.engines.native import pool_data
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.resume import forget_finished_runs
from seqsweep.training.train import train

CONF = Path(__file__).parents[2] / "scripts/bench/own_conf"
# 40 sequences of mixed lengths: 24 to train on in 3 steps an epoch.
BASE = (
    "data=npz", "data.batch_size=8", "optimizer.lr=0.02", "trainer.max_epochs=5",
    "trainer.accelerator=cpu", "trainer.progress_bar=false", "model.hidden_size=5",
)  # fmt: skip
MEMBERS = (
    ("seed=0",),
    ("seed=1", "model.hidden_size=12", "optimizer.lr=0.05"),
    ("seed=2", "trainer.gradient_clip_val=null", "optimizer.weight_decay=0.01"),
    ("seed=3", "loss.label_smoothing=0.1", "optimizer.betas=[0.8,0.99]", "model.hidden_size=20"),
)
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


Step = Callable[[Sequence[Work], Data, Data | None, Stop], Any]
End = type[BaseException] | signal.Signals | Callable[[], object]


@pytest.fixture
def at(killed: type[BaseException]) -> type[Callback]:
    """The class of callbacks that end the work at a hook, as a kill does where nothing is given.

    `at("on_fit_start", 1)` raises at the first call of this hook. A signal in place of an error is
    sent to this process, and a function is called. A native run has no Trainer; there the callback
    is the display of the run, whose hooks are `start`, `stop`, and `on_epochs` after each task.
    A test may call `on_step` after each task.
    """

    class At(Callback):
        def __init__(self, hook: str, n: int, end: End = killed) -> None:
            self.left, self.end = n, end
            self.metrics: object = {}
            setattr(self, hook, self.count)

        def start(self, epochs: int | None) -> None: ...

        def stop(self) -> None: ...

        def on_epochs(self) -> None: ...

        def on_step(self) -> None: ...

        def draw(self, epochs: float, metrics: Mapping[str, Any]) -> None:
            if metrics is not self.metrics and metrics:  # each task has metrics of its own
                self.metrics = metrics
                self.on_epochs()

        def count(self, *_: object, **__: object) -> None:
            self.left -= 1
            if self.left != 0:
                return
            if isinstance(self.end, signal.Signals):
                signal.raise_signal(self.end)
            elif isinstance(self.end, type):
                raise self.end("here")
            else:
                self.end()

    return At


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "mixed.npz"
    lengths = rng.integers(1, 8, 40)
    y = np.arange(40) % 3
    x = rng.normal(size=(40, 7, 3)) + y[:, None, None]
    np.savez(path, X=x.astype(np.float32), y=y, lengths=lengths)
    return path


@pytest.fixture(scope="session")
def planned_once(checked: Callable[..., Config]) -> Callable[[tuple[str, ...]], PlannedRun]:
    return functools.cache(lambda arguments: plan(checked(*arguments)))


@pytest.fixture
def planned(
    checked: Callable[..., Config], request: pytest.FixtureRequest
) -> Callable[..., PlannedRun]:
    """Plans a run of the test file's `BASE` with these arguments more."""
    return lambda *overrides: plan(checked(*request.module.BASE, *overrides))


@pytest.fixture
def members_of(
    planned_once: Callable[[tuple[str, ...]], PlannedRun], mixed: Path
) -> Callable[..., list[PlannedRun]]:
    """Members that differ, each with these arguments more; the last one of a key counts."""
    forget_finished_runs()

    def call(*overrides: str, members: Sequence[tuple[str, ...]] = MEMBERS) -> list[PlannedRun]:
        source = f"data.source.path={mixed}"
        each = [(*BASE, source, *overrides, *own) for own in members]
        chosen = [{text.partition("=")[0]: text for text in arguments} for arguments in each]
        return [planned_once(tuple(arguments.values())) for arguments in chosen]

    return call


@pytest.fixture
def mixed_members(members_of: Callable[..., list[PlannedRun]]) -> list[PlannedRun]:
    return members_of(members=MIXED)


@pytest.fixture
def replace_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[Step], None]:
    """Lets something else train the members of a task, instead of the library."""
    return lambda step: monkeypatch.setattr(pool_data, "run", step)


@pytest.fixture
def plan_style() -> Callable[..., PlannedRun]:
    """Plans a run of a user's module in one of the styles of `their_modules`, of three epochs."""

    def call(name: str, *overrides: str) -> PlannedRun:
        words = STYLES[name][0].split()
        if not words[0].startswith("model="):
            words += ["model=tag", f"model._target_=their_modules.{name.split()[0]}"]
        shared = (f"hydra.searchpath=[{CONF}]", "trainer=cpu", "trainer.max_epochs=3")
        return plan(seqsweep.compose([*shared, *words, *overrides]))

    return call


@pytest.fixture
def saves_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint of each member of a pool after each of its epochs, as if they took minutes."""
    monkeypatch.setattr(pace, "LONGEST_SECONDS", 0.0)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Returns the results of a run left alone; each config is trained once for all tests."""
    results: dict[str, dict[str, Any]] = {}

    def call(member: PlannedRun, engine: str | None = None) -> dict[str, Any]:
        limits = None if member.limits is None else member.limits.plain()
        # Not the run's id: that of threads=1 and 2 is the same.
        key = json.dumps([member.config, limits, engine])
        if key not in results:
            # In a folder of its own: a longer run must not begin where a shorter one ended.
            outcome = train(member, tmp_path_factory.mktemp("undisturbed"), engine=engine)
            results[key] = result(outcome.folder.path)
        return results[key]

    return call


@pytest.fixture
def assert_undisturbed(
    undisturbed: Callable[..., dict[str, Any]],
) -> Callable[..., None]:

    def call(members: Sequence[PlannedRun], root: Path, engine: str | None = None) -> None:
        for member in members:
            assert_equal(result(root / member.run_id), undisturbed(member, engine))

    return call
