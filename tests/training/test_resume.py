"""Interrupted is uninterrupted: a run that was stopped at any moment and trained on is, to the
last bit, the run that was left alone."""

import csv
import io
import itertools
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,  # pyright: ignore[reportPrivateImportUsage]
)
from torch import Tensor

from seqsweep.config.schema import Config
from seqsweep.data.batch import Batch
from seqsweep.models.module import SequenceClassifier
from seqsweep.runs import identity
from seqsweep.runs.identity import WITHOUT_INFLUENCE, is_below
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sealed import sealed
from seqsweep.training import resume
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.outcome import Interrupted, Outcome, RunFailed
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.progress_bar import RunProgressBar
from seqsweep.training.train import train

Plan = Callable[..., PlannedRun]
AtRename = Callable[..., AbstractContextManager[list[str]]]

# 40 sequences: 24 to train on in 3 steps an epoch, 8 to validate in 2 batches, 8 to test on.
BASE = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5",
    "data.source.input_size=3", "data.source.num_classes=3", "data.batch_size=8",
    "data.eval_batch_size=4", "model.hidden_size=5", "optimizer.lr=0.02", "trainer.max_epochs=5",
    "trainer.accelerator=cpu", "trainer.progress_bar=false", "engine=autograd",
)  # fmt: skip
STEPS_PER_EPOCH, EPOCHS = 3, 5

CONFIGS: dict[str, tuple[str, ...]] = {
    "dropout": ("model.num_layers=2", "model.dropout=0.4"),
    "plateau": ("scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.5"),
    "cosine": ("scheduler=cosine", "scheduler.warmup_epochs=2"),
    "step": ("scheduler=step", "scheduler.step_size=2", "scheduler.gamma=0.5"),
    "momentum": ("optimizer=sgd", "optimizer.nesterov=true"),
    "rmsprop": ("optimizer=rmsprop", "optimizer.momentum=0.9"),
    "seldom validated": ("trainer.check_val_every_n_epoch=2",),
    "never validated": ("data.val_fraction=0", "monitor=train/loss"),
    "never tested": ("data.test_fraction=0",),
    "few batches": ("trainer.limit_train_batches=2", "trainer.limit_val_batches=1"),
    "gru": ("model.cell=gru", "model.bidirectional=true", "loss.class_weights=balanced"),
    "one log": ("logger=csv",),
}
EARLY = (
    "callbacks=early_stopping", "monitor=val/loss", "callbacks.early_stopping.patience=2",
    "data.source.seed=5", "trainer.max_epochs=20",
)  # fmt: skip


class Broken(RuntimeError):
    """Ends a run as an error does."""


@pytest.fixture
def planned(checked: Callable[..., Config]) -> Plan:
    """A member of the small config, with these arguments more."""
    return lambda *overrides: plan(check_later(checked, overrides))


def check_later(checked: Callable[..., Config], overrides: Sequence[str]) -> Config:
    return checked(*BASE, *overrides)


@pytest.fixture(autouse=True)
def new_process() -> None:
    """What a process remembers of the runs in a folder is forgotten."""
    resume._finished_runs.cache_clear()


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[PlannedRun], dict[str, Any]]:
    """The results of a run left alone; each config is trained once for all tests."""
    results: dict[str, dict[str, Any]] = {}

    def call(member: PlannedRun) -> dict[str, Any]:
        key = json.dumps(member.config)  # not the run's id: that of threads=1 and 2 is the same
        if key not in results:
            outcome = train(member, tmp_path_factory.mktemp("undisturbed"))
            results[key] = result(outcome.folder.path)
        return results[key]

    return call


@pytest.fixture
def interrupt(killed: type[BaseException]) -> Callable[..., None]:
    """Trains a member until a callback ends the work by an error."""

    def call(
        member: PlannedRun, root: Path, at: Callback, error: type[BaseException] = killed
    ) -> None:
        with pytest.raises(error):
            train(member, root, at)

    return call


def result(folder: Path) -> dict[str, Any]:
    """All that a run has come to, except for how long it took."""
    return {
        "csv": (folder / "metrics.csv").read_bytes(),
        "curves": curves(folder),
        "record": record(folder),
        "best": checkpoint(folder, "best"),
        "last": checkpoint(folder, "last"),
        "files": files(folder),
    }


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Each scalar's (step, value) as TensorBoard reads them, with all that it might pass over."""
    events = EventAccumulator(str(folder), {"scalars": 0}, purge_orphaned_data=False)
    events.Reload()
    tags: Any = events.Tags()
    return {
        tag: sorted((event.step, event.value) for event in events.Scalars(tag))
        for tag in tags["scalars"]
    }


def record(folder: Path) -> dict[str, Any]:
    found = RunFolder(folder).record()
    assert found is not None
    times = ("train_seconds", "samples_per_s", "digest")
    config = {k: v for k, v in found["config"].items() if not is_below(k, WITHOUT_INFLUENCE)}
    return {k: v for k, v in found.items() if k not in times} | {"config": config}


def checkpoint(folder: Path, name: str) -> Any:
    content = load_sealed(folder / "checkpoints" / f"{name}.ckpt")
    del content["files"]
    # The same but for keys without influence, and for epochs that a shorter run has trained.
    del content["config"]
    content["callbacks"]["BestAndLast"].pop("seconds")
    return plain(content)


def plain(value: Any) -> Any:
    """Tensors as their type, shape and bytes: two of these are equal if equal to the bit."""
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def files(folder: Path) -> set[str]:
    """Names without the times in those of event files; at most as many of these as attempts."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {"events" if path.name.startswith("events.out") else str(path) for path in paths}


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Part by part: a difference is then easy to read."""
    for key, value in expected.items():
        if key in ("best", "last"):
            for part in value:
                assert found[key][part] == value[part], f"{part} of {key}.ckpt"
        assert found[key] == value, key


def epochs_in_log(folder: Path) -> list[int]:
    lines = (folder / "train.log").read_text(encoding="utf-8").splitlines()
    words = [line.split("INFO epoch ") for line in lines if "INFO epoch " in line]
    return [int(rest.split()[0]) for _, rest in words]


def test_an_undisturbed_run_leaves_these_files_and_no_other(
    planned: Plan, undisturbed: Callable[[PlannedRun], dict[str, Any]]
) -> None:
    found = undisturbed(planned())
    assert found["files"] == {
        "config.yaml", "provenance.json", "record.json", "metrics.csv", "train.log", "events",
        "diagnostics.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt",
    }  # fmt: skip
    steps = [STEPS_PER_EPOCH * (epoch + 1) for epoch in range(EPOCHS)]
    assert [int(row["step"]) for row in csv.DictReader(found["csv"].decode().splitlines())] == steps
    assert [step for step, _ in found["curves"]["val/acc"]] == steps


@pytest.mark.parametrize("step", range(1, STEPS_PER_EPOCH * EPOCHS + 1))
def test_a_run_interrupted_at_any_step_equals_the_uninterrupted_one(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    step: int,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    member = planned(*CONFIGS["dropout"])
    interrupt(member, tmp_path, at("on_train_batch_end", step))
    assert not (tmp_path / member.run_id / "record.json").exists()
    outcome = train(member, tmp_path)
    assert outcome.trained
    assert_equal(result(outcome.folder.path), undisturbed(member))
    # Whole epochs are kept: none is trained twice but the one that was interrupted.
    whole = (step - 1) // STEPS_PER_EPOCH
    assert epochs_in_log(outcome.folder.path) == [*range(whole), *range(whole, EPOCHS)]


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "dropout"])
@pytest.mark.parametrize("seed", range(3))
def test_an_interrupted_run_of_every_kind_equals_the_uninterrupted_one(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    name: str,
    seed: int,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    """At a random step of an early, a middle and a late epoch."""
    member = planned(*CONFIGS[name])
    steps = 2 if name == "few batches" else STEPS_PER_EPOCH
    epoch = (seed * EPOCHS) // 3 + 1
    step = epoch * steps - random.Random(f"{name} {seed}").randrange(steps)
    interrupt(member, tmp_path, at("on_train_batch_end", step))
    outcome = train(member, tmp_path)
    if name == "one log":
        assert "events" not in files(outcome.folder.path)
    assert_equal(result(outcome.folder.path), undisturbed(member))


HOOKS = [
    ("on_fit_start", 1), ("on_train_start", 1), ("on_train_epoch_start", 1),
    ("on_train_epoch_start", 3), ("on_train_batch_start", 7), ("on_validation_start", 2),
    ("on_validation_batch_end", 1), ("on_validation_batch_end", 6), ("on_validation_end", 4),
    ("on_validation_end", 5), ("on_train_epoch_end", 1), ("on_train_epoch_end", 3),
    ("on_train_epoch_end", 5), ("on_train_end", 1), ("on_fit_end", 1), ("on_test_start", 1),
    ("on_test_batch_end", 1), ("on_test_batch_end", 2), ("on_test_end", 1), ("teardown", 1),
    ("teardown", 2),
]  # fmt: skip


@pytest.mark.parametrize(("hook", "n"), HOOKS, ids=[f"{hook} {n}" for hook, n in HOOKS])
def test_a_run_interrupted_between_steps_equals_the_uninterrupted_one(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    hook: str,
    n: int,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    """At epoch boundaries, in validation, in test, before the record."""
    member = planned(*CONFIGS["dropout"], *CONFIGS["plateau"])
    interrupt(member, tmp_path, at(hook, n))
    outcome = train(member, tmp_path)
    assert outcome.trained
    assert_equal(result(outcome.folder.path), undisturbed(member))


class LostWorker(RuntimeError):
    """What torch raises when a signal has ended a worker; the trainer's own may come later."""

    signals = True

    def __init__(self, _: str) -> None:
        super().__init__("DataLoader worker (pid 1) is killed by signal: Terminated. ")
        if self.signals:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()


class LostAlone(LostWorker):
    signals = False


def test_a_worker_that_a_signal_has_ended_is_no_failure(
    planned: Plan, tmp_path: Path, at: Any, interrupt: Callable[..., None]
) -> None:
    member = planned()
    interrupt(member, tmp_path, at("on_train_batch_end", 2, LostWorker), Interrupted)
    assert (RunFolder(tmp_path / member.run_id).failure() or {})["kind"] == "interrupted"
    interrupt(member, tmp_path, at("on_train_batch_end", 2, LostAlone), RunFailed)


@pytest.mark.parametrize("step", [2, 7])
def test_a_failed_run_resumes_too(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    step: int,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    member = planned(*CONFIGS["dropout"])
    interrupt(member, tmp_path, at("on_train_batch_end", step, Broken), RunFailed)
    interrupt(member, tmp_path, at("on_train_batch_end", 1, Broken), RunFailed)
    outcome_of_failure = (tmp_path / member.run_id / "failure.json").read_text(encoding="utf-8")
    assert '"attempts": 2' in outcome_of_failure
    assert "Broken: here" in outcome_of_failure
    outcome = train(member, tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(member))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_validation_batch_start"])
def test_a_run_stopped_by_a_signal_resumes(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    signum: signal.Signals,
    hook: str,
    at: Any,
) -> None:
    class Signal(at):
        def count(self, *_: object, **__: object) -> None:
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signum)

    member = planned(*CONFIGS["dropout"])
    handlers = [signal.getsignal(number) for number in (2, 15, 1)]
    with pytest.raises(Interrupted, match=signum.name) as stopped:
        train(member, tmp_path, Signal(hook, 5))
    assert stopped.value.exit_code == 128 + signum
    assert [signal.getsignal(number) for number in (2, 15, 1)] == handlers
    folder = tmp_path / member.run_id
    assert '"interrupted"' in (folder / "failure.json").read_text(encoding="utf-8")
    outcome = train(member, tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(member))


def test_a_signal_while_the_confusion_is_counted_interrupts_the_run(
    planned: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The validation with the best weights, which no callback of the user's own sees."""
    step, last = SequenceClassifier.validation_step, iter(range(2 * EPOCHS + 1))

    def signal_in_the_last(self: SequenceClassifier, batch: Batch, batch_idx: int) -> None:
        if next(last) == 2 * EPOCHS:
            signal.raise_signal(signal.SIGTERM)
        step(self, batch, batch_idx)

    monkeypatch.setattr(SequenceClassifier, "validation_step", signal_in_the_last)
    member = planned()
    with pytest.raises(Interrupted):
        train(member, tmp_path)
    failure = (tmp_path / member.run_id / "failure.json").read_text(encoding="utf-8")
    assert '"interrupted"' in failure


@pytest.mark.parametrize("seed", range(4))
def test_a_run_interrupted_several_times_equals_the_uninterrupted_one(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    seed: int,
    at: Any,
    killed: type[BaseException],
) -> None:
    name = ("dropout", "plateau", "cosine", "seldom validated")[seed]
    member, rng = planned(*CONFIGS[name]), random.Random(seed)
    for _ in range(5):
        hook, n = rng.choice([("on_train_batch_end", rng.randint(1, 6)), rng.choice(HOOKS)])
        try:
            train(member, tmp_path, at(hook, n))
        except killed:
            continue
        break  # it had less left than that
    outcome = train(member, tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(member))


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_killed_at_every_rename_equals_the_uninterrupted_one(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    at_rename: AtRename,
    after: bool,
) -> None:
    """Every file of ours gets its name by a rename: the n-th is the last thing that happens."""
    member = planned(*CONFIGS["dropout"], *CONFIGS["step"])
    expected = undisturbed(member)
    n = 0
    for n in itertools.count(1):
        root = tmp_path / str(n)
        with at_rename(n, after) as renamed:
            train(member, root)
        outcome = train(member, root)
        assert_equal(result(outcome.folder.path), expected)
        if len(renamed) < n:
            break
    assert n > 2 + 3 * EPOCHS


def test_early_stopping_stops_where_it_would_have(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    member = planned(*EARLY)
    expected = undisturbed(member)
    assert 2 < expected["record"]["epochs"] < 20
    for step in range(2, expected["record"]["steps"] + 1, 3):
        root = tmp_path / str(step)
        interrupt(member, root, at("on_train_batch_end", step))
        assert_equal(result(train(member, root).folder.path), expected)


@pytest.mark.parametrize("hook", ["on_train_end", "on_fit_end", "on_test_batch_end", "on_test_end"])
def test_early_stopping_that_was_interrupted_after_its_decision_still_stops(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    hook: str,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    member = planned(*EARLY)
    interrupt(member, tmp_path, at(hook, 1))
    interrupt(member, tmp_path, at("on_test_start", 1))
    assert_equal(result(train(member, tmp_path).folder.path), undisturbed(member))


@pytest.mark.parametrize("every", [1, 2])
def test_early_stopping_that_was_interrupted_in_the_last_epoch_still_stops(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    every: int,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    """Before the epoch's checkpoint: the decision is taken again."""
    member = planned(*EARLY, f"trainer.check_val_every_n_epoch={every}")
    expected = undisturbed(member)
    assert expected["record"]["epochs"] < 20
    epochs = expected["record"]["epochs"]
    interrupt(member, tmp_path, at("on_validation_end", epochs // every))
    interrupt(member, tmp_path, at("on_train_epoch_end", 1))
    assert_equal(result(train(member, tmp_path).folder.path), expected)


WORKERS = "ignore:.*(use of fork|DataLoader will create).*"  # Python 3.12; a machine of one core


@pytest.mark.slow
@pytest.mark.filterwarnings(WORKERS)
@pytest.mark.parametrize(
    "moments",
    [
        [("on_train_batch_end", 2)],
        [("on_train_batch_end", 5)],
        [("on_train_epoch_start", 3)],
        [("on_validation_batch_end", 3), ("on_train_batch_end", 4)],
    ],
    ids=["first epoch", "second epoch", "epoch boundary", "twice"],
)
def test_a_run_with_data_loader_workers_resumes_and_leaves_none_behind(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    moments: list[tuple[str, int]],
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    """Equal to a run without any, too: workers are not part of the run's id."""
    member = planned(*CONFIGS["dropout"], "data.num_workers=2")
    alone = planned(*CONFIGS["dropout"])
    assert member.run_id == alone.run_id
    others = multiprocessing.active_children()
    for hook, n in moments:
        interrupt(member, tmp_path, at(hook, n))
        assert multiprocessing.active_children() == others  # none is left behind
    outcome = train(member, tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(alone))


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt", "metrics.csv", "events"])
def test_a_damaged_file_costs_time_and_nothing_else(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    name: str,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    member = planned(*CONFIGS["dropout"])
    interrupt(member, tmp_path, at("on_train_batch_end", 11))
    (path,) = (tmp_path / member.run_id).rglob(f"{name}*")
    path.write_bytes(path.read_bytes()[:-40])
    outcome = train(member, tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(member))
    again = 2 if name == "last.ckpt" else 0
    assert epochs_in_log(outcome.folder.path)[-EPOCHS + again :] == list(range(again, EPOCHS))


def test_a_complete_run_is_not_trained_again(planned: Plan, tmp_path: Path, at: Any) -> None:
    member = planned()
    first = train(member, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in first.folder.path.rglob("*")}
    second = train(member, tmp_path, at("on_fit_start", 1))
    assert (first.trained, second.trained) == (True, False)
    assert second.record == sealed(first.record)
    assert {path: path.stat().st_mtime_ns for path in first.folder.path.rglob("*")} == times


def test_a_run_with_rerun_starts_again(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    """A complete run and one that was interrupted, from the first epoch on."""
    train(planned(), tmp_path)
    again = planned("rerun=true")
    assert again.run_id == planned().run_id
    for _ in range(2):
        interrupt(again, tmp_path, at("on_train_batch_end", 8))
        assert epochs_in_log(tmp_path / again.run_id)[-2:] == [0, 1]
    outcome = train(again, tmp_path)
    assert outcome.trained
    assert epochs_in_log(outcome.folder.path)[-EPOCHS:] == list(range(EPOCHS))
    assert_equal(result(outcome.folder.path), undisturbed(again))


LONGER = {
    "constant": (),
    "dropout": CONFIGS["dropout"],
    "step": CONFIGS["step"],
    "plateau": CONFIGS["plateau"],
    "patient": (*EARLY[:2], "callbacks.early_stopping.patience=50"),
    "seldom validated": CONFIGS["seldom validated"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONGER)
def test_more_epochs_continue_a_finished_run(
    planned: Plan, undisturbed: Callable[[PlannedRun], dict[str, Any]], tmp_path: Path, name: str
) -> None:
    """5 epochs, then 8, then 10: each trains its own epochs and is the run of that length."""
    before = 0
    for epochs in (5, 8, 10):
        resume._finished_runs.cache_clear()
        member = planned(*LONGER[name], f"trainer.max_epochs={epochs}")
        outcome = train(member, tmp_path)
        assert epochs_in_log(outcome.folder.path) == list(range(before, epochs))
        assert_equal(result(outcome.folder.path), undisturbed(member))
        before = epochs
    assert len(list(tmp_path.iterdir())) == 3
    assert_equal(
        result(tmp_path / planned(*LONGER[name]).run_id), undisturbed(planned(*LONGER[name]))
    )


def test_more_epochs_continue_a_run_of_the_shorter_sweep(
    planned: Plan, undisturbed: Callable[[PlannedRun], dict[str, Any]], tmp_path: Path
) -> None:
    """Two sweeps of one grid without a name: their folders differ in the hash of the epochs."""
    train(planned(), tmp_path / "digits-seed-0a1b2c")
    train(planned("trainer.max_epochs=6"), tmp_path / "digits-seed-mine")
    resume._finished_runs.cache_clear()
    member = planned("trainer.max_epochs=7")
    outcome = train(member, tmp_path / "digits-seed-3d4e5f")
    assert epochs_in_log(outcome.folder.path) == [5, 6]
    assert_equal(result(outcome.folder.path), undisturbed(member))


def test_a_run_of_another_version_is_not_continued(
    planned: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first epochs are not those of this version's run."""
    train(planned(), tmp_path)
    resume._finished_runs.cache_clear()
    monkeypatch.setattr(identity, "SEMANTICS", identity.SEMANTICS + 1)
    outcome = train(planned("trainer.max_epochs=6"), tmp_path)
    assert epochs_in_log(outcome.folder.path) == list(range(6))


def test_a_longer_run_that_is_interrupted_resumes(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    tmp_path: Path,
    at: Any,
    interrupt: Callable[..., None],
) -> None:
    train(planned(), tmp_path)
    member = planned("trainer.max_epochs=8")
    for step in (2, 5):
        resume._finished_runs.cache_clear()
        interrupt(member, tmp_path, at("on_train_batch_end", step))
    outcome = train(member, tmp_path)
    assert epochs_in_log(outcome.folder.path) == [5, 6, 7]
    assert_equal(result(outcome.folder.path), undisturbed(member))


@pytest.mark.parametrize("damaged", ["last.ckpt", "best.ckpt", "metrics.csv"])
def test_more_epochs_of_a_damaged_run_start_again(
    planned: Plan, undisturbed: Callable[[PlannedRun], dict[str, Any]], tmp_path: Path, damaged: str
) -> None:
    shorter = train(planned(), tmp_path).folder.path
    (path,) = shorter.rglob(damaged)
    path.write_bytes(path.read_bytes()[:-10])
    resume._finished_runs.cache_clear()
    member = planned("trainer.max_epochs=6")
    outcome = train(member, tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(member))


@pytest.mark.parametrize(
    "other", ["seed=1", "data.batch_size=6", "optimizer.lr=0.01", "data.source.seed=1"]
)
def test_a_run_of_another_config_is_not_continued(
    planned: Plan, tmp_path: Path, other: str
) -> None:
    train(planned(), tmp_path)
    resume._finished_runs.cache_clear()
    outcome = train(planned(other, "trainer.max_epochs=6"), tmp_path)
    assert epochs_in_log(outcome.folder.path) == list(range(6))


def test_a_run_that_stopped_early_is_not_the_beginning_of_a_longer_one(
    planned: Plan, undisturbed: Callable[[PlannedRun], dict[str, Any]], tmp_path: Path
) -> None:
    train(planned(*EARLY), tmp_path)
    resume._finished_runs.cache_clear()
    member = planned(*EARLY, "trainer.max_epochs=30")
    outcome = train(member, tmp_path)
    assert_equal(result(outcome.folder.path), undisturbed(member))


def test_a_scheduler_laid_out_over_the_epochs_starts_again_and_says_so(
    planned: Plan, undisturbed: Callable[[PlannedRun], dict[str, Any]], tmp_path: Path
) -> None:
    shorter = train(planned("scheduler=cosine"), tmp_path).folder.path
    resume._finished_runs.cache_clear()
    member = planned("scheduler=cosine", "trainer.max_epochs=7")
    outcome = train(member, tmp_path)
    text = (outcome.folder.path / "train.log").read_text(encoding="utf-8")
    assert f"{shorter} has 5 epochs of this config, but its scheduler depends on" in text
    assert epochs_in_log(outcome.folder.path) == list(range(7))
    assert_equal(result(outcome.folder.path), undisturbed(member))


DIVERGING = (
    "optimizer=sgd", "optimizer.lr=1000", "optimizer.momentum=0.0", "model.num_layers=2",
    "model.nonlinearity=relu", "trainer.gradient_clip_val=null", "trainer.max_epochs=20",
    "data.batch_size=24", "data.val_fraction=0", "monitor=train/loss",
)  # fmt: skip


def test_a_run_whose_loss_is_nan_has_diverged(planned: Plan, tmp_path: Path, at: Any) -> None:
    member = planned(*DIVERGING)
    first = train(member, tmp_path)
    assert first.trained
    assert first.folder.state() == "diverged"
    epoch = first.record["epoch"]
    assert first.record["status"] == "diverged"
    assert f"in epoch {epoch}" in first.record["error"]
    assert epochs_in_log(first.folder.path) == list(range(epoch))
    assert files(first.folder.path) >= {"record.json", "config.yaml", "provenance.json"}
    assert not (first.folder.path / "failure.json").exists()
    second = train(member, tmp_path, at("on_fit_start", 1))
    assert (second.trained, second.record) == (False, sealed(first.record))


def test_a_diverging_run_diverges_after_an_interruption(
    planned: Plan, tmp_path: Path, at: Any, interrupt: Callable[..., None]
) -> None:
    member = planned(*DIVERGING)
    expected = train(member, tmp_path / "undisturbed").record
    assert expected["epoch"] > 0
    interrupt(member, tmp_path, at("on_train_batch_end", expected["epoch"]))
    interrupt(member, tmp_path, at("on_train_epoch_end", expected["epoch"]))
    assert train(member, tmp_path).record == expected


@pytest.mark.parametrize(
    "options",
    [
        ("model.num_layers=3",),  # NaN in test only
        ("model.num_layers=3", "data.val_fraction=0.2", "data.test_fraction=0"),
        # The loss is 4.7e22 and its gradient's norm too large for float32.
        ("model.num_layers=3", "data.test_fraction=0", "data.batch_size=20",
         "data.source.length=12"),
    ],
    ids=["test", "val", "gradient"],
)  # fmt: skip
def test_a_run_that_breaks_in_its_last_step_has_a_record(
    planned: Plan, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Whatever is not finite in the end: the same command must not train it for ever."""
    member = planned(*DIVERGING, *options, "trainer.max_epochs=1")
    outcome = train(member, tmp_path)
    assert outcome.folder.record() == sealed(outcome.record)
    assert not train(member, tmp_path).trained


class Threads(Callback):
    """Sees how many threads torch has in training."""

    threads = 0

    def on_train_batch_end(self, *_: object, **__: object) -> None:
        self.threads = torch.get_num_threads()


@pytest.mark.slow
def test_a_run_has_the_same_result_with_one_thread_or_two(
    planned: Plan, undisturbed: Callable[[PlannedRun], dict[str, Any]], tmp_path: Path
) -> None:
    """Layers of 64 and 2,000 values a step: enough for torch to share some of them out."""
    wide = ("model.hidden_size=64", "model.num_layers=2", "trainer.max_epochs=2")
    one, two = planned(*wide), planned(*wide, "threads=2")
    assert one.run_id == two.run_id
    seen = Threads()
    outcome = train(two, tmp_path, seen)
    assert seen.threads == 2
    assert torch.get_num_threads() == 1  # as it was
    assert_equal(result(outcome.folder.path), undisturbed(one))


@pytest.mark.slow
@pytest.mark.filterwarnings(WORKERS)
def test_a_run_has_the_same_result_with_no_workers_or_two(
    planned: Plan, undisturbed: Callable[[PlannedRun], dict[str, Any]], tmp_path: Path
) -> None:
    two, none = (planned(*CONFIGS["dropout"], f"data.num_workers={n}") for n in (2, 0))
    assert two.run_id == none.run_id
    assert_equal(result(train(two, tmp_path).folder.path), undisturbed(none))


def column(csv_bytes: bytes, name: str) -> list[str]:
    return [row[name] for row in csv.DictReader(csv_bytes.decode().splitlines())]


@pytest.mark.parametrize(
    "validation", ["trainer.limit_val_batches=0", "trainer.check_val_every_n_epoch=3"]
)
def test_a_run_has_the_same_training_with_validation_or_without(
    planned: Plan,
    undisturbed: Callable[[PlannedRun], dict[str, Any]],
    validation: str,
) -> None:
    options = (*CONFIGS["dropout"], "monitor=train/loss")
    always, seldom = undisturbed(planned(*options)), undisturbed(planned(*options, validation))
    assert "" in column(seldom["csv"], "val/loss")
    assert "" not in column(always["csv"], "val/loss")
    for name in ("train/loss", "train/acc", "train/grad_norm"):
        assert column(seldom["csv"], name) == column(always["csv"], name)
    assert seldom["last"]["state_dict"] == always["last"]["state_dict"]


def test_a_run_has_the_same_result_with_a_progress_bar_or_without(
    planned: Plan, undisturbed: Callable[[PlannedRun], dict[str, Any]], tmp_path: Path
) -> None:
    screen = io.StringIO()
    bar = RunProgressBar(Console(file=screen, force_terminal=True, width=100))
    bare = planned(*CONFIGS["dropout"])
    shown = planned(*CONFIGS["dropout"], "trainer.progress_bar=true")
    assert shown.run_id == bare.run_id
    outcome = train(shown, tmp_path, bar)
    assert "epoch" in screen.getvalue()
    assert_equal(result(outcome.folder.path), undisturbed(bare))


ALONE = """
import json, sys
from pathlib import Path
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train
train(PlannedRun(*json.loads(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_run_has_the_same_result_alone_or_as_the_last_of_five(
    planned: Plan, tmp_path: Path
) -> None:
    """In a process of its own, and after four others that leave their traces where they can."""
    member = planned(*CONFIGS["dropout"])
    planned_as = [member.config, member.run_id, member.data_fingerprint, member.splits]
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
        DIVERGING,
    )
    for overrides in others:
        train(planned(*overrides), tmp_path / "five")
    outcome = train(member, tmp_path / "five")
    assert_equal(result(outcome.folder.path), result(tmp_path / "alone" / member.run_id))


def test_a_run_leaves_the_global_random_state_alone(planned: Plan, tmp_path: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    outcome: Outcome = train(planned(*CONFIGS["dropout"]), tmp_path / "first")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    again = train(planned(*CONFIGS["dropout"]), tmp_path / "second")
    assert_equal(result(again.folder.path), result(outcome.folder.path))
